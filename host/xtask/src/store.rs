//! How set-up changes `target/` so that an interruption leaves nothing half done: a thing is made in a scratch folder
//! and renamed to its place.

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result};

use crate::step::note;

/// The folder set-up keeps for itself.
pub struct Store {
    folder: PathBuf,
}

/// The right to change what is set up; held by one process at a time.
pub struct Turn {
    scratch: PathBuf,
    _lock: File,
}

impl Store {
    /// A store in `folder`, which need not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Waits until no other set-up of this checkout is changing things.
    pub fn lock(&self) -> Result<Turn> {
        create_folder(&self.folder)?;
        let path = self.folder.join("lock");
        let lock = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                note("another set-up of this checkout is running: waiting for it");
                lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        // What lies here now was left by a set-up that was interrupted.
        let scratch = self.folder.join("scratch");
        remove(&scratch)?;
        create_folder(&scratch)?;
        Ok(Turn { scratch, _lock: lock })
    }

    /// What was recorded when the thing `name` was set up.
    pub fn stamp(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.stamp_path(name)).ok()
    }

    /// Records that `name` was set up from what `text` says.
    pub fn set_stamp(&self, name: &str, text: &str) -> Result<()> {
        write(&self.stamp_path(name), text.as_bytes())
    }

    /// Forgets what was recorded of `name`: from here on it is being changed.
    pub fn clear_stamp(&self, name: &str) -> Result<()> {
        remove(&self.stamp_path(name))
    }

    fn stamp_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.stamp"))
    }
}

impl Turn {
    /// An empty folder to make things in, on the file system they will be renamed on.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Moves `made`, which lies in the scratch folder, to `place`; what was there is deleted.
    pub fn put(&self, made: &Path, place: &Path) -> Result<()> {
        let old = self.scratch.join("replaced");
        if place.symlink_metadata().is_ok() {
            rename(place, &old)?;
        }
        if let Some(parent) = place.parent() {
            create_folder(parent)?;
        }
        rename(made, place)?;
        remove(&old)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Whatever cannot be removed now is removed by the next turn.
        let _ = remove(&self.scratch);
    }
}

/// Writes a file in one go: a reader sees the old content or the new one.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        create_folder(parent)?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", process::id()));
    let unfinished = PathBuf::from(unfinished);
    fs::write(&unfinished, content).with_context(|| format!("cannot write {}", unfinished.display()))?;
    rename(&unfinished, path)
}

/// Creates a folder and those above it.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create the folder {}", path.display()))
}

/// Deletes a file, a link (not what it points to) or a folder with all it holds; fine if there is none.
pub fn remove(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Renames a file or a folder.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_new_thing_replaces_a_folder_a_file_or_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("set-up"));
        let elsewhere = folder.path().join("elsewhere");
        create_folder(&elsewhere).unwrap();
        let place = folder.path().join("thing");

        for old in ["nothing", "folder", "file", "link"] {
            remove(&place).unwrap();
            match old {
                "folder" => create_folder(&place.join("old")).unwrap(),
                "file" => fs::write(&place, "old").unwrap(),
                "link" => symlink(&elsewhere, &place).unwrap(),
                _ => {}
            }
            let turn = store.lock().unwrap();
            let made = turn.scratch().join("thing");
            create_folder(&made.join("new")).unwrap();
            turn.put(&made, &place).unwrap();
            assert!(place.join("new").is_dir() && !place.join("old").exists(), "{old}");
        }
        assert!(elsewhere.is_dir(), "what a link points to must stay");
    }

    #[test]
    fn what_an_interrupted_set_up_left_is_gone_at_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let left = folder.path().join("scratch/half/made");
        create_folder(&left).unwrap();
        let turn = store.lock().unwrap();
        assert!(!left.exists() && turn.scratch().is_dir());
    }
}
