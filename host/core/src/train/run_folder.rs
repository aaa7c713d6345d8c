use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tch::Tensor;

use super::{TrainError, TrainingState};
use crate::data::DataError;
use crate::distiller::Trained;
use crate::{Model, Result};

/// The folder that a run writes:
///
/// ```text
/// experiment.resolved.json   the experiment with every default
/// metrics.jsonl              a line a forward step
/// checkpoints/step-12/       the student after 12 optimizer steps, the projections, and what a run needs to go on
/// student/                   the final student in Hugging Face layout
/// ```
///
/// A checkpoint is written beside its place and then renamed into it, so it is there whole or not at all.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    tokenizer: TokenizerFiles,
}

/// What a run writes into its folder.
const CONTENTS: &[&str] = &["experiment.resolved.json", "metrics.jsonl", "checkpoints", "student"];

/// Where the results of earlier runs into the same folder are kept.
const EARLIER: &str = "earlier";

/// What belongs to a tokenizer in Hugging Face layout.
const TOKENIZER_FILES: &[&str] = &[
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
];

impl RunFolder {
    /// Makes the folder ready for a new run. Results of an earlier run are moved to `earlier/N`, and that folder is
    /// returned as well. The tokenizer is put beside every student that is saved.
    pub fn create(path: &Path, tokenizer: TokenizerFiles) -> Result<(Self, Option<PathBuf>)> {
        fs::create_dir_all(path).map_err(|source| write_error(path, source))?;
        let earlier = keep_earlier_results(path)?;
        Ok((Self { path: path.to_owned(), tokenizer }, earlier))
    }

    /// The folder of a run that goes on, as it is.
    pub fn open(path: &Path, tokenizer: TokenizerFiles) -> Self {
        Self { path: path.to_owned(), tokenizer }
    }

    pub(super) fn experiment_in(path: &Path) -> PathBuf {
        path.join("experiment.resolved.json")
    }

    pub(super) fn checkpoints_in(path: &Path) -> PathBuf {
        path.join("checkpoints")
    }

    pub(super) fn projections_in(checkpoint: &Path) -> PathBuf {
        checkpoint.join("projections.safetensors")
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The checkpoint after `global_step` optimizer steps.
    pub fn checkpoint(&self, global_step: u64) -> PathBuf {
        Self::checkpoints_in(&self.path).join(format!("step-{global_step}"))
    }

    pub fn student(&self) -> PathBuf {
        self.path.join("student")
    }

    /// Writes the experiment as it was run.
    pub fn save_experiment(&self, text: &str) -> Result<()> {
        let path = Self::experiment_in(&self.path);
        Ok(fs::write(&path, text).map_err(|source| write_error(&path, source))?)
    }

    /// Saves the student, the distiller's own parameters, and what the run needs to go on from here.
    pub fn save_checkpoint(&self, state: &TrainingState, model: &dyn Model, trained: &[Trained<'_>]) -> Result<()> {
        let folder = self.checkpoint(state.global_step);
        self.save_whole(&folder, |partial| {
            self.save_model(partial, model)?;
            save_trained(partial, trained)?;
            state.save(partial)
        })
    }

    /// Removes the checkpoint after `global_step` optimizer steps, if it is there.
    pub(super) fn remove_checkpoint(&self, global_step: u64) -> Result<()> {
        remove_folder(&self.checkpoint(global_step))
    }

    /// Saves the student at the end of the run.
    pub fn save_student(&self, model: &dyn Model) -> Result<()> {
        self.save_whole(&self.student(), |partial| self.save_model(partial, model))
    }

    fn save_whole(&self, folder: &Path, save: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let partial = folder.with_extension("partial");
        let saved = make_folder(&partial).and_then(|()| save(&partial)).and_then(|()| {
            remove_folder(folder)?;
            Ok(fs::rename(&partial, folder).map_err(|source| write_error(folder, source))?)
        });
        if saved.is_err() {
            // The error that is returned says what went wrong; a rest that cannot be removed is no news.
            let _ = remove_folder(&partial);
        }
        saved
    }

    fn save_model(&self, folder: &Path, model: &dyn Model) -> Result<()> {
        model.save(folder)?;
        for (name, content) in &self.tokenizer.0 {
            let copy = folder.join(name);
            fs::write(&copy, content).map_err(|source| write_error(&copy, source))?;
        }
        Ok(())
    }
}

fn save_trained(folder: &Path, trained: &[Trained<'_>]) -> Result<()> {
    let tensors: Vec<(String, Tensor)> = trained
        .iter()
        .flat_map(|trained| {
            let named = trained.parameters.iter();
            named.map(|(name, tensor)| (format!("{}.{name}", trained.prefix), tensor.detach()))
        })
        .collect();
    if !tensors.is_empty() {
        Tensor::write_safetensors(&tensors, RunFolder::projections_in(folder))?;
    }
    Ok(())
}

/// Makes an empty folder.
fn make_folder(folder: &Path) -> Result<()> {
    remove_folder(folder)?;
    Ok(fs::create_dir_all(folder).map_err(|source| write_error(folder, source))?)
}

/// The files of a tokenizer, by name. They are held in memory, because the model that they belong to may itself be one
/// of the earlier results that a new run moves away.
#[derive(Debug, Default)]
pub struct TokenizerFiles(Vec<(&'static str, Vec<u8>)>);

impl TokenizerFiles {
    /// Those in a model's folder; there may be none.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut files = vec![];
        for name in TOKENIZER_FILES {
            let path = folder.join(name);
            match fs::read(&path) {
                Ok(content) => files.push((*name, content)),
                Err(source) if source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(DataError::Read { path, source }.into()),
            }
        }
        Ok(Self(files))
    }
}

fn keep_earlier_results(path: &Path) -> Result<Option<PathBuf>> {
    let present: Vec<&str> = CONTENTS.iter().copied().filter(|name| path.join(name).exists()).collect();
    if present.is_empty() {
        return Ok(None);
    }
    let mut number = 1;
    while path.join(EARLIER).join(number.to_string()).exists() {
        number += 1;
    }
    let kept = path.join(EARLIER).join(number.to_string());
    fs::create_dir_all(&kept).map_err(|source| write_error(&kept, source))?;
    for name in present {
        let (from, to) = (path.join(name), kept.join(name));
        fs::rename(&from, &to).map_err(|source| write_error(&to, source))?;
    }
    Ok(Some(kept))
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(write_error(folder, source).into()),
        _ => Ok(()),
    }
}

fn write_error(path: &Path, source: io::Error) -> TrainError {
    TrainError::Write { path: path.to_owned(), source }
}
