//! Building with tools that run a plugin's interpreter and keep its memory: two builds of one source are the same bytes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process;

/// A shared library that hides from a tool what differs between machines and moments: `reproducible.c` says how. Empty
/// where there is none for the system.
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/reproducible.so"));

/// What the library says where the system keeps it from its work.
const NOT_REPRODUCIBLE: &str = "not reproducible: ";

/// What lies beside a plugin's source and is not part of it.
const ASIDE: [&str; 3] = ["__pycache__", "brewer", "node_modules"];

/// A folder for one build.
pub struct Workplace {
    folder: TempDir,
}

impl Workplace {
    pub fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir().context("no folder to build in")? })
    }

    /// A path within it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies a folder into it under `name`, without what earlier builds left there: the interpreter sees all files that lie
    /// beside the source, and writes its own beside them.
    pub fn copy(&self, from: &Path, name: &str) -> Result<PathBuf> {
        let to = self.path(name);
        copy(from, &to)?;
        Ok(to)
    }

    /// Runs a tool. It has temporary files of its own, because their names are no longer random. Where the system cannot
    /// make the build reproducible, a warning says so.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        let temporary = self.path("temporary");
        fs::create_dir_all(&temporary).with_context(|| format!("cannot make {}", temporary.display()))?;
        command.env("TMPDIR", temporary);
        let library = self.path("reproducible.so");
        if !LIBRARY.is_empty() {
            fs::write(&library, LIBRARY).with_context(|| format!("cannot write {}", library.display()))?;
            let mut preload = library.clone().into_os_string();
            if let Some(others) = env::var_os("LD_PRELOAD") {
                preload.push(":");
                preload.push(others);
            }
            command.env("LD_PRELOAD", preload);
        }
        let output = process::output(command)?;
        if let Some(reason) = refusal(&library, &String::from_utf8_lossy(&output.stderr)) {
            eprintln!("warning: another build of this plugin will have other bytes: {reason}");
        }
        Ok(())
    }
}

/// Why the library could not do its work, from what the tool has printed.
fn refusal(library: &Path, said: &str) -> Option<String> {
    if LIBRARY.is_empty() {
        return Some("builds are reproducible on Linux (x86-64) alone".to_owned());
    }
    // The loader's words. (Spaces and colons separate the libraries of LD_PRELOAD.)
    if said.contains("cannot be preloaded") {
        let folder = library.parent().unwrap_or(library).display();
        return Some(format!(
            "libraries cannot be loaded from {folder}: set TMPDIR to a folder whose path has no spaces and colons and whose \
             file system is not mounted with `noexec`"
        ));
    }
    said.lines().find_map(|line| line.strip_prefix(NOT_REPRODUCIBLE)).map(str::to_owned)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let unreadable = || format!("cannot read the folder {}", from.display());
    let place = from.canonicalize().with_context(unreadable)?;
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in place.read_dir().with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let (name, path) = (entry.file_name(), entry.path());
        let text = name.to_string_lossy();
        if text.starts_with('.') || text.ends_with(".wasm") || ASIDE.contains(&&*text) {
            continue;
        }
        if !path.is_dir() {
            fs::copy(&path, to.join(&name)).with_context(|| format!("cannot copy {}", path.display()))?;
        } else if path.canonicalize().is_ok_and(|target| place.starts_with(target)) {
            bail!("{} leads to a folder that it lies in: remove it", path.display());
        } else {
            copy(&path, &to.join(&name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_builds_left_is_not_copied() {
        let source = tempfile::tempdir().unwrap();
        for file in ["a.py", "words/b.py", "words/__pycache__/b.pyc", "brewer/wit/tensor.wit", "a.wasm", ".git/HEAD"] {
            let path = source.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let workplace = Workplace::new().unwrap();
        let copied = workplace.copy(source.path(), "plugin").unwrap();
        let names = |folder: &Path| {
            let mut names: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&copied), ["a.py", "words"]);
        assert_eq!(names(&copied.join("words")), ["b.py"]);
        assert_eq!(fs::read_to_string(copied.join("words/b.py")).unwrap(), "words/b.py");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_within_itself_is_named() {
        let source = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(source.path(), source.path().join("again")).unwrap();
        let error = Workplace::new().unwrap().copy(source.path(), "plugin").unwrap_err();
        assert!(error.to_string().contains("again leads to a folder that it lies in"), "{error}");
    }
}
