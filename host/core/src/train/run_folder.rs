use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::checkpoints::numbered;
use super::folder_lock::FolderLock;
use super::{RunRecord, TrainError};
use crate::data::DataError;
use crate::experiment::Experiment;
use crate::files::{self, TemporaryFile};
use crate::{Result, Student};

/// The folder that a run writes, locked against other processes as long as this lives:
///
/// ```text
/// experiment.resolved.json   the experiment with every default
/// run.json                   digests of what the run reads, and what it computes with
/// metrics.jsonl              a line an event: a start, forward steps, evaluations, checkpoints, an end
/// checkpoints/step-12/       the student after 12 optimizer steps, the projections, what a run needs to resume, and
///                            manifest.json with a digest of each file
/// student/                   the last or the best student in Hugging Face layout; with heads by task, a folder for each task
/// provenance.json            what the student was made of and by, in digests; there once the run has ended
/// provenance.sigstore.json   a signature of it, where one was asked for
/// brewer.lock                what the run's plugins of registries were
/// earlier/1/                 the same of the first run into this folder
/// run.lock                   who writes it; there while a run is under way
/// ```
///
/// Files and folders are written beside their place, synced, and renamed into it, so they are there whole or not at
/// all. A student stays until the next run has one: `earlier/N/student.pending` says that it is that run's.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    tokenizer: TokenizerFiles,
    lock: FolderLock,
}

/// What a run writes into its folder, but for the student.
const CONTENTS: &[&str] = &[
    "checkpoints",
    "metrics.jsonl",
    "metrics.damaged.jsonl",
    "run.json",
    RESOLVED,
    PROVENANCE,
    PROVENANCE_SIGNATURE,
    "brewer.lock",
];

const RESOLVED: &str = "experiment.resolved.json";

const PROVENANCE: &str = "provenance.json";

const PROVENANCE_SIGNATURE: &str = "provenance.sigstore.json";

/// Where the results of earlier runs into the same folder are kept.
const EARLIER: &str = "earlier";

/// Says that a run's student is still in the place of the present one.
const PENDING: &str = "student.pending";

