//! The right to fill a cache, which one process has.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use super::CacheError;

/// A lock of the kernel on a file in the cache's folder, so it ends with the process, however that ends. What the file
/// says is for people.
pub(super) struct FillLock {
    /// Locked as long as it is open.
    _file: File,
}

const FILE: &str = "fill.lock";

impl FillLock {
    /// # Errors
    /// If another process has it, with who that is.
    pub fn take(folder: &Path) -> Result<Self, CacheError> {
        let path = folder.join(FILE);
        let failed = |source| CacheError::Write { path: path.clone(), source };
        let options = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(CacheError::Locked { path: folder.to_owned(), holder: holder(file) });
            }
            // A file system without locks. Where two processes fill one cache there, checksums tell whose values are
            // torn.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        sign(&file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Writes who has the lock.
fn sign(mut file: &File) -> io::Result<()> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "an unnamed host".to_owned());
    file.set_len(0)?;
    writeln!(file, "process {} on {}", std::process::id(), host.trim())
}

/// Who has a lock, as far as its file says.
fn holder(mut file: File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(length) if length > 0 => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}
