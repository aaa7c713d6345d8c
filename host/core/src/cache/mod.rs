//! A teacher's outputs, kept so that it need not be run again.
//!
//! A cache holds the features that an adaptor made of a teacher's outputs, as far as the loss reads them. They are kept
//! by example and without padding, so batches may be put together anew in every epoch:
//!
//! ```text
//! cache.json   what it was made of: digests, the form of the numbers, the tensors and their shapes
//! values.bin   one example after the other; read through a mapping into memory
//! done.bin     a byte for each example, 1 when its values are there
//! ```
//!
//! Values are on the disk before their bytes in `done.bin` are, so a cache whose making was cut off goes on where it
//! was.

mod config;
mod error;
pub(crate) mod layout;
mod manifest;
mod rows;
mod values;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub use config::{CacheDtype, CacheSpec};
pub use error::CacheError;
pub use manifest::CacheKey;

use crate::{Features, Result};
use layout::Layout;
use manifest::Manifest;
use values::Values;

const VALUES: &str = "values.bin";
const DONE: &str = "done.bin";

/// After how many bytes of values what is done is put on record.
const FLUSH_BYTES: usize = 256 << 20;

/// The features of one teacher for the examples of one data set.
pub struct TeacherCache {
    /// `None` in memory.
    folder: Option<PathBuf>,
    dtype: CacheDtype,
    layout: Layout,
    /// The tokens of each example.
    lengths: Vec<usize>,
    /// Where the bytes of each example begin, and where the last one's end.
    offsets: Vec<usize>,
    values: Values,
    done: Vec<AtomicBool>,
    unflushed: AtomicUsize,
}

impl TeacherCache {
    /// A cache in memory, of float32, for examples of these lengths in tokens.
    pub(crate) fn in_memory(layout: Layout, lengths: Vec<usize>) -> Self {
        let offsets = offsets(&layout, &lengths, CacheDtype::Float32);
        let values = Values::in_memory(*offsets.last().unwrap_or(&0));
        let done = lengths.iter().map(|_| AtomicBool::new(false)).collect();
        let unflushed = AtomicUsize::new(0);
        Self { folder: None, dtype: CacheDtype::Float32, layout, lengths, offsets, values, done, unflushed }
    }

    /// The cache in a folder: a new one, or the one that is there if it was made of the same.
    ///
    /// # Errors
    /// If the one that is there was made of something else.
    pub(crate) fn open(spec: &CacheSpec, key: CacheKey, layout: Layout, lengths: Vec<usize>) -> Result<Self> {
        let folder = &spec.path;
        let write_error = |path: &Path, source| CacheError::Write { path: path.to_owned(), source };
        fs::create_dir_all(folder).map_err(|source| write_error(folder, source))?;
        let wanted = Manifest::new(key, spec.dtype, layout.clone(), lengths.len());
        match Manifest::read(folder)? {
            Some(found) => found.check(&wanted, folder)?,
            None => {
                // What is left of a cache without its manifest is of unknown origin.
                remove_file(&folder.join(DONE))?;
                wanted.write(folder)?;
            }
        }
        let offsets = offsets(&layout, &lengths, spec.dtype);
        let path = folder.join(VALUES);
        let values =
            Values::in_file(&path, *offsets.last().unwrap_or(&0)).map_err(|source| write_error(&path, source))?;
        let done = read_done(&folder.join(DONE), lengths.len())?;
        Ok(Self {
            folder: Some(folder.clone()),
            dtype: spec.dtype,
            layout,
            lengths,
            offsets,
            values,
            done: done.into_iter().map(AtomicBool::new).collect(),
            unflushed: AtomicUsize::new(0),
        })
    }

