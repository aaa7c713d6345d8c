use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::TrainError;
use crate::lock::{FileLock, LockError};

/// The right to write into a run's folder.
#[derive(Debug)]
pub(super) struct FolderLock {
    /// `None` once it is given back.
    lock: Option<FileLock>,
    folder: PathBuf,
    /// The topmost folder that was made for it.
    made: Option<PathBuf>,
}

/// The lock's name in the folder. It is there while a run is under way, and after one was killed.
const FILE: &str = "run.lock";

impl FolderLock {
    /// Locks a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If another process has it.
    pub fn take(folder: &Path) -> Result<Self, TrainError> {
        let made = folder.ancestors().take_while(|folder| !folder.exists()).last().map(Path::to_owned);
        let failed = |path: PathBuf, source| TrainError::Write { path, source };
        fs::create_dir_all(folder).map_err(|source| failed(folder.to_owned(), source))?;
        let path = folder.join(FILE);
        let lock = FileLock::take(&path).map_err(|error| match error {
            LockError::Held { holder } => TrainError::Locked { path: folder.to_owned(), holder },
            LockError::Write(source) => failed(path.clone(), source),
        })?;
        Ok(Self { lock: Some(lock), folder: folder.to_owned(), made })
    }

    /// Why other processes are not kept out, on a file system without locks.
    pub fn unlocked(&self) -> Option<&io::Error> {
        self.lock.as_ref().and_then(FileLock::unlocked)
    }
}

impl Drop for FolderLock {
    /// Leaves the folder as it was found: a folder that was made for the lock and is empty goes with it. What cannot be
    /// removed harms nobody.
    fn drop(&mut self) {
        self.lock = None;
        if let Some(made) = &self.made {
            let mut folders = self.folder.ancestors().take_while(|folder| folder.starts_with(made));
            while folders.next().is_some_and(|folder| fs::remove_dir(folder).is_ok()) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_and_is_left_as_it_was() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("runs/first");
        let lock = FolderLock::take(&folder).unwrap();
        let error = FolderLock::take(&folder).unwrap_err().to_string();
        assert!(error.contains(&format!("process {} on ", std::process::id())), "{error}");
        drop(lock);
        assert!(!parent.path().join("runs").exists());

        fs::create_dir_all(&folder).unwrap();
        drop(FolderLock::take(&folder).unwrap());
        assert_eq!(folder.read_dir().unwrap().count(), 0);
    }
}
