//! A blob on its way into the store.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::PathBuf,
};

use super::{Store, create, settle};
use crate::{Digest, Error, Result};

/// A blob that is being taken in; only one process does so at a time. What was written of it stays when it is dropped,
/// and the next one continues there.
#[derive(Debug)]
pub struct Ingest<'s> {
    store: &'s Store,
    digest: Digest,
    path: PathBuf,
    file: File,
    reached: u64,
    /// Whether the bytes that are there were found to have the digest.
    is_checked: bool,
    /// Held as long as this blob is on its way.
    _lock: File,
}

impl<'s> Ingest<'s> {
    pub(super) fn begin(store: &'s Store, digest: Digest) -> Result<Self> {
        let lock_path = store.root.join("locks").join(digest.hex());
        let lock = create(&lock_path).map_err(|error| Error::disk(&lock_path, error))?;
        lock.lock().map_err(|error| Error::disk(&lock_path, error))?;
        let path = store.root.join("ingest").join(digest.hex());
        let mut file = create(&path).map_err(|error| Error::disk(&path, error))?;
        let reached = file.seek(SeekFrom::End(0)).map_err(|error| Error::disk(&path, error))?;
        Ok(Self { store, digest, path, file, reached, is_checked: false, _lock: lock })
    }

    /// How many bytes are there.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// Forgets what is there.
    ///
    /// # Errors
    /// If the file cannot be changed.
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|error| Error::disk(&self.path, error))?;
        self.reached = 0;
        self.is_checked = false;
        Ok(())
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::unwritten(&self.path, error))?;
        self.reached += bytes.len() as u64;
        self.is_checked = false;
        Ok(())
    }

    /// Whether what is on the disk has the digest.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_right(&mut self) -> Result<bool> {
        let failed = |error| Error::disk(&self.path, error);
        self.file.rewind().map_err(failed)?;
        let found = Digest::of_reader(&mut self.file).map_err(failed)?;
        self.is_checked = found == self.digest;
        Ok(self.is_checked)
    }

    /// Puts the blob in its place.
    ///
    /// # Errors
    /// If it does not have its digest, or cannot be put there.
    pub fn finish(mut self) -> Result<()> {
        if !self.is_checked && !self.is_right()? {
            return Err(Error::refused(self.digest, "what was received has another digest"));
        }
        let place = self.store.blob_path(&self.digest);
        settle(&self.file, &self.path, &place).map_err(|error| Error::unwritten(&place, error))
    }

    /// Removes what is there: it is of no use to anybody.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn discard(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| Error::disk(&self.path, error))
    }
}
