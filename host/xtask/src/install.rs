//! `cargo xtask install`: the binary with its libtorch, to where both work without the checkout.

use std::{
    env,
    fs::{self, Permissions},
    io::{Write, stdout},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result, bail};

use brewer_plugin_kit::process as program;

use crate::{setup, step::step, store, workspace::Workspace};

const BINARY: &str = "brewer-host";

/// Sets up, builds and installs. What is installed is what the tests run: the same profile, the same bytes.
pub fn run(workspace: &Workspace, prefix: Option<&Path>) -> Result<()> {
    let prefix = match prefix {
        Some(prefix) => std::path::absolute(prefix).context("cannot read the current folder")?,
        None => home()?.join(".local"),
    };
    setup::setup(workspace)?;
    step(BINARY, || {
        program::run(workspace.cargo().args(["build", "--bin", BINARY]))?;
        Ok("built".to_owned())
    })?;
    step("install", || {
        install(&workspace.built(BINARY), &workspace.libtorch(), &prefix)?;
        Ok(format!("in {}", prefix.display()))
    })?;
    let installed = prefix.join("bin").join(BINARY);
    // It runs where no variable helps it to find its libraries.
    let version = program::capture(process::Command::new(&installed).arg("--version").env_remove("LD_LIBRARY_PATH"))?;
    println!("{version}");
    let folders = env::var_os("PATH").unwrap_or_default();
    if !env::split_paths(&folders).any(|folder| folder == prefix.join("bin")) {
        println!("{} is not on the PATH: add it", prefix.join("bin").display());
    }
    stdout().flush().context("cannot write to standard output")
}

fn home() -> Result<PathBuf> {
    match env::home_dir().filter(|home| home.is_absolute()) {
        Some(home) => Ok(home),
        None => bail!("there is no home folder to install into: name a folder with --prefix"),
    }
}

/// Puts the binary into `PREFIX/lib/brewer/bin` and libtorch beside that `bin`, as it lies beside the folder of a built binary
/// in `target/`: there the binary looks for it first. `PREFIX/bin` has a link. The folder is replaced as a whole, programs that
/// run keep the old one, and what an interrupted installation left is removed.
fn install(binary: &Path, libtorch: &Path, prefix: &Path) -> Result<()> {
    let (programs, libraries) = (prefix.join("bin"), prefix.join("lib"));
    create_folders(&programs)?;
    create_folders(&libraries)?;
    let (made, old) = (libraries.join(".brewer.new"), libraries.join(".brewer.old"));
    let place = libraries.join("brewer");
    store::remove(&made)?;
    if place.symlink_metadata().is_ok() {
        store::remove(&old)?;
    }
    create_folder(&made)?;
    create_folder(&made.join("bin"))?;
    copy(binary, &made.join("bin").join(BINARY), 0o755)?;
    match fs::read_link(libtorch) {
        // The user's own stays where it is, with all that it loads from beside it.
        Ok(own) => link(&own, &made.join("libtorch"))?,
        Err(_) => {
            create_folder(&made.join("libtorch"))?;
            for part in ["lib", "licenses"] {
                copy_files(&libtorch.join(part), &made.join("libtorch").join(part))?;
            }
        }
    }
    if place.symlink_metadata().is_ok() {
        store::rename(&place, &old)?;
    }
    if let Err(error) = store::rename(&made, &place) {
        if old.symlink_metadata().is_ok() {
            store::rename(&old, &place)?;
        }
        return Err(error);
    }
    store::remove(&old)?;
    let made = programs.join(format!(".{BINARY}"));
    store::remove(&made)?;
    link(&Path::new("../lib/brewer/bin").join(BINARY), &made)?;
    store::rename(&made, &programs.join(BINARY))
}

fn link(to: &Path, place: &Path) -> Result<()> {
    symlink(to, place).with_context(|| format!("cannot create the link {}", place.display()))
}

/// Copies the files of a folder and of those below it, but no links: they are names that only a linker reads.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    create_folder(to)?;
    let unreadable = || format!("cannot read the folder {}", from.display());
    for entry in fs::read_dir(from).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let (kind, copied) = (entry.file_type().with_context(unreadable)?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_files(&entry.path(), &copied)?;
        } else if kind.is_file() {
            copy(&entry.path(), &copied, 0o644)?;
        }
    }
    Ok(())
}

/// The folders of a path that are not there yet, for every user.
fn create_folders(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_folders(parent)?;
    }
    create_folder(path)
}

/// A folder for every user, whatever the mask of the one who installs.
fn create_folder(path: &Path) -> Result<()> {
    store::create_folder(path)?;
    set_mode(path, 0o755)
}

/// Copies a file, for every user as well.
fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    set_mode(to, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    let permissions = Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).with_context(|| format!("cannot set the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path, content: &str) {
        store::create_folder(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_installed_replaces_what_was_and_is_for_every_user() {
        let folder = tempfile::tempdir().unwrap();
        let (built, libtorch, prefix) =
            (folder.path().join("b"), folder.path().join("t"), folder.path().join("prefix"));
        file(&built, "the binary");
        file(&libtorch.join("lib/libc10.so"), "a library");
        file(&libtorch.join("licenses/third_party/LICENSE"), "a licence");
        file(&libtorch.join("include/torch.h"), "a header");
        symlink("libc10.so", libtorch.join("lib/libtorch.so")).unwrap();
        file(&prefix.join("lib/brewer/libtorch/lib/libold.so"), "of an earlier version");
        file(&prefix.join("lib/.brewer.new/libtorch/lib/libhalf.so"), "of an interrupted installation");
        for _ in 0..2 {
            install(&built, &libtorch, &prefix).unwrap();
        }
        assert_eq!(fs::read_to_string(prefix.join("bin/brewer-host")).unwrap(), "the binary");
        // The link leads there wherever the prefix is moved.
        fs::rename(&prefix, folder.path().join("moved")).unwrap();
        let prefix = folder.path().join("moved");
        assert_eq!((mode(&prefix.join("bin")), mode(&prefix.join("bin/brewer-host"))), (0o755, 0o755));
        let installed = prefix.join("lib/brewer");
        assert_eq!((mode(&installed), mode(&installed.join("libtorch/lib/libc10.so"))), (0o755, 0o644));
        assert_eq!(names(&installed.join("libtorch")), ["lib", "licenses"]);
        assert_eq!(names(&installed.join("libtorch/lib")), ["libc10.so"]);
        assert!(installed.join("libtorch/licenses/third_party/LICENSE").is_file());
        // Nothing half made is left.
        assert_eq!(
            (names(&prefix.join("bin")), names(&prefix.join("lib"))),
            (vec!["brewer-host".into()], vec!["brewer".into()])
        );
    }

    #[test]
    fn the_users_own_libtorch_is_linked() {
        let folder = tempfile::tempdir().unwrap();
        let (built, own, prefix) = (folder.path().join("b"), folder.path().join("own"), folder.path().join("prefix"));
        file(&built, "the binary");
        file(&own.join("lib/libtorch_cuda.so"), "a library");
        let libtorch = folder.path().join("libtorch");
        symlink(&own, &libtorch).unwrap();
        for _ in 0..2 {
            install(&built, &libtorch, &prefix).unwrap();
        }
        assert_eq!(fs::read_link(prefix.join("lib/brewer/libtorch")).unwrap(), own);
        assert!(own.join("lib/libtorch_cuda.so").is_file());
    }
}
