//! The store: what was pulled, on this machine's disk.
//!
//! ```text
//! blobs/sha256/HEX   components, configurations, manifests; a blob's name is its digest, and it never changes
//! refs/HEX.json      what a reference named when it was pulled last; HEX is the reference's digest
//! ingest/HEX         a blob that is on its way; the next pull continues it
//! locks/HEX          held while a blob is on its way
//! store.lock         held shared by whoever reads or adds, alone by whoever removes
//! ```
//!
//! A blob comes to its place by a rename, after its bytes on the disk were hashed and are safe there. It is read into
//! memory and hashed again, and those bytes in memory are what is used: a file that changes after the check changes
//! nothing. The store belongs to one user, nobody else may write to it, and no symbolic link in it is followed.

mod ingest;
mod records;

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{Digest, Error, ErrorKind, Result};

pub use ingest::Ingest;
pub use records::{Pruned, Record};

/// A store that is open; while it is, nothing is removed from it.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Whether nothing can be written to it. What it holds is used then, and no use is noted.
    is_read_only: bool,
    /// Holds `store.lock`.
    _lock: File,
}

const FOLDERS: [&str; 5] = ["blobs", "blobs/sha256", "refs", "ingest", "locks"];

impl Store {
    /// The store that `BREWER_STORE` names, or `brewer/store` in the user's cache folder.
    ///
    /// # Errors
    /// If there is neither.
    pub fn default_root() -> Result<PathBuf> {
        if let Some(root) = env::var_os("BREWER_STORE").filter(|root| !root.is_empty()) {
            return Ok(root.into());
        }
        let folders = directories::ProjectDirs::from("", "", "brewer")
            .ok_or_else(|| Error::input("the store", "there is no home folder; name a folder in BREWER_STORE"))?;
        Ok(folders.cache_dir().join("store"))
    }

    /// Opens the store in `root`, and makes it if it is not there, to read from it and to add to it. One that is there and
    /// cannot be written is opened to read from it.
    ///
    /// # Errors
    /// If it cannot be made, or if another user may write to it.
    pub fn open(root: &Path) -> Result<Self> {
        let (lock, is_read_only) = prepare(root)?;
        lock.lock_shared().map_err(|error| Error::disk(&root.join("store.lock"), error))?;
        Ok(Self { root: root.to_owned(), is_read_only, _lock: lock })
    }

    /// Whether nothing can be written to it.
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Opens the store in `root` to remove from it: waits until nobody else has it open, and says so by `waits`.
    ///
    /// # Errors
    /// As [`Store::open`], and if it cannot be written.
    pub fn open_alone(root: &Path, waits: impl FnOnce()) -> Result<Self> {
        let (lock, is_read_only) = prepare(root)?;
        if is_read_only {
            let problem = "the store cannot be written, so nothing can be removed from it";
            return Err(Error::new(ErrorKind::Disk, root.display(), problem));
        }
        let failed = |error| Error::disk(&root.join("store.lock"), error);
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waits();
                lock.lock().map_err(failed)?;
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        Ok(Self { root: root.to_owned(), is_read_only, _lock: lock })
    }

    /// The blob `digest`, if it is there: read into memory, and found to have that digest.
    ///
    /// # Errors
    /// If it is altered, larger than `limit` bytes, no plain file, or unreadable.
    pub fn blob(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = self.blob_path(digest);
        let Some(bytes) = read(&path, limit)? else { return Ok(None) };
        if Digest::of(&bytes) != *digest {
            return Err(altered(&path));
        }
        Ok(Some(bytes))
    }

    /// Whether the blob is there, whole and of `size` bytes. One that is altered is removed, so that it is fetched anew.
    pub(crate) fn holds(&self, digest: &Digest, size: u64) -> Result<bool> {
        let path = self.blob_path(digest);
        let Some(mut file) = open(&path)? else { return Ok(false) };
        let length = file.metadata().map_err(|error| Error::disk(&path, error))?.len();
        if Digest::of_reader(&mut file).map_err(|error| Error::disk(&path, error))? != *digest {
            if self.is_read_only {
                return Err(altered(&path));
            }
            fs::remove_file(&path).map_err(|error| Error::disk(&path, error))?;
            return Ok(false);
        }
        if length != size {
            return Err(Error::refused(digest, format!("its descriptor says {size} bytes, but it has {length}")));
        }
        Ok(true)
    }

