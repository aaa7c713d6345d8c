//! Files that are on the disk as a whole or not at all.

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
    pub fn new(target: &Path) -> Self {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        Self { path, target: target.to_owned(), is_placed: false }
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

/// Writes a file, in place of one that may be there: after a crash it holds the old content or the new one.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = TemporaryFile::new(path);
    fs::write(file.path(), content)?;
    file.sync()?;
    file.place()?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Waits until the names in a folder are on disk: a rename is durable only then.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
