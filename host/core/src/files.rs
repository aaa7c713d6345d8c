//! Files and folders that are on the disk as a whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A file on its way to its place: it is written under a name of its own in the same folder and renamed once it is
/// whole and on disk. One that is dropped before that is removed.
pub(crate) struct TemporaryFile {
    path: PathBuf,
    target: PathBuf,
    is_placed: bool,
}

impl TemporaryFile {
    /// Makes the file, empty. A link under its name is not followed.
    pub fn new(target: &Path) -> io::Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.{}{TEMPORARY}", std::process::id()));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        File::create_new(&path)?;
        Ok(Self { path, target: target.to_owned(), is_placed: false })
    }

    /// Whether a file of this name is one that a killed process left of `target`.
    pub fn is_leftover(name: &str, target: &str) -> bool {
        let process = name.strip_prefix('.').and_then(|name| name.strip_prefix(target)?.strip_prefix('.'));
        let process = process.and_then(|process| process.strip_suffix(TEMPORARY));
        process.is_some_and(|process| !process.is_empty() && process.bytes().all(|digit| digit.is_ascii_digit()))
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until what was written is on disk. A full disk may show only here.
    pub fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Puts the file in its place, where it replaces one that is there.
    pub fn place(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)?;
        self.is_placed = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.is_placed {
            // An error is being reported already; that the file cannot be removed, or was never made, adds nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

const TEMPORARY: &str = ".tmp";

/// Writes a file, in place of one that may be there: after a crash it holds the old content or the new one.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = TemporaryFile::new(path)?;
    fs::write(file.path(), content)?;
    file.sync()?;
    file.place()?;
    sync_parent(path)
}

/// Waits until all that is in a folder and in those below it is on disk under its name.
pub(crate) fn sync_contents(folder: &Path) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let path = entry?.path();
        match path.is_dir() {
            true => sync_contents(&path)?,
            false => File::open(path)?.sync_all()?,
        }
    }
    sync_folder(folder)
}

/// The paths within `folder` of all files in it and in the folders below it, sorted.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![];
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let name = PathBuf::from(path.file_name().unwrap_or_default());
        match path.is_dir() {
            true => found.extend(list(&path)?.into_iter().map(|below| name.join(below))),
            false => found.push(name),
        }
    }
    found.sort();
    Ok(found)
}

/// Waits until the names in a folder are on disk: a rename is durable only then.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Waits until a name is on disk.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        // A name alone is one in the current folder.
        Some(parent) if parent.as_os_str().is_empty() => sync_folder(Path::new(".")),
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

/// Puts a folder that is on disk into its place. One that stands there is `replaced` until then, so that at every
/// moment one of the two is there; see [`finish_replacing`].
pub(crate) fn replace_folder(new: &Path, target: &Path) -> io::Result<()> {
    let replaced = replaced(target);
    if target.exists() {
        remove_folder(&replaced)?;
        fs::rename(target, &replaced)?;
    }
    fs::rename(new, target)?;
    sync_parent(target)?;
    remove_folder(&replaced)
}

/// Completes a replacement of `target` that was cut off, whose new folder may be gone: the old one comes back unless
/// the new one took its place.
pub(crate) fn finish_replacing(target: &Path) -> io::Result<()> {
    let replaced = replaced(target);
    match target.exists() {
        true => remove_folder(&replaced),
        false if replaced.exists() => fs::rename(&replaced, target),
        false => Ok(()),
    }
}

/// Where a folder is while another takes its place.
fn replaced(target: &Path) -> PathBuf {
    target.with_extension("replaced")
}

/// Makes an empty folder, in place of one that may be there.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    remove_folder(folder)?;
    fs::create_dir_all(folder)
}

/// Removes a folder if it is there.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(source),
        _ => Ok(()),
    }
}
