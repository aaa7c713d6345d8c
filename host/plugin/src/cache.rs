//! Compiled code on disk: compiling a large component takes seconds, loading it a millisecond.

use std::{
    env, fs,
    hash::{Hash, Hasher},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

/// A folder of compiled components.
///
/// An entry is a header, the SHA-256 of the code, and the code. Its name is the digest of the component that the code
/// was compiled from, and the digest of all of the engine that decides what code it makes: another version of wasmtime,
/// other settings and another processor find no entry.
#[derive(Debug, Clone)]
pub struct CodeCache {
    folder: PathBuf,
}

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

    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The component that was compiled from the file with `digest`; `None` if it is not there, is damaged, or lies in a
    /// folder that others can write to. Whatever is wrong, compiling again is the answer.
    pub(crate) fn load(&self, engine: &wasmtime::Engine, digest: &[u8]) -> Option<Component> {
        if !is_private(&self.folder) {
            return None;
        }
        let entry = fs::read(self.entry(engine, digest)).ok()?;
        let (stored, code) = entry.strip_prefix(HEADER)?.split_at_checked(DIGEST_LENGTH)?;
        if Sha256::digest(code)[..] != *stored {
            return None;
        }
        // SAFETY: `deserialize` runs what it is given, so it must be what this engine compiled. Only this user can write
        // to the folder, and whoever can act as this user can run code anyway; the file's name ties it to this component
        // and to this engine's settings; the digest excludes a torn or rotten file; and it is `code` in memory, which
        // was checked, that is used, so that the file cannot change in between. Precompiled code from any other place
        // is refused before it comes here.
        unsafe { Component::deserialize(engine, code) }.ok()
    }

    /// Keeps a compiled component. The entry appears under its name complete or not at all.
    pub(crate) fn store(&self, component: &Component, digest: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        if !is_private(&self.folder) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others can write to the folder"));
        }
        let code = component.serialize().map_err(io::Error::other)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(HEADER)?;
        file.write_all(&Sha256::digest(&code))?;
        file.write_all(&code)?;
        file.persist(self.entry(component.engine(), digest))?;
        Ok(())
    }

    fn entry(&self, engine: &wasmtime::Engine, digest: &[u8]) -> PathBuf {
        let mut environment = DigestHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut environment);
        let environment = environment.0.finalize();
        self.folder.join(format!("{}-{}.compiled", hex::encode(digest), hex::encode(&environment[..8])))
    }
}

/// Whether the folder is this user's own and only this user can write to it.
fn is_private(folder: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(folder)
        .is_ok_and(|folder| folder.is_dir() && folder.uid() == own && folder.mode() & 0o022 == 0)
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
