//! Digests of what decides a teacher's outputs.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::CacheError;

/// The digest of some files, in this order.
pub(crate) fn of_files(paths: &[PathBuf]) -> Result<String, CacheError> {
    let mut hasher = Sha256::new();
    for path in paths {
        let size = hash_file(path, &mut hasher).map_err(|source| CacheError::Read { path: path.clone(), source })?;
        hasher.update(size.to_le_bytes());
    }
    Ok(named(hasher))
}

fn hash_file(path: &Path, hasher: &mut Sha256) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut size = 0;
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(size);
        }
        hasher.update(bytes);
        let length = bytes.len();
        size += length as u64;
        reader.consume(length);
    }
}

/// The digest of bytes that come in parts.
pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    named(hasher)
}

/// A model's `config.json` and weights.
pub(crate) fn of_model(folder: &Path) -> Result<String, CacheError> {
    let entries = folder.read_dir().map_err(|source| CacheError::Read { path: folder.to_owned(), source })?;
    let is_weights = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "safetensors");
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_weights).collect();
    files.sort();
    files.insert(0, folder.join("config.json"));
    of_files(&files)
}

fn named(hasher: Sha256) -> String {
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digest}")
}
