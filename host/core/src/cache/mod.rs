//! A teacher's outputs, kept so that it need not be run again.
//!
//! A cache holds the features that an adaptor made of a teacher's outputs, as far as the loss reads them. They are kept
//! by example and without padding, so batches may be put together anew in every epoch:
//!
//! ```text
//! cache.json      what it was made of: digests, the form of the numbers, the tensors and their shapes
//! values.bin      one example after the other; read by position
//! checksums.bin   a checksum of each example's values, 0 while they are not there
//! fill.lock       held by the process that fills it
//! ```
//!
//! `cache.json` is there once the other files are, and values are on the disk before their checksums are: a cache whose
//! making was cut off is resumed where it was. A complete one is only read, so it may lie on a read-only disk.

mod checksums;
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
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

pub use config::{CacheDtype, CacheSpec};
pub use error::CacheError;
pub use manifest::CacheKey;

use crate::lock::{FileLock, LockError};
use crate::{Features, Result, files, memory};
use checksums::Checksums;
use layout::Layout;
use manifest::Manifest;
use values::Values;

const VALUES: &str = "values.bin";
const CHECKSUMS: &str = "checksums.bin";
const LOCK: &str = "fill.lock";

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
    checksums: Checksums,
    /// Held once something is missing: only then is anything written.
    lock: OnceLock<FileLock>,
    unflushed: AtomicUsize,
    /// How many examples [`TeacherCache::check`] found damaged.
    damaged: AtomicUsize,
}

impl TeacherCache {
    /// A cache in memory, of float32, for examples of these lengths in tokens.
    ///
    /// # Errors
    /// If this machine's memory is smaller.
    pub(crate) fn in_memory(layout: Layout, lengths: Vec<usize>) -> Result<Self, CacheError> {
        let offsets = layout.offsets(&lengths, CacheDtype::Float32);
        let num_bytes = offsets.last().copied().unwrap_or(0);
        if let Some(total) = memory::total().filter(|&total| num_bytes as u64 > total) {
            return Err(CacheError::Memory { num_bytes: num_bytes as u64, total });
        }
        let (values, checksums) = (Values::in_memory(num_bytes), Checksums::none(lengths.len()));
        Ok(Self::new(None, CacheDtype::Float32, layout, lengths, offsets, values, checksums))
    }

    /// The cache in a folder: a new one, or the one that is there if it was made of the same. If it is not complete,
    /// this process fills it, and no other can.
    ///
    /// # Errors
    /// If the one that is there was made of something else, if its files are not as long as they must be, or if another
    /// process fills it.
    pub(crate) fn open(spec: &CacheSpec, key: CacheKey, layout: Layout, lengths: Vec<usize>) -> Result<Self> {
        let (folder, wanted) = (&spec.path, Manifest::new(key, spec.dtype, layout, lengths.len()));
        if wanted.is_in(folder)? {
            let cache = Self::of_folder(folder, &wanted, &lengths)?;
            if cache.missing().is_empty() {
                return Ok(cache);
            }
        }
        fs::create_dir_all(folder).map_err(|source| CacheError::Write { path: folder.clone(), source })?;
        let lock = lock(folder)?;
        // What was found before the lock may have changed since.
        if !wanted.is_in(folder)? {
            Self::make(folder, &wanted, &lengths)?;
        }
        let cache = Self::of_folder(folder, &wanted, &lengths)?;
        cache.write_with(lock)?;
        Ok(cache)
    }

