//! `checksums.bin`: which examples a cache has, and how their values are told from damaged ones.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::CacheError;

/// A checksum for each example; 0 for one whose values are not there.
pub(super) struct Checksums(Vec<AtomicU64>);

/// The bytes of a checksum in the file, the lowest first.
const SIZE: usize = size_of::<u64>();

impl Checksums {
    /// Of a cache in which nothing is.
    pub fn none(num_examples: usize) -> Self {
        Self((0..num_examples).map(|_| AtomicU64::new(0)).collect())
    }

    /// Of the content of the file at `path`.
    ///
    /// # Errors
    /// If it is not a checksum for each of `num_examples`.
    pub fn from_bytes(bytes: &[u8], num_examples: usize, path: &Path) -> Result<Self, CacheError> {
        let (sums, rest) = bytes.as_chunks::<SIZE>();
        if sums.len() != num_examples || !rest.is_empty() {
            let expected = num_examples * SIZE;
            let message = format!("it has {} bytes; expected {expected}, {SIZE} for each example", bytes.len());
            return Err(CacheError::Broken { path: path.to_owned(), message });
        }
        Ok(Self(sums.iter().map(|sum| AtomicU64::new(u64::from_le_bytes(*sum))).collect()))
    }

    /// The content of the file, as of now.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|sum| sum.load(Ordering::Acquire).to_le_bytes()).collect()
    }

    /// Whether the example's values are there.
    pub fn has(&self, example: usize) -> bool {
        self.0[example].load(Ordering::Acquire) != 0
    }

    /// The values of an example are there now, and are these.
    pub fn record(&self, example: usize, values: &[u8]) {
        self.0[example].store(checksum(example, values), Ordering::Release);
    }

    /// The values of an example are not there any more.
    pub fn forget(&self, example: usize) {
        self.0[example].store(0, Ordering::Release);
    }

    /// Whether these are the values that were recorded.
    pub fn matches(&self, example: usize, values: &[u8]) -> bool {
        self.0[example].load(Ordering::Acquire) == checksum(example, values)
    }
}

/// XXH3 of the values, which finds every flipped bit, cut and zeroed page at the speed of memory. The example is its
/// seed, so that the values of another one do not pass for its own.
fn checksum(example: usize, values: &[u8]) -> u64 {
    // 0 means that there are none.
    xxh3_64_with_seed(values, example as u64).max(1)
}
