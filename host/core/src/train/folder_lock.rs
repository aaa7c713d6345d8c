use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::TrainError;

/// The right to write into a run's folder. It is a lock of the kernel on a file in the folder, so it ends with the
/// process, however that ends; what the file says is for people.
#[derive(Debug)]
pub(super) struct FolderLock {
    /// Locked as long as it is open.
    file: File,
    path: PathBuf,
    /// The topmost folder that was made for it.
    made: Option<PathBuf>,
    /// Why the file could not be locked, on a file system without locks.
    unlocked: Option<io::Error>,
}

/// The lock's name in the folder. It is there while a run is under way, and after one was killed.
const FILE: &str = "run.lock";

impl FolderLock {
    /// Locks a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If another process has it.
    pub fn take(folder: &Path) -> Result<Self, TrainError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| TrainError::Write { path, source }
        };
        let made = folder.ancestors().take_while(|folder| !folder.exists()).last().map(Path::to_owned);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let path = folder.join(FILE);
        loop {
            let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let file = opened.map_err(failed(&path))?;
            let unlocked = match file.try_lock() {
                Ok(()) => None,
                Err(TryLockError::WouldBlock) => {
                    return Err(TrainError::Locked { path: folder.to_owned(), holder: holder(file) });
                }
                Err(TryLockError::Error(error)) => Some(error),
            };
            // The run before may have removed the file after it was opened here; then this locks nothing.
            if unlocked.is_some() || is_at(&file, &path) {
                let lock = Self { file, path, made, unlocked };
                lock.sign().map_err(failed(&lock.path))?;
                return Ok(lock);
            }
        }
    }

    /// Why other processes are not kept out, on a file system without locks.
    pub fn unlocked(&self) -> Option<&io::Error> {
        self.unlocked.as_ref()
    }

    /// Writes who has the lock.
    fn sign(&self) -> io::Result<()> {
        // A clock before the year 0 or after 9999 has no such form.
        let since = OffsetDateTime::now_utc().replace_nanosecond(0).ok().and_then(|now| now.format(&Rfc3339).ok());
        let host = fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let host = host.as_deref().map(str::trim).filter(|host| !host.is_empty()).unwrap_or("an unnamed host");
        let pid = std::process::id();
        self.file.set_len(0)?;
        writeln!(&self.file, "process {pid} on {host} since {}", since.as_deref().unwrap_or("an unknown time"))
    }
}

impl Drop for FolderLock {
    /// Leaves the folder as it was found: the lock's file goes while the lock still holds, and so does a folder that
    /// was made for it and is empty. What cannot be removed harms nobody.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        if let Some(made) = &self.made {
            let folders = self.path.ancestors().skip(1).take_while(|folder| folder.starts_with(made));
            let _ = folders.map(fs::remove_dir).find(Result::is_err);
        }
    }
}

/// Who has a lock, as far as its file says.
fn holder(mut file: File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(length) if length > 0 => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

/// Whether this open file is the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(own), Ok(other)) => (own.dev(), own.ino()) == (other.dev(), other.ino()),
        _ => false,
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
        // A process that was killed leaves the file, which nobody has locked.
        fs::write(folder.join(FILE), "process 1 on gone since 2020-01-01T00:00:00Z\n").unwrap();
        drop(FolderLock::take(&folder).unwrap());
        assert_eq!(folder.read_dir().unwrap().count(), 0);
    }
}