    /// Where it lies; `None` in memory.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    pub fn dtype(&self) -> CacheDtype {
        self.dtype
    }

    pub fn num_examples(&self) -> usize {
        self.lengths.len()
    }

    /// How large it is when all examples are in it.
    pub fn num_bytes(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// The examples that are not in it, in order.
    pub fn missing(&self) -> Vec<usize> {
        (0..self.done.len()).filter(|&example| !self.has(example)).collect()
    }

    /// Whether all of these examples are in it.
    pub fn has_all(&self, examples: &[usize]) -> bool {
        examples.iter().all(|&example| self.has(example))
    }

    fn has(&self, example: usize) -> bool {
        self.done[example].load(Ordering::Acquire)
    }

    /// The features of some examples, which must be there, on the CPU and padded with zeros to the longest.
    pub(crate) fn read(&self, examples: &[usize]) -> Result<Features> {
        let longest = examples.iter().map(|&example| self.lengths[example]).max().unwrap_or(0);
        let mut rows: Vec<Vec<u8>> = self
            .layout
            .entries
            .iter()
            .map(|entry| vec![0; examples.len() * entry.num_bytes(longest, self.dtype)])
            .collect();
        for (row, &example) in examples.iter().enumerate() {
            let length = self.lengths[example];
            self.values.read(self.offsets[example], self.offsets[example + 1] - self.offsets[example], |mut bytes| {
                for (entry, rows) in self.layout.entries.iter().zip(&mut rows) {
                    let (own, rest) = bytes.split_at(entry.num_bytes(length, self.dtype));
                    let row_bytes = entry.num_bytes(longest, self.dtype);
                    rows::place(entry, own, length, &mut rows[row * row_bytes..(row + 1) * row_bytes], longest);
                    bytes = rest;
                }
            });
        }
        let tensors = self.layout.entries.iter().zip(&rows);
        let tensors = tensors.map(|(entry, bytes)| rows::tensor(entry, bytes, examples.len(), longest, self.dtype));
        Ok(self.layout.features(tensors.collect::<Result<_>>()?))
    }

    /// Keeps the features of some examples, padded to the longest of them.
    pub(crate) fn write(&self, examples: &[usize], features: &Features) -> Result<()> {
        let lengths: Vec<usize> = examples.iter().map(|&example| self.lengths[example]).collect();
        let mut of_examples = vec![vec![]; examples.len()];
        for (entry, tensor) in self.layout.entries.iter().zip(self.layout.tensors(features)?) {
            for (bytes, row) in of_examples.iter_mut().zip(rows::split(entry, tensor, &lengths, self.dtype)?) {
                bytes.extend(row);
            }
        }
        for (&example, bytes) in examples.iter().zip(of_examples) {
            self.values.write(self.offsets[example], &bytes).map_err(|source| self.write_error(VALUES, source))?;
            self.done[example].store(true, Ordering::Release);
            self.unflushed.fetch_add(bytes.len().max(1), Ordering::Relaxed);
        }
        if self.unflushed.load(Ordering::Relaxed) >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Puts what was written on record, so that it is there after a restart.
    pub fn flush(&self) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        if self.unflushed.swap(0, Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let done: Vec<u8> = self.done.iter().map(|done| u8::from(done.load(Ordering::Acquire))).collect();
        self.values.sync().map_err(|source| self.write_error(VALUES, source))?;
        // In one piece: a record that is cut off would be taken for another data set's.
        let partial = folder.join(DONE).with_extension("partial");
        let written = fs::write(&partial, done).and_then(|()| fs::rename(&partial, folder.join(DONE)));
        Ok(written.map_err(|source| self.write_error(DONE, source))?)
    }

    fn write_error(&self, file: &str, source: io::Error) -> CacheError {
        CacheError::Write { path: self.folder.as_deref().unwrap_or(Path::new("memory")).join(file), source }
    }
}

impl Drop for TeacherCache {
    /// A run that ends early keeps what it has. An error here only means that more is made again.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

impl fmt::Debug for TeacherCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TeacherCache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn offsets(layout: &Layout, lengths: &[usize], dtype: CacheDtype) -> Vec<usize> {
    let ends = lengths.iter().scan(0, |end, &length| {
        *end += layout.num_bytes(length, dtype);
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

fn read_done(path: &Path, num_examples: usize) -> Result<Vec<bool>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == io::ErrorKind::NotFound => vec![0; num_examples],
        Err(source) => return Err(CacheError::Read { path: path.to_owned(), source }.into()),
    };
    if bytes.len() != num_examples {
        let message = format!("{} bytes; expected one for each of {num_examples} examples", bytes.len());
        return Err(CacheError::Broken { path: path.to_owned(), message }.into());
    }
    Ok(bytes.into_iter().map(|byte| byte == 1).collect())
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(CacheError::Write { path: path.to_owned(), source }.into())
        }
        _ => Ok(()),
    }
}
