//! The bytes of a cache: in memory, or in a file that is mapped into it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use memmap2::Mmap;

/// Bytes that one thread reads while another writes elsewhere.
pub(super) enum Values {
    Memory(RwLock<Vec<u8>>),
    File { file: File, map: Mmap },
}

impl Values {
    pub fn in_memory(num_bytes: usize) -> Self {
        Values::Memory(RwLock::new(vec![0; num_bytes]))
    }

    /// Opens or makes a file of `num_bytes`. What was not written takes no room on the disk.
    pub fn in_file(path: &Path, num_bytes: usize) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if file.metadata()?.len() != num_bytes as u64 {
            file.set_len(num_bytes as u64)?;
        }
        // SAFETY: the file lies in a folder that is the cache's own. If another process shortens it nonetheless, reading
        // it ends the process as it would for any mapped file.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Values::File { file, map })
    }

    /// Passes some bytes to `use_bytes`.
    pub fn read(&self, start: usize, length: usize, use_bytes: impl FnOnce(&[u8])) {
        match self {
            Values::Memory(bytes) => {
                use_bytes(&bytes.read().unwrap_or_else(PoisonError::into_inner)[start..start + length]);
            }
            Values::File { map, .. } => use_bytes(&map[start..start + length]),
        }
    }

    pub fn write(&self, start: usize, bytes: &[u8]) -> io::Result<()> {
        match self {
            Values::Memory(all) => {
                let mut all = all.write().unwrap_or_else(PoisonError::into_inner);
                all[start..start + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
            // Not through the mapping: a full disk is an error here, and would be a signal there.
            Values::File { file, .. } => file.write_all_at(bytes, start as u64),
        }
    }

    /// Waits until all that was written is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        match self {
            Values::Memory(_) => Ok(()),
            Values::File { file, .. } => file.sync_data(),
        }
    }
}