/// The ending of what is not whole.
const PARTIAL: &str = "partial";

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
    /// Takes the folder for this process; it is made if it is not there. What a killed run left half-done is finished
    /// or removed.
    ///
    /// # Errors
    /// If another process has it, or if it cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        let folder =
            Self { path: path.to_owned(), tokenizer: TokenizerFiles::default(), lock: FolderLock::take(path)? };
        folder.tidy().map_err(|source| write_error(path, source))?;
        Ok(folder)
    }

    /// Why other runs into the folder are not kept out, on a file system without locks.
    pub fn unlocked(&self) -> Option<&io::Error> {
        self.lock.unlocked()
    }

    /// Puts the tokenizer beside every student that is saved from now on.
    pub fn keep_tokenizer(&mut self, tokenizer: TokenizerFiles) {
        self.tokenizer = tokenizer;
    }

    /// Begins a new run. Results of an earlier one are moved to `earlier/N`, which is returned; its student stays in
    /// its place until this run has one. What a start of the same run left that never came to a checkpoint goes.
    pub fn begin(&self, experiment: &Experiment, record: &RunRecord) -> Result<Option<PathBuf>> {
        let path = self.record();
        let holds = |path: &Path, text: String| fs::read(path).is_ok_and(|found| found == text.as_bytes());
        let is_same = holds(&path, record.to_json()) && holds(&self.experiment(), experiment.to_json());
        let has_results = !self.checkpoints()?.is_empty() || self.student().exists();
        let earlier = match is_same && !has_results {
            true => Ok(None),
            false => self.keep_earlier_results(),
        };
        let earlier = earlier.map_err(|source| write_error(&self.path, source))?;
        files::write(&path, record.to_json().as_bytes()).map_err(|source| write_error(&path, source))?;
        self.save_experiment(experiment)?;
        Ok(earlier)
    }

    /// Writes the experiment as it is run.
    pub fn save_experiment(&self, experiment: &Experiment) -> Result<()> {
        let path = self.experiment();
        Ok(files::write(&path, experiment.to_json().as_bytes()).map_err(|source| write_error(&path, source))?)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `metrics.jsonl`.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The folder of the student.
    pub fn student(&self) -> PathBuf {
        self.path.join("student")
    }

    /// `experiment.resolved.json`.
    pub fn experiment(&self) -> PathBuf {
        self.path.join(RESOLVED)
    }

    pub(super) fn record(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// Saves the student at the end of the run, with a description of it as its `README.md`: the student as it is now, or that
    /// of the checkpoint after `best` optimizer steps. That of an earlier run is moved to where its other results are.
    ///
    /// # Errors
    /// A checkpoint that is not whole any more, or a folder that cannot be written.
    pub fn save_student(&self, student: &Student, best: Option<u64>, description: &str) -> Result<()> {
        self.save_whole(&self.new_student(), |partial| {
            let readme = partial.join("README.md");
            fs::write(&readme, description).map_err(|source| write_error(&readme, source))?;
            match best {
                Some(global_step) => self.copy_student(global_step, partial),
                None => self.write_student(partial, student),
            }
        })?;
        self.place_student().map_err(|source| write_error(&self.student(), source).into())
    }

    /// Writes what the run was made of, and a signature of that. A signature of what stood there before goes.
    pub fn save_provenance(&self, statement: &[u8], signature: Option<&[u8]>) -> Result<()> {
        let (path, signature_path) = (self.path.join(PROVENANCE), self.path.join(PROVENANCE_SIGNATURE));
        match fs::remove_file(&signature_path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(write_error(&signature_path, source).into());
            }
            _ => {}
        }
        files::write(&path, statement).map_err(|source| write_error(&path, source))?;
        match signature {
            Some(bytes) => {
                Ok(files::write(&signature_path, bytes).map_err(|source| write_error(&signature_path, source))?)
            }
            None => Ok(()),
        }
    }

    /// Where a student is that is whole and not yet in its place.
    fn new_student(&self) -> PathBuf {
        self.path.join("student.new")
    }

    fn place_student(&self) -> io::Result<()> {
        let (new, student) = (self.new_student(), self.student());
        let pending = self.pending()?;
        if new.exists() {
            if let Some(earlier) = &pending
                && student.exists()
            {
                fs::rename(&student, earlier.join("student"))?;
                files::sync_folder(earlier)?;
            }
            files::replace_folder(&new, &student)?;
        } else {
            files::finish_replacing(&student)?;
        }
        match pending.filter(|earlier| earlier.join("student").exists() || !student.exists()) {
            Some(earlier) => fs::remove_file(earlier.join(PENDING)),
            None => Ok(()),
        }
    }

    /// The earlier run whose student is in the place of the present one.
    fn pending(&self) -> io::Result<Option<PathBuf>> {
        Ok(self.earlier_runs()?.into_iter().map(|(_, path)| path).find(|path| path.join(PENDING).exists()))
    }

    /// The folders in `earlier` by their number.
    fn earlier_runs(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        match self.path.join(EARLIER).read_dir() {
            Ok(entries) => Ok(entries.filter_map(|entry| numbered(entry.ok()?.path(), "")).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
            Err(error) => Err(error),
        }
    }

    /// Moves what an earlier run wrote to `earlier/N`, which has that name when all is there.
    fn keep_earlier_results(&self) -> io::Result<Option<PathBuf>> {
        let is_there = |name: &&str| self.path.join(name).exists();
        let has_own_student = self.student().exists() && self.pending()?.is_none();
        let number = self.earlier_runs()?.into_iter().map(|(number, _)| number).max().unwrap_or(0) + 1;
        let kept = self.path.join(EARLIER).join(number.to_string());
        let partial = kept.with_extension(PARTIAL);
        if !partial.exists() && !has_own_student && !CONTENTS.iter().any(is_there) {
            return Ok(None);
        }
        fs::create_dir_all(&partial)?;
        for name in CONTENTS.iter().filter(|name| is_there(name)) {
            fs::rename(self.path.join(name), partial.join(name))?;
        }
        if has_own_student {
            fs::write(
                partial.join(PENDING),
                "The student of this run is in ../../student until a later run has one.\n",
            )?;
        }
        files::sync_folder(&partial)?;
        fs::rename(&partial, &kept)?;
        files::sync_parent(&kept)?;
        files::sync_folder(&self.path)?;
        Ok(Some(kept))
    }

    /// Finishes what a killed run was about to do in this folder, and removes what it left half-written.
    fn tidy(&self) -> io::Result<()> {
        let in_folder = |name: &str| -> io::Result<Vec<PathBuf>> {
            match self.path.join(name).read_dir() {
                Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
                Err(error) => Err(error),
            }
        };
        for path in in_folder("")? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if CONTENTS.iter().any(|target| TemporaryFile::is_leftover(&name, target)) {
                fs::remove_file(&path)?;
            }
        }
        files::remove_folder(&self.student().with_extension(PARTIAL))?;
        for path in in_folder("checkpoints")? {
            match path.extension() {
                Some(ending) if ending == PARTIAL => files::remove_folder(&path)?,
                Some(_) => files::finish_replacing(&path.with_extension(""))?,
                None => {}
            }
        }
        self.place_student()?;
        // A new run was about to begin, so what is here is the earlier one's.
        if in_folder(EARLIER)?.iter().any(|path| path.extension().is_some_and(|ending| ending == PARTIAL)) {
            self.keep_earlier_results()?;
        }
        Ok(())
    }

    pub(super) fn save_whole(&self, folder: &Path, save: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let partial = folder.with_extension(PARTIAL);
        let failed = |source| write_error(folder, source);
        let saved = files::make_folder(&partial).map_err(failed).map_err(crate::Error::from).and_then(|()| {
            save(&partial)?;
            files::sync_contents(&partial).map_err(failed)?;
            Ok(files::replace_folder(&partial, folder).map_err(failed)?)
        });
        if saved.is_err() {
            // The error that is returned says what went wrong; a rest that cannot be removed is no news.
            let _ = files::remove_folder(&partial);
        }
        saved
    }

    /// Writes each model of the student with the tokenizer beside it.
    pub(super) fn write_student(&self, folder: &Path, student: &Student) -> Result<()> {
        student.save(folder, |folder| {
            for (name, content) in &self.tokenizer.0 {
                let copy = folder.join(name);
                fs::write(&copy, content).map_err(|source| write_error(&copy, source))?;
            }
            Ok(())
        })
    }
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

pub(super) fn write_error(path: &Path, source: io::Error) -> TrainError {
    TrainError::Write { path: path.to_owned(), source }
}
