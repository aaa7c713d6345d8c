//! Compiled code on disk: compiling a large component takes seconds, loading it a millisecond.

use std::{
    env,
    fs::{self, File, Metadata},
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

/// A folder of compiled components.
///
/// An entry is a header, the SHA-256 of the code, and the code. Its name is the digest of the component that the code
/// was compiled from, and the digest of all of the engine that decides what code it makes: another version of wasmtime,
/// other settings and another processor find no entry.
///
/// It holds no more than its limit: what was not used for the longest time goes first.
#[derive(Debug, Clone)]
pub struct CodeCache {
    folder: PathBuf,
    most_bytes: u64,
}

/// An entry of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedCode {
    /// The SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// What it takes on disk.
    pub bytes: u64,
    /// When a run read it last, or when it was written.
    pub last_used: SystemTime,
    path: PathBuf,
}

/// The code of some twenty interpreters, or of thousands of small plugins.
const MOST_BYTES: u64 = 2 << 30;

/// How entries end.
const ENDING: &str = ".compiled";

/// How an entry begins that is being written, or was given up.
const BEGUN: &str = ".compiling-";

/// Writing an entry takes less.
const GIVEN_UP: Duration = Duration::from_secs(3600);

const HEADER: &[u8] = b"brewer compiled plugin 1\n";
const DIGEST_LENGTH: usize = 32;

impl CodeCache {
    /// The folder that `BREWER_CACHE_DIR` names, or `brewer` in the user's cache folder; `None` if there is neither.
    pub fn from_environment() -> Option<Self> {
        let folder = match env::var_os("BREWER_CACHE_DIR") {
            Some(folder) if !folder.is_empty() => PathBuf::from(folder),
            _ => directories::ProjectDirs::from("", "", "brewer")?.cache_dir().to_owned(),
        };
        Some(Self::new(folder.join("plugins")))
    }

    /// A cache in `folder`, of 2 GiB at most.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), most_bytes: MOST_BYTES }
    }

    /// The same cache with another limit.
    pub fn with_most_bytes(self, most_bytes: u64) -> Self {
        Self { most_bytes, ..self }
    }

    /// Where its entries lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How much the cache may hold, in bytes.
    pub fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    /// The component that was compiled from the file with `digest`; `None` if it is not there, is damaged, or lies where
    /// others can write. Whatever is wrong, compiling again is the answer.
    pub(crate) fn load(&self, engine: &wasmtime::Engine, digest: &[u8]) -> Option<Component> {
        if !self.is_private() {
            return None;
        }
        let mut file = File::open(self.entry(engine, digest)).ok()?;
        // A link may lead out of the folder, so it is what was opened that must be this user's own.
        if !file.metadata().is_ok_and(|file| file.is_file() && is_own(&file)) {
            return None;
        }
        let mut entry = Vec::new();
        file.read_to_end(&mut entry).ok()?;
        let (stored, code) = entry.strip_prefix(HEADER)?.split_at_checked(DIGEST_LENGTH)?;
        if Sha256::digest(code)[..] != *stored {
            return None;
        }
        // SAFETY: `deserialize` runs what it is given, so it must be what this engine compiled. Only this user can write
        // to the folder and to the file, and whoever can act as this user can run code anyway; the file's name ties it to
        // this component and to this engine's settings; the digest excludes a torn or rotten file; and it is `code` in
        // memory, which was checked, that is used, so that the file cannot change in between. Precompiled code from any
        // other place is refused before it comes here.
        let component = unsafe { Component::deserialize(engine, code) }.ok()?;
        // When it was last used; without it the entry merely goes earlier.
        _ = file.set_modified(SystemTime::now());
        Some(component)
    }

    /// Keeps compiled code. The entry appears under its name complete or not at all, and others go if there is no room.
    pub(crate) fn store(&self, engine: &wasmtime::Engine, digest: &[u8], code: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        if !self.is_private() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others can write to the folder"));
        }
        if code.len() as u64 > self.most_bytes {
            return Ok(());
        }
        let mut file = tempfile::Builder::new().prefix(BEGUN).tempfile_in(&self.folder)?;
        file.write_all(HEADER)?;
        file.write_all(&Sha256::digest(code))?;
        file.write_all(code)?;
        file.persist(self.entry(engine, digest))?;
        self.make_room()
    }

    /// The entries, those that were used last first. There are none where the folder is not there.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn entries(&self) -> io::Result<Vec<CachedCode>> {
        let mut entries = vec![];
        for (path, metadata) in self.files()? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some((digest, _)) = name.strip_suffix(ENDING).and_then(|name| name.split_once('-')) {
                let (digest, bytes) = (digest.to_owned(), metadata.len());
                entries.push(CachedCode { digest, bytes, last_used: metadata.modified()?, path });
            }
        }
        entries.sort_by(|left, right| right.last_used.cmp(&left.last_used).then_with(|| left.path.cmp(&right.path)));
        Ok(entries)
    }

    /// Removes all entries, and what was left behind of others.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        self.files()?.into_iter().try_for_each(|(path, _)| fs::remove_file(path))
    }

    /// The cache's files in the folder, with what is known of them.
    fn files(&self) -> io::Result<Vec<(PathBuf, Metadata)>> {
        let entries = match self.folder.read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries?,
        };
        let mut files = vec![];
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let is_ours = name.to_string_lossy().ends_with(ENDING) || name.to_string_lossy().starts_with(BEGUN);
            // Another process may have removed it.
            if is_ours
                && let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                files.push((entry.path(), metadata));
            }
        }
        Ok(files)
    }

    /// Removes what was used least recently until the rest is within the limit.
    fn make_room(&self) -> io::Result<()> {
        let mut bytes = 0;
        for entry in self.entries()? {
            bytes += entry.bytes;
            if bytes > self.most_bytes {
                fs::remove_file(entry.path)?;
            }
        }
        for (path, metadata) in self.files()? {
            let is_old = metadata.modified()?.elapsed().is_ok_and(|age| age > GIVEN_UP);
            if is_old && path.extension() != Some(ENDING[1..].as_ref()) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Whether the folder is this user's own and only this user can write to it.
    fn is_private(&self) -> bool {
        fs::symlink_metadata(&self.folder).is_ok_and(|folder| folder.is_dir() && is_own(&folder))
    }

    fn entry(&self, engine: &wasmtime::Engine, digest: &[u8]) -> PathBuf {
        let mut environment = DigestHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut environment);
        let environment = environment.0.finalize();
        self.folder.join(format!("{}-{}{ENDING}", hex::encode(digest), hex::encode(&environment[..8])))
    }
}

/// Whether it is this user's own and only this user can write to it.
fn is_own(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

/// Makes a digest of what is hashed: the standard library's hasher may differ between versions of Rust.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The first bytes of the digest; entries use more of it.
    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
