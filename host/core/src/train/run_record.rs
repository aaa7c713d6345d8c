use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::Device;

use super::Placement;
use crate::data::tokenizer_files;
use crate::device::num_threads;
use crate::digest::{self, shortened};
use crate::experiment::{Experiment, HeadsSpec, PathKind};
use crate::{DigestError, Result, os_reason};

/// The format of `run.json` that this version writes and reads; the first one had no `format`.
const FORMAT: u32 = 2;

/// `run.json`: digests of what a run reads, and what it computes with. A run is resumed with the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    format: u32,
    /// The student's: `cpu` or `cuda`. The other one's results differ in their last bits.
    device: String,
    /// Those of the teachers by their keys.
    teacher_devices: BTreeMap<String, String>,
    /// The threads of an operation on the CPU. Another number's results differ in their last bits.
    threads: i32,
    /// The digests of files by name, by the key of the experiment that names them or their folder.
    sources: BTreeMap<String, BTreeMap<String, String>>,
}

impl RunRecord {
    /// Of the files as they are now. What is not there is left out.
    pub fn of(experiment: &Experiment) -> Result<Self> {
        let placement = Placement::of(experiment)?;
        let output = experiment.training.output_dir.clone();
        let mut experiment = experiment.clone();
        // A student with heads by task may be a folder of folders.
        let tasks: Vec<String> = match experiment.student.heads {
            HeadsSpec::Shared => vec![],
            HeadsSpec::ByTask => experiment.tasks.keys().cloned().collect(),
        };
        let mut sources = BTreeMap::new();
        for (key, kind, path) in experiment.paths_mut() {
            // A new run moves such a student away, and needs it no more.
            let is_moved = key.starts_with("student.") && path.starts_with(&output);
            let files = match kind {
                PathKind::Model if !is_moved && key == "student.model" => {
                    let of_tasks = tasks.iter().map(|task| model_files(&path.join(task)));
                    of_tasks.chain([model_files(path)]).collect::<Result<Vec<_>, _>>()?.concat()
                }
                PathKind::Model if !is_moved => model_files(path)?,
                PathKind::File if !is_moved => vec![path.clone()],
                PathKind::Plugin => vec![path.clone()],
                _ => continue,
            };
            let files = files.into_iter().filter(|file| file.is_file());
            let name = |file: &Path| {
                let folder = if kind == PathKind::Model { Some(path.as_path()) } else { path.parent() };
                let below = folder.and_then(|folder| file.strip_prefix(folder).ok());
                below.unwrap_or(file).to_string_lossy().into_owned()
            };
            let digests = files.map(|file| Ok((name(&file), digest::of_file(&file)?)));
            let digests = digests.collect::<Result<BTreeMap<_, _>, DigestError>>()?;
            if !digests.is_empty() {
                sources.insert(key, digests);
            }
        }
        let devices = placement.teachers.into_iter().map(device_kind);
        Ok(Self {
            format: FORMAT,
            device: device_kind(placement.student),
            teacher_devices: experiment.teacher_keys().into_iter().zip(devices).collect(),
            threads: num_threads(),
            sources,
        })
    }

    /// The student's device: `cpu` or `cuda`.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The devices of the teachers by their keys: `teacher`, `teachers.0`, `tasks.reviews.teacher`.
    pub fn teacher_devices(&self) -> &BTreeMap<String, String> {
        &self.teacher_devices
    }

    /// The threads of an operation on the CPU.
    pub fn threads(&self) -> i32 {
        self.threads
    }

    /// The digests of files (`sha256:HEX`) by name, by the key of the experiment that names them or their folder.
    pub fn sources(&self) -> &BTreeMap<String, BTreeMap<String, String>> {
        &self.sources
    }

