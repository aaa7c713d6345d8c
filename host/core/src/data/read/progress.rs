use std::fs;
use std::path::Path;

use crate::data::DataError;

/// How far a file of examples is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadProgress<'a> {
    /// The file.
    pub path: &'a Path,
    /// Rows that are read.
    pub rows: u64,
    /// Bytes that are read, out of all.
    pub bytes: u64,
    /// The size of the file.
    pub all_bytes: u64,
}

/// Tells every so often how far a file is read.
pub(super) struct Teller<'a> {
    progress: ReadProgress<'a>,
    on_read: &'a dyn Fn(&ReadProgress<'_>),
}

/// After how many rows. Reading them takes milliseconds.
const EVERY: u64 = 1024;

impl<'a> Teller<'a> {
    pub fn new(path: &'a Path, on_read: &'a dyn Fn(&ReadProgress<'_>)) -> Result<Self, DataError> {
        let metadata = fs::metadata(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        let progress = ReadProgress { path, rows: 0, bytes: 0, all_bytes: metadata.len() };
        on_read(&progress);
        Ok(Self { progress, on_read })
    }

    /// A row is read, which ends at this byte.
    pub fn count(&mut self, end: u64) {
        self.progress.rows += 1;
        self.progress.bytes = end;
        if self.progress.rows.is_multiple_of(EVERY) {
            (self.on_read)(&self.progress);
        }
    }
}
