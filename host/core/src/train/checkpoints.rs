//! The checkpoints in a run's folder: each a folder of its own, written whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tch::Tensor;

use super::checkpoint_manifest::CheckpointManifest;
use super::role_states;
use super::run_folder::write_error;
use super::{RunFolder, TrainError, TrainingState};
use crate::data::DataError;
use crate::distiller::Trained;
use crate::{Result, Student, files, libtorch};

const PROJECTIONS: &str = "projections.safetensors";

/// The optimizer's file in a checkpoint.
pub(super) const OPTIMIZER: &str = "optimizer.safetensors";

impl RunFolder {
    /// The checkpoint after `global_step` optimizer steps.
    pub fn checkpoint(&self, global_step: u64) -> PathBuf {
        self.path().join("checkpoints").join(format!("step-{global_step}"))
    }

    /// The checkpoints with their optimizer steps, the latest first.
    pub(super) fn checkpoints(&self) -> Result<Vec<(u64, PathBuf)>> {
        let folder = self.path().join("checkpoints");
        let entries = match folder.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(source) => return Err(DataError::Read { path: folder, source }.into()),
        };
        let mut found: Vec<(u64, PathBuf)> =
            entries.filter_map(|entry| numbered(entry.ok()?.path(), "step-")).collect();
        found.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
        Ok(found)
    }

    pub(super) fn projections_in(checkpoint: &Path) -> PathBuf {
        checkpoint.join(PROJECTIONS)
    }

    /// Saves the student, the distiller's own parameters, and what the run needs to resume from here. The metrics so
    /// far are on disk before the checkpoint is.
    pub fn save_checkpoint(&self, state: &TrainingState, student: &Student, trained: &[Trained<'_>]) -> Result<()> {
        let folder = self.checkpoint(state.global_step);
        let save = |partial: &Path| {
            self.write_student(partial, student)?;
            save_trained(partial, trained)?;
            state.save(partial)?;
            let manifest = CheckpointManifest::of(partial, state)?;
            manifest.write(partial).map_err(|source| write_error(partial, source))?;
            let metrics = self.metrics();
            match fs::File::open(&metrics).and_then(|file| file.sync_all()) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => Err(write_error(&metrics, source).into()),
                _ => Ok(()),
            }
        };
        self.save_whole(&folder, save)?;
        // `checkpoints` and `metrics.jsonl` are names in it.
        files::sync_folder(self.path()).map_err(|source| write_error(self.path(), source).into())
    }

    /// Removes the checkpoint after `global_step` optimizer steps, if it is there.
    pub(super) fn remove_checkpoint(&self, global_step: u64) -> Result<()> {
        let folder = self.checkpoint(global_step);
        files::remove_folder(&folder).map_err(|source| write_error(&folder, source).into())
    }

    /// Copies the student of a checkpoint, every file of which is as it was saved.
    pub(super) fn copy_student(&self, global_step: u64, to: &Path) -> Result<()> {
        let folder = self.checkpoint(global_step);
        let manifest = CheckpointManifest::read(&folder).and_then(|manifest| {
            manifest.check(&folder)?;
            Ok(manifest)
        });
        let manifest = manifest.map_err(|problem| TrainError::BestCheckpoint { path: folder.clone(), problem })?;
        let is_of_student = |name: &&str| ![PROJECTIONS, OPTIMIZER].contains(name) && !role_states::is_file(name);
        for name in manifest.names().filter(is_of_student) {
            let copy = to.join(name);
            let made = copy.parent().map_or(Ok(()), fs::create_dir_all);
            made.and_then(|()| fs::copy(folder.join(name), &copy)).map_err(|source| write_error(&copy, source))?;
        }
        Ok(())
    }
}

/// `path` with the number in its name, if the name is `prefix` and a number.
pub(super) fn numbered(path: PathBuf, prefix: &str) -> Option<(u64, PathBuf)> {
    let number = path.file_name()?.to_str()?.strip_prefix(prefix)?.parse().ok()?;
    Some((number, path))
}

fn save_trained(folder: &Path, trained: &[Trained<'_>]) -> Result<()> {
    let tensors: Vec<(String, Tensor)> = trained
        .iter()
        .flat_map(|trained| {
            let named = trained.parameters.iter();
            named.map(|(name, tensor)| (format!("{}.{name}", trained.prefix), tensor.detach()))
        })
        .collect();
    match tensors.is_empty() {
        true => Ok(()),
        false => write_tensors(&tensors, &RunFolder::projections_in(folder)),
    }
}

/// Writes a safetensors file.
pub(super) fn write_tensors(tensors: &[(String, Tensor)], path: &Path) -> Result<()> {
    Ok(Tensor::write_safetensors(tensors, path)
        .map_err(|error| write_error(path, io::Error::other(libtorch::message(&error))))?)
}
