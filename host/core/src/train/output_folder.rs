//! Whether a run can write its folder, found out before it begins.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::TrainError;
use crate::Result;
use crate::error::os_reason;

/// Whether the folder of a run exists or can be made, can be written, and is on a disk with `needed` bytes free. Nothing
/// is left behind.
///
/// # Errors
/// If the run could not be written to it.
pub fn check_output_folder(path: &Path, needed: u64) -> Result<()> {
    let wrong = |problem: String| TrainError::OutputFolder { path: path.to_owned(), problem };
    let existing = existing_folder(path).map_err(wrong)?;
    try_to_write(&existing).map_err(|source| {
        let place = if existing == path { "it".to_owned() } else { existing.display().to_string() };
        let reason = match source.kind() {
            // The folder exists: a file system of the kernel's own, such as /proc, answers so.
            io::ErrorKind::NotFound => "its file system takes no files".to_owned(),
            _ => os_reason(&source),
        };
        wrong(format!("{place} cannot be written ({reason})"))
    })?;
    let free = free_bytes(&existing).map_err(|source| wrong(os_reason(&source)))?;
    match free {
        Some(free) if free < needed => Err(wrong(not_enough(free, needed)).into()),
        _ => Ok(()),
    }
}

/// The folder itself, or the nearest one above it that exists.
fn existing_folder(path: &Path) -> Result<PathBuf, String> {
    for folder in path.ancestors() {
        let shown = if folder == path { "it".to_owned() } else { folder.display().to_string() };
        match fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => return Ok(folder.to_owned()),
            Ok(_) => return Err(format!("{shown} is a file; expected a folder")),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(format!("{shown} cannot be reached ({})", os_reason(&error))),
        }
    }
    Err("no part of the path exists".to_owned())
}

/// Makes a folder with a file in it, as a run does, and removes both.
fn try_to_write(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".brewer-check-{}", std::process::id()));
    fs::create_dir(&probe)?;
    let written = fs::write(probe.join("file"), b"written by a check");
    let removed = fs::remove_dir_all(&probe);
    written.and(removed)
}

/// The bytes that a user may still write beside the files of a folder; `None` where the system does not tell.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> io::Result<Option<u64>> {
    let disk = rustix::fs::statvfs(folder)?;
    // Some file systems of the kernel's own have no size.
    Ok((disk.f_blocks > 0).then(|| disk.f_bavail.saturating_mul(disk.f_frsize)))
}

#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}

fn not_enough(free: u64, needed: u64) -> String {
    let shown = |bytes: u64| match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    };
    format!(
        "its checkpoints and the student take {}, and {} are free; save fewer checkpoints",
        shown(needed),
        shown(free)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: &Path, needed: u64) -> Option<String> {
        check_output_folder(path, needed).err().map(|error| error.to_string())
    }

    #[test]
    fn a_folder_is_found_fit_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(problem(folder.path(), 1), None);
        assert_eq!(problem(&folder.path().join("runs/movie"), 1), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "mine").unwrap();
        assert!(problem(&file, 1).unwrap().contains("it is a file; expected a folder"));
        assert!(problem(&file.join("runs"), 1).unwrap().contains("file is a file; expected a folder"));
    }

    #[test]
    fn a_disk_that_is_too_small_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let problem = problem(folder.path(), u64::MAX).unwrap();
        assert!(problem.contains("18446744073.7 GB") && problem.contains("are free"), "{problem}");
    }
}
