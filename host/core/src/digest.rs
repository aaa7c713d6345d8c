//! Digests of files and values: what a teacher's cache was made of, what a run reads, what a checkpoint holds.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::Fault;

/// A file whose digest cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct DigestError {
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be read.
    pub source: io::Error,
}

impl DigestError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        Fault::Run
    }
}

/// A file as it was when its digest was taken: path, size and time of the last change.
type FileState = (PathBuf, u64, Option<SystemTime>);

/// The digests taken so far. A teacher of gigabytes is read once, though its cache and its run both ask.
static TAKEN: LazyLock<Mutex<HashMap<FileState, String>>> = LazyLock::new(Mutex::default);

/// The digest of a file (`sha256:HEX`), as it is or as it was when this process last asked and the file has not changed
/// since.
///
/// # Errors
/// If the file cannot be read.
pub fn of_file(path: &Path) -> Result<String, DigestError> {
    let unreadable = |source| DigestError { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    let state = (path.to_owned(), metadata.len(), metadata.modified().ok());
    let taken = || TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(digest) = taken().get(&state) {
        return Ok(digest.clone());
    }
    let digest = read_file(path)?;
    taken().insert(state, digest.clone());
    Ok(digest)
}

/// The digest of a file's bytes as they are on the disk now.
pub(crate) fn read_file(path: &Path) -> Result<String, DigestError> {
    let mut hasher = Sha256::new();
    let hashed = File::open(path).and_then(|file| hash_all(BufReader::with_capacity(1 << 20, file), &mut hasher));
    hashed.map_err(|source| DigestError { path: path.to_owned(), source })?;
    Ok(named(hasher))
}

fn hash_all(mut reader: impl BufRead, hasher: &mut Sha256) -> io::Result<()> {
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(());
        }
        hasher.update(bytes);
        let length = bytes.len();
        reader.consume(length);
    }
}

/// The digest of some files, in this order.
pub(crate) fn of_files(paths: &[PathBuf]) -> Result<String, DigestError> {
    let digests = paths.iter().map(|path| of_file(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(of_parts(digests.iter().map(String::as_bytes)))
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
pub(crate) fn of_model(folder: &Path) -> Result<String, DigestError> {
    let entries = folder.read_dir().map_err(|source| DigestError { path: folder.to_owned(), source })?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = paths.filter(|path| is_weights(path)).collect();
    files.sort();
    files.insert(0, folder.join("config.json"));
    of_files(&files)
}

/// Whether a file of a model's folder holds weights.
pub(crate) fn is_weights(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".safetensors") || (name.starts_with("pytorch_model") && name.ends_with(".bin"))
}

/// Enough of a digest to tell it from another: `sha256:0123456789ab…`.
pub(crate) fn shortened(digest: &str) -> String {
    match digest.char_indices().nth(19) {
        Some((end, _)) if digest.starts_with("sha256:") => format!("{}…", &digest[..end]),
        _ => digest.to_owned(),
    }
}

fn named(hasher: Sha256) -> String {
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digest}")
}
