//! Locks between processes.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A file that one process at a time holds. It is a lock of the kernel, so it ends with the process, however that ends;
/// what the file says is for people. The file is removed at the end, and stays where the process was killed.
#[derive(Debug)]
pub(crate) struct FileLock {
    /// Locked as long as it is open.
    file: File,
    path: PathBuf,
    unlocked: Option<io::Error>,
}

/// Why a lock cannot be had.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it: `process 12 on host since 2026-01-01T00:00:00Z`.
    Held { holder: String },
    /// The file cannot be opened or written.
    Write(io::Error),
}

impl FileLock {
    /// Makes the file at `path` if it is not there, and locks it.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        loop {
            let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
            let file = opened.map_err(LockError::Write)?;
            let unlocked = match file.try_lock() {
                Ok(()) => None,
                Err(TryLockError::WouldBlock) => return Err(LockError::Held { holder: holder(file) }),
                Err(TryLockError::Error(error)) => Some(error),
            };
            // The holder before may have removed the file after it was opened here; then this locks nothing.
            if unlocked.is_some() || is_at(&file, path) {
                let lock = Self { file, path: path.to_owned(), unlocked };
                lock.sign().map_err(LockError::Write)?;
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

impl Drop for FileLock {
    /// The file goes while the lock still holds. One that cannot be removed harms nobody.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
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
    fn a_lock_has_one_holder_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.lock");
        // A process that was killed leaves the file, which nobody has locked.
        fs::write(&path, "process 1 on gone since 2020-01-01T00:00:00Z\n").unwrap();
        let lock = FileLock::take(&path).unwrap();
        let Err(LockError::Held { holder }) = FileLock::take(&path) else { panic!("it is locked twice") };
        assert!(holder.starts_with(&format!("process {} on ", std::process::id())), "{holder}");
        drop(lock);
        assert!(!path.exists());
        drop(FileLock::take(&path).unwrap());
    }
}
