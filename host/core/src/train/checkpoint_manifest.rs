use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::TrainingState;
use super::role_states::StateEntry;
use super::run_record::format_of;
use super::saving::Saved;
use crate::digest::{self, shortened};
use crate::{DigestError, files, os_reason};

/// `manifest.json` of a checkpoint: at which step it was saved, and every other file of it. It is written last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointManifest {
    format: u32,
    /// Forward steps done.
    pub step: u64,
    /// Optimizer steps done.
    pub global_step: u64,
    /// Batches that were left out so far.
    pub skipped: u64,
    /// Whether a callback ended the run here.
    pub is_stopped: bool,
    /// The lines of `metrics.jsonl` that came after the last step; none if not all was done that was due.
    pub metrics_lines: Option<Vec<String>>,
    /// The checkpoints that stay.
    pub saved: Vec<Saved>,
    /// What roles remember: `role_state.0.bin` is the first one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<StateEntry>,
    files: Vec<FileEntry>,
    /// The digest of the manifest with an empty one; set when it is written.
    sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    /// The path within the checkpoint: `config.json`, `reviews/config.json`.
    name: String,
    size: u64,
    sha256: String,
}

const FORMAT: u32 = 2;
const FILE: &str = "manifest.json";

impl CheckpointManifest {
    /// Of the files that are in the folder of a checkpoint, and in those below it, now.
    pub fn of(checkpoint: &Path, state: &TrainingState) -> Result<Self, DigestError> {
        let unreadable = |source| DigestError { path: checkpoint.to_owned(), source };
        let mut files = vec![];
        for name in files::list(checkpoint).map_err(unreadable)? {
            let path = checkpoint.join(&name);
            let size = fs::metadata(&path).map_err(unreadable)?.len();
            // The files are those of a checkpoint, whose names are text.
            let name = name.to_string_lossy().into_owned();
            files.push(FileEntry { name, size, sha256: digest::read_file(&path)? });
        }
        Ok(Self {
            format: FORMAT,
            step: state.step,
            global_step: state.global_step,
            skipped: state.skipped,
            is_stopped: state.is_stopped,
            metrics_lines: state.metrics_lines.clone(),
            saved: state.saved.clone(),
            roles: state.roles.iter().map(|saved| saved.entry.clone()).collect(),
            files,
            sha256: String::new(),
        })
    }

    pub fn write(mut self, checkpoint: &Path) -> io::Result<()> {
        self.sha256 = self.own_digest()?;
        files::write(&checkpoint.join(FILE), format!("{}\n", serde_json::to_string_pretty(&self)?).as_bytes())
    }

    fn own_digest(&self) -> serde_json::Result<String> {
        let unsigned = Self { sha256: String::new(), ..self.clone() };
        Ok(digest::of_parts([serde_json::to_vec(&unsigned)?.as_slice()]))
    }

    /// The manifest of a checkpoint, whose other files are not looked at; an error says what is wrong.
    pub fn read(checkpoint: &Path) -> Result<Self, String> {
        let text = fs::read(checkpoint.join(FILE)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("{FILE} is missing"),
            _ => format!("{FILE} cannot be read: {}", os_reason(&error)),
        })?;
        let damaged = |error| format!("{FILE} is damaged: {error}");
        // Another format has other keys.
        if let Some(format) = format_of(&text).map_err(damaged)?.filter(|format| *format != FORMAT) {
            return Err(format!("{FILE} has format {format}; this version reads format {FORMAT}"));
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(damaged)?;
        let digest = manifest.own_digest().map_err(|error| format!("{FILE}: {error}"))?;
        if digest != manifest.sha256 {
            let (found, saved) = (shortened(&digest), shortened(&manifest.sha256));
            return Err(format!("{FILE} is {found}; it was saved as {saved}"));
        }
        let own = format!("step-{}", manifest.global_step);
        match checkpoint.file_name() {
            Some(name) if name == own.as_str() => Ok(manifest),
            _ => Err(format!("{FILE} is that of {own}")),
        }
    }

    /// The names of its files, this one aside.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.name.as_str())
    }

    /// Whether every file is as it was saved; an error says which is not.
    pub fn check(&self, checkpoint: &Path) -> Result<(), String> {
        for FileEntry { name, size, sha256 } in &self.files {
            let path = checkpoint.join(name);
            let found = match fs::metadata(&path) {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(format!("{name} is missing")),
                Err(error) => return Err(format!("{name} cannot be read: {}", os_reason(&error))),
            };
            if found != *size {
                return Err(format!("{name} has {found} bytes; it was saved with {size}"));
            }
            let found = digest::read_file(&path).map_err(|error| error.to_string())?;
            if found != *sha256 {
                let (found, saved) = (shortened(&found), shortened(sha256));
                return Err(format!("{name} is {found}; it was saved as {saved}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_another_format_is_not_called_damaged() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), r#"{ "format": 1, "files": {} }"#).unwrap();
        let problem = CheckpointManifest::read(folder.path()).unwrap_err();
        assert_eq!(problem, "manifest.json has format 1; this version reads format 2");
    }
}