    /// The cache that is in a folder, to be read.
    fn of_folder(folder: &Path, wanted: &Manifest, lengths: &[usize]) -> Result<Self> {
        let (layout, dtype) = (wanted.layout(), wanted.dtype());
        let offsets = layout.offsets(lengths, dtype);
        let num_bytes = offsets.last().copied().unwrap_or(0);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| match source.kind() {
                io::ErrorKind::NotFound => CacheError::Broken { path, message: "the file is missing".into() },
                _ => CacheError::Read { path, source },
            }
        };
        let path = folder.join(VALUES);
        let length = fs::metadata(&path).map_err(failed(&path))?.len();
        if length != num_bytes as u64 {
            let message = format!("it has {length} bytes; expected {num_bytes}");
            return Err(CacheError::Broken { path, message }.into());
        }
        let values = Values::open(&path).map_err(failed(&path))?;
        let path = folder.join(CHECKSUMS);
        let checksums = Checksums::from_bytes(&fs::read(&path).map_err(failed(&path))?, lengths.len(), &path)?;
        let folder = Some(folder.to_owned());
        Ok(Self::new(folder, dtype, layout.clone(), lengths.to_vec(), offsets, values, checksums))
    }

    /// Makes a cache in which nothing is. What is left of one without its `cache.json` is of unknown origin.
    fn make(folder: &Path, wanted: &Manifest, lengths: &[usize]) -> Result<()> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError::Write { path, source }
        };
        let num_bytes = wanted.layout().offsets(lengths, wanted.dtype()).last().copied().unwrap_or(0);
        let path = folder.join(VALUES);
        Values::create(&path, num_bytes).map_err(failed(&path))?;
        let path = folder.join(CHECKSUMS);
        files::write(&path, &Checksums::none(lengths.len()).to_bytes()).map_err(failed(&path))?;
        Ok(wanted.write(folder)?)
    }

    fn new(
        folder: Option<PathBuf>,
        dtype: CacheDtype,
        layout: Layout,
        lengths: Vec<usize>,
        offsets: Vec<usize>,
        values: Values,
        checksums: Checksums,
    ) -> Self {
        let (lock, unflushed, damaged) = (OnceLock::new(), AtomicUsize::new(0), AtomicUsize::new(0));
        Self { folder, dtype, layout, lengths, offsets, values, checksums, lock, unflushed, damaged }
    }

    /// From now on what is missing may be written.
    fn write_with(&self, lock: FileLock) -> Result<()> {
        if let Some(folder) = &self.folder {
            let path = folder.join(VALUES);
            self.values.allow_writing(&path).map_err(|source| CacheError::Write { path, source })?;
            self.lock.get_or_init(|| lock);
        }
        Ok(())
    }

    /// Reads all examples that are there. Damaged ones count as missing from now on; see [`TeacherCache::damaged`].
    pub(crate) fn check(&self) -> Result<()> {
        let examples = (0..self.num_examples()).into_par_iter().filter(|&example| self.has(example));
        let damaged = examples.filter_map(|example| match self.read_example(example, &mut vec![]) {
            Ok(()) => None,
            Err(CacheError::Damaged { .. }) => Some(Ok(example)),
            Err(error) => Some(Err(error)),
        });
        let damaged: Vec<usize> = damaged.collect::<Result<_, _>>()?;
        if damaged.is_empty() {
            return Ok(());
        }
        if let (Some(folder), None) = (&self.folder, self.lock.get()) {
            self.write_with(lock(folder)?)?;
        }
        damaged.iter().for_each(|&example| self.checksums.forget(example));
        self.damaged.fetch_add(damaged.len(), Ordering::Relaxed);
        Ok(())
    }

    /// How many examples were found damaged when the cache was filled.
    pub fn damaged(&self) -> usize {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Where it lies; `None` in memory.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// What numbers are kept as.
    pub fn dtype(&self) -> CacheDtype {
        self.dtype
    }

    /// For how many examples it has room.
    pub fn num_examples(&self) -> usize {
        self.lengths.len()
    }

    /// How large it is when all examples are in it.
    pub fn num_bytes(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// The examples that are not in it, in order.
    pub fn missing(&self) -> Vec<usize> {
        (0..self.num_examples()).filter(|&example| !self.has(example)).collect()
    }

    /// Whether all of these examples are in it.
    pub fn has_all(&self, examples: &[usize]) -> bool {
        examples.iter().all(|&example| self.has(example))
    }

    fn has(&self, example: usize) -> bool {
        self.checksums.has(example)
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
        let mut bytes = vec![];
        for (row, &example) in examples.iter().enumerate() {
            let length = self.lengths[example];
            self.read_example(example, &mut bytes)?;
            let mut rest = bytes.as_slice();
            for (entry, rows) in self.layout.entries.iter().zip(&mut rows) {
                let (own, others) = rest.split_at(entry.num_bytes(length, self.dtype));
                let row_bytes = entry.num_bytes(longest, self.dtype);
                rows::place(entry, own, length, &mut rows[row * row_bytes..(row + 1) * row_bytes], longest);
                rest = others;
            }
        }
        let tensors = self.layout.entries.iter().zip(&rows);
        let tensors = tensors.map(|(entry, bytes)| rows::tensor(entry, bytes, examples.len(), longest, self.dtype));
        Ok(self.layout.features(tensors.collect::<Result<_>>()?))
    }

    /// Puts the values of an example, which must be there, in place of what `bytes` held.
    fn read_example(&self, example: usize, bytes: &mut Vec<u8>) -> Result<(), CacheError> {
        let (start, end) = (self.offsets[example], self.offsets[example + 1]);
        bytes.resize(end - start, 0);
        self.values.read(start, bytes).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => CacheError::Broken {
                path: self.place().join(VALUES),
                message: format!("it was cut short while it was read: example {example} ends at byte {end}"),
            },
            _ => CacheError::Read { path: self.place().join(VALUES), source },
        })?;
        match self.checksums.matches(example, bytes) {
            true => Ok(()),
            false => Err(CacheError::Damaged { path: self.place().to_owned(), example }),
        }
    }

    /// Keeps the features of those of some examples that are missing; they are padded to the longest of all.
    pub(crate) fn write(&self, examples: &[usize], features: &Features) -> Result<()> {
        if self.has_all(examples) {
            return Ok(());
        }
        let lengths: Vec<usize> = examples.iter().map(|&example| self.lengths[example]).collect();
        let mut of_examples = vec![vec![]; examples.len()];
        for (entry, tensor) in self.layout.entries.iter().zip(self.layout.tensors(features)?) {
            for (bytes, row) in of_examples.iter_mut().zip(rows::split(entry, tensor, &lengths, self.dtype)?) {
                bytes.extend(row);
            }
        }
        for (&example, bytes) in examples.iter().zip(of_examples) {
            // Values that are there are being read by another thread, perhaps.
            if !self.has(example) {
                self.values.write(self.offsets[example], &bytes).map_err(|source| self.write_error(VALUES, source))?;
                self.checksums.record(example, &bytes);
                self.unflushed.fetch_add(bytes.len().max(1), Ordering::Relaxed);
            }
        }
        if self.unflushed.load(Ordering::Relaxed) >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Puts what was written on record, so that it is there after a restart.
    pub fn flush(&self) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        if self.unflushed.swap(0, Ordering::Relaxed) == 0 {
            return Ok(());
        }
        // Taken first, so that none of them is of values which are written after the others are on the disk.
        let checksums = self.checksums.to_bytes();
        self.values.sync().map_err(|source| self.write_error(VALUES, source))?;
        let written = files::write(&folder.join(CHECKSUMS), &checksums);
        Ok(written.map_err(|source| self.write_error(CHECKSUMS, source))?)
    }

    fn write_error(&self, file: &str, source: io::Error) -> CacheError {
        CacheError::Write { path: self.place().join(file), source }
    }

    /// Where it lies, for messages.
    fn place(&self) -> &Path {
        self.folder.as_deref().unwrap_or(Path::new("memory"))
    }
}