    /// The record in a file; an error says what is wrong with it.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let unknown = |problem: String| format!("it is not known what it was made of: {problem}");
        let text = fs::read(path)
            .map_err(|error| unknown(format!("cannot read {}: {}", path.display(), os_reason(&error))))?;
        let damaged = |error| unknown(format!("{} is damaged: {error}", path.display()));
        match format_of(&text).map_err(damaged)? {
            Some(FORMAT) => serde_json::from_slice(&text).map_err(damaged),
            found => Err(format!(
                "{} has {}; this version reads format {FORMAT}. Resume it with the version that began it, or run without \
                 --resume, which keeps it in `earlier`",
                path.display(),
                found.map_or("no format".to_owned(), |format| format!("format {format}")),
            )),
        }
    }

    pub(super) fn to_json(&self) -> String {
        // Its keys are strings and its numbers integers.
        format!("{}\n", serde_json::to_string_pretty(self).expect("strings and integers are JSON"))
    }

    /// What is not as it was when this was recorded. Sources that are gone are left out: who needs one says so.
    pub(super) fn changes(&self, present: &Self) -> Vec<String> {
        let mut changes = vec![];
        for (key, recorded) in &self.sources {
            let Some(found) = present.sources.get(key) else { continue };
            let names = recorded.keys().chain(found.keys().filter(|name| !recorded.contains_key(*name)));
            for name in names {
                let shown = |digest: Option<&String>| digest.map_or("not there".to_owned(), |digest| shortened(digest));
                let (recorded, found) = (recorded.get(name), found.get(name));
                if recorded != found {
                    let (recorded, found) = (shown(recorded), shown(found));
                    changes.push(format!("{name} of `{key}` is {found} and was {recorded}"));
                }
            }
        }
        changes
    }

    /// What makes numbers differ in their last bits.
    pub(super) fn warnings(&self, present: &Self) -> Vec<String> {
        let mut warnings = vec![];
        let mut warn = |recorded: String, found: String, how: String| {
            warnings.push(format!(
                "the run began {recorded} and resumes {found}: its numbers differ in their last bits from those of an \
                 unbroken run; {how} for the same"
            ));
        };
        if self.device != present.device {
            warn(format!("on {}", self.device), format!("on {}", present.device), format!("--device {}", self.device));
        }
        for (key, recorded) in &self.teacher_devices {
            let Some(found) = present.teacher_devices.get(key).filter(|found| *found != recorded) else { continue };
            let (began, resumes) = (format!("with {key} on {recorded}"), format!("with it on {found}"));
            warn(began, resumes, format!("set {key}.device to {recorded}"));
        }
        if self.threads != present.threads {
            let threads = |number: i32| if number == 1 { "1 thread".to_owned() } else { format!("{number} threads") };
            let (recorded, found) = (threads(self.threads), threads(present.threads));
            warn(format!("with {recorded}"), format!("with {found}"), format!("--threads {}", self.threads));
        }
        warnings
    }
}

/// The `format` of a JSON object, whose other keys may be any; `None` if it has none.
pub(super) fn format_of(text: &[u8]) -> serde_json::Result<Option<u32>> {
    #[derive(Deserialize)]
    struct Formatted {
        format: Option<u32>,
    }
    Ok(serde_json::from_slice::<Formatted>(text)?.format)
}

/// The files in a model's folder that decide what the model computes of a text.
fn model_files(folder: &Path) -> Result<Vec<PathBuf>, DigestError> {
    let is_of_model = |path: &PathBuf| digest::is_weights(path) || path.ends_with("config.json");
    match folder.read_dir() {
        Ok(entries) => {
            let of_model = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_of_model);
            Ok(of_model.chain(tokenizer_files(folder)).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(source) => Err(DigestError { path: folder.to_owned(), source }),
    }
}

fn device_kind(device: Device) -> String {
    let kind = match device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Mps => "mps",
        Device::Vulkan => "vulkan",
    };
    kind.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_another_version_is_not_called_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let problem = |text: &str| {
            fs::write(&path, text).unwrap();
            RunRecord::read(&path).unwrap_err()
        };
        for (text, found) in [(r#"{ "device": "cpu" }"#, "no format"), (r#"{ "format": 3 }"#, "format 3")] {
            let expected = format!(
                "{} has {found}; this version reads format 2. Resume it with the version that began it, or run without \
                 --resume, which keeps it in `earlier`",
                path.display()
            );
            assert_eq!(problem(text), expected);
        }
        let damaged = problem(r#"{ "format": 2 }"#);
        assert!(
            damaged.starts_with("it is not known what it was made of: ") && damaged.contains("is damaged"),
            "{damaged}"
        );
    }
}
