//! The bytes of a cache: in memory, or in a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{OnceLock, PoisonError, RwLock};

/// Bytes that one thread reads while another writes elsewhere. A file is read by position and not through a mapping:
/// one that another process cuts short is an error then, and would be a signal that ends this process.
pub(super) enum Values {
    Memory(RwLock<Vec<u8>>),
    File {
        reader: File,
        /// There once this process may write; a complete cache may lie where it cannot.
        writer: OnceLock<File>,
    },
}

impl Values {
    pub fn in_memory(num_bytes: usize) -> Self {
        Values::Memory(RwLock::new(vec![0; num_bytes]))
    }

    /// Opens a file to be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Values::File { reader: File::open(path)?, writer: OnceLock::new() })
    }

    /// Makes a file of `num_bytes` zeros in place of one that may be there. They take no room on the disk.
    pub fn create(path: &Path, num_bytes: usize) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(num_bytes as u64)?;
        file.sync_all()
    }

    /// Opens the file, which lies at `path`, to be written, too.
    pub fn allow_writing(&self, path: &Path) -> io::Result<()> {
        if let Values::File { writer, .. } = self {
            let file = File::options().write(true).open(path)?;
            writer.get_or_init(|| file);
        }
        Ok(())
    }

    /// Fills `bytes` from `start` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before.
    pub fn read(&self, start: usize, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Values::Memory(all) => {
                let all = all.read().unwrap_or_else(PoisonError::into_inner);
                bytes.copy_from_slice(&all[start..start + bytes.len()]);
                Ok(())
            }
            Values::File { reader, .. } => reader.read_exact_at(bytes, start as u64),
        }
    }

    pub fn write(&self, start: usize, bytes: &[u8]) -> io::Result<()> {
        match self {
            Values::Memory(all) => {
                let mut all = all.write().unwrap_or_else(PoisonError::into_inner);
                all[start..start + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
            Values::File { writer, .. } => {
                let writer = writer.get().ok_or_else(|| io::Error::other("the cache was opened to be read only"))?;
                writer.write_all_at(bytes, start as u64)
            }
        }
    }

    /// Waits until all that was written is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        match self {
            Values::File { writer, .. } => writer.get().map_or(Ok(()), File::sync_data),
            Values::Memory(_) => Ok(()),
        }
    }
}