impl Drop for TeacherCache {
    /// A run that ends early keeps what it has. An error here only means that more is made again.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// The right to fill the cache in a folder, which one process has. On a file system without locks, checksums tell where two
/// processes wrote over each other.
fn lock(folder: &Path) -> Result<FileLock, CacheError> {
    let path = folder.join(LOCK);
    FileLock::take(&path).map_err(|error| match error {
        LockError::Held { holder } => CacheError::Locked { path: folder.to_owned(), holder },
        LockError::Write(source) => CacheError::Write { path, source },
    })
}

impl fmt::Debug for TeacherCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TeacherCache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::layout::{Dim, Entry, NumberKind, Slot};
    use super::*;
    use tch::{Device, Kind, Tensor};

    /// A cache of the logits of two examples.
    fn open(folder: &Path) -> Result<TeacherCache> {
        let entry = Entry { slot: Slot::Logits(0), dims: vec![Dim::Fixed(2)], kind: NumberKind::Float };
        let layout = Layout { entries: vec![entry], hidden: 0, attention: 0 };
        let spec = CacheSpec { path: folder.to_owned(), dtype: CacheDtype::Float32 };
        TeacherCache::open(&spec, CacheKey::default(), layout, vec![3, 4])
    }

    fn write(cache: &TeacherCache) -> Features {
        let features =
            Features { logits: vec![Tensor::randn([2, 2], (Kind::Float, Device::Cpu))], ..Features::default() };
        cache.write(&[0, 1], &features).unwrap();
        features
    }

    #[test]
    fn a_file_that_is_cut_short_under_a_reader_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let features = write(&open(folder.path()).unwrap());
        let cache = open(folder.path()).unwrap();
        assert_eq!(cache.read(&[0, 1]).unwrap().logits, features.logits);
        let values = fs::File::options().write(true).open(folder.path().join(VALUES)).unwrap();
        values.set_len(12).unwrap();
        assert_eq!(cache.read(&[0]).unwrap().logits[0], features.logits[0].narrow(0, 0, 1));
        let error = cache.read(&[0, 1]).unwrap_err().to_string();
        assert!(error.contains("values.bin: ") && error.contains("example 1 ends at byte 16"), "{error}");
    }

    #[test]
    fn a_cache_is_filled_by_one_and_read_by_many() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path()).unwrap();
        let error = open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("is being filled by process {} on ", std::process::id())), "{error}");
        let features = write(&cache);
        cache.flush().unwrap();
        // It is complete, though its lock is still held.
        let others = [open(folder.path()).unwrap(), open(folder.path()).unwrap()];
        for other in others {
            assert_eq!(other.read(&[1, 0]).unwrap().logits[0], features.logits[0].flip([0]));
        }
    }

    #[test]
    fn values_that_are_there_are_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path()).unwrap();
        let first = write(&cache);
        write(&cache);
        assert_eq!(cache.read(&[0, 1]).unwrap().logits, first.logits);
    }
}