    /// Adds a blob whose bytes are in memory.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if !self.holds(&digest, bytes.len() as u64)? {
            let mut ingest = self.ingest(&digest)?;
            ingest.restart()?;
            ingest.append(bytes)?;
            ingest.finish()?;
        }
        Ok(digest)
    }

    /// Begins to take in the blob `digest`, or continues to; waits while another process does.
    ///
    /// # Errors
    /// If the store or the blob's file cannot be written.
    pub fn ingest(&self, digest: &Digest) -> Result<Ingest<'_>> {
        if self.is_read_only {
            let problem = format!(
                "the store cannot be written, and {} is not in it; BREWER_STORE names another folder",
                digest.short()
            );
            return Err(Error::new(ErrorKind::Disk, self.root.display(), problem));
        }
        Ingest::begin(self, *digest)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Writes a file of the store in one go: a reader sees the old content or the new one, and so does one after a power
    /// failure. What is unfinished lies where prune finds it.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(self.root.join("ingest"))?;
            // The file itself: the error of the other names a path that is gone by then.
            file.as_file_mut().write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            sync_folder(path)
        };
        write().map_err(|error| Error::unwritten(path, error))
    }

    /// The names in one of the folders, sorted.
    fn names(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.root.join(folder);
        let failed = |error| Error::disk(&path, error);
        let mut names = vec![];
        for entry in fs::read_dir(&path).map_err(failed)? {
            // What has another kind of name was not put there by a store.
            names.extend(entry.map_err(failed)?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }
}

/// Makes what is missing of a store, refuses one that others may write to, and opens its lock. Returns whether the store
/// is there and cannot be written, too.
fn prepare(root: &Path) -> Result<(File, bool)> {
    let failed = |path: &Path, error: io::Error| {
        Error::new(
            ErrorKind::Disk,
            path.display(),
            format!("the store cannot be made here: {error}; BREWER_STORE names another folder"),
        )
    };
    DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(|error| failed(root, error))?;
    check_private(root)?;
    for folder in FOLDERS {
        let path = root.join(folder);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(&path, error)),
            _ => check_private(&path)?,
        }
    }
    let is_closed = |folder: &&str| {
        let access = rustix::fs::access(root.join(folder), rustix::fs::Access::WRITE_OK);
        matches!(access, Err(rustix::io::Errno::ACCESS | rustix::io::Errno::ROFS))
    };
    let is_read_only = FOLDERS.iter().any(is_closed);
    let path = root.join("store.lock");
    let lock = match is_read_only {
        true => open(&path)?.ok_or_else(|| failed(&path, io::ErrorKind::ReadOnlyFilesystem.into()))?,
        false => create(&path).map_err(|error| failed(&path, error))?,
    };
    Ok((lock, is_read_only))
}

/// The error of a blob that is not what its name says.
fn altered(path: &Path) -> Error {
    let problem = "its bytes are not those that its name says, so it was altered; delete it and pull again";
    Error::refused(path.display(), problem)
}

/// Refuses a folder of the store that is another user's or that another user may write to. The superuser may write
/// anywhere, so a store of theirs that is read-only is as good as one's own.
fn check_private(folder: &Path) -> Result<()> {
    let found = fs::symlink_metadata(folder).map_err(|error| Error::disk(folder, error))?;
    let problem = if !found.is_dir() {
        "it is part of the store, but no folder"
    } else if ![0, rustix::process::geteuid().as_raw()].contains(&found.uid()) {
        "it is part of the store, but another user's; name a folder of your own in BREWER_STORE"
    } else if found.mode() & 0o022 != 0 {
        "it is part of the store, but others may write to it, and so change what runs; `chmod go-w` it"
    } else {
        return Ok(());
    };
    Err(Error::refused(folder.display(), problem))
}

/// Opens a file of the store to read and write it, and makes it if need be; never the target of a link.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32).open(path)
}

/// Opens a file of the store, or of a layout, to read it, if it is there. A link, a pipe and the like are refused.
pub(crate) fn open(path: &Path) -> Result<Option<File>> {
    // NONBLOCK: a pipe in the place of a blob must not hang what opens it.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(Error::refused(
                path.display(),
                "it is a symbolic link, which is not followed; delete it and pull again",
            ));
        }
        Err(error) => return Err(Error::disk(path, error)),
    };
    if !file.metadata().map_err(|error| Error::disk(path, error))?.is_file() {
        return Err(Error::refused(path.display(), "it is no plain file; delete it and pull again"));
    }
    Ok(Some(file))
}

/// The content of a file of the store, if it is there.
fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let Some(file) = open(path)? else { return Ok(None) };
    let mut bytes = vec![];
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Error::disk(path, error))?;
    if bytes.len() as u64 > limit {
        return Err(Error::refused(path.display(), format!("it has more than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// Puts a whole file in its place for good.
fn settle(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(from, to)?;
    // Not before: a part that a kill left read-only could never be continued.
    file.set_permissions(fs::Permissions::from_mode(0o444))?;
    sync_folder(to)
}

/// Makes sure that the name of a file is on the disk, not only its content.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
