//! `provenance.json`: what a run's student was made of and by, as an in-toto statement with SLSA's provenance (version
//! 1): <https://slsa.dev/spec/v1.0/provenance>.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use brewer::device::libtorch_version;
use brewer::digest_of_file;
use brewer::experiment::{Experiment, PluginRef};
use brewer::train::{RunFolder, RunRecord};
use brewer_registry::rfc3339;
use serde_json::{Map, Value, json};

use crate::sources::Sources;

/// What a run's provenance is written from, once it has ended.
pub struct Provenance<'r> {
    pub experiment: &'r Experiment,
    /// The `--set` of the command line.
    pub overrides: &'r [String],
    pub record: &'r RunRecord,
    pub sources: &'r Sources,
    pub started: SystemTime,
}

/// What the numbers of a run depend on beside its inputs, as a statement has it.
pub const INTERNAL: &str = "/predicate/buildDefinition/internalParameters";
/// The inputs, as a statement has them.
pub const DEPENDENCIES: &str = "/predicate/buildDefinition/resolvedDependencies";

impl Provenance<'_> {
    /// The statement, for a run whose student is in its place.
    pub fn statement(&self, folder: &RunFolder) -> Result<Vec<u8>> {
        let student = files_in(&folder.student())?;
        let subject = student.iter().map(|name| {
            let digest = digest(&folder.student().join(name))?;
            Ok(json!({ "name": format!("student/{name}"), "digest": digest }))
        });
        let metrics = json!({ "name": "metrics.jsonl", "digest": digest(&folder.metrics())? });
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subject.collect::<Result<Vec<_>>>()?,
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "urn:brewer:distil:v1",
                    "externalParameters": {
                        "experiment": { "digest": digest(&folder.experiment())? },
                        "set": self.overrides,
                        "seed": self.experiment.training.seed,
                    },
                    "internalParameters": {
                        "device": self.record.device(),
                        "teacherDevices": self.record.teacher_devices(),
                        "threads": self.record.threads(),
                        "cpu": processor(),
                        "libtorch": libtorch_version(),
                    },
                    "resolvedDependencies": self.dependencies(folder)?,
                },
                "runDetails": {
                    "builder": { "id": "urn:brewer:host", "version": { "brewer-host": env!("CARGO_PKG_VERSION") } },
                    "metadata": {
                        "invocationId": invocation()?,
                        "startedOn": time(self.started),
                        "finishedOn": time(SystemTime::now()),
                    },
                    "byproducts": [metrics],
                },
            },
        });
        Ok(format!("{}\n", serde_json::to_string_pretty(&statement)?).into_bytes())
    }

    /// Plugins, then models and data by the keys that name them, then the lock.
    fn dependencies(&self, folder: &RunFolder) -> Result<Vec<Value>> {
        let mut dependencies = vec![];
        for (named, used) in self.sources.used() {
            let mut entry = Map::new();
            match (&used.reference, &named) {
                (Some(reference), _) => entry.insert("uri".to_owned(), json!(reference.to_string())),
                (None, PluginRef::File(path)) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    entry.insert("name".to_owned(), json!(name))
                }
                (None, other) => entry.insert("name".to_owned(), json!(other.to_string())),
            };
            entry.insert("digest".to_owned(), json!({ "sha256": used.sha256() }));
            entry.insert("annotations".to_owned(), json!({ "kind": "plugin", "signedBy": used.signers }));
            dependencies.push(Value::Object(entry));
        }
        for (key, files) in self.record.sources().iter().filter(|(key, _)| !key.ends_with(".path")) {
            for (name, sha256) in files {
                let sha256 = sha256.trim_start_matches("sha256:");
                dependencies.push(json!({ "name": format!("{key}/{name}"), "digest": { "sha256": sha256 } }));
            }
        }
        let lock = folder.path().join("brewer.lock");
        if lock.is_file() {
            dependencies.push(json!({ "name": "brewer.lock", "digest": digest(&lock)? }));
        }
        Ok(dependencies)
    }
}

/// The names of the files in a folder and below it, `TASK/config.json`, sorted.
fn files_in(folder: &Path) -> Result<Vec<String>> {
    let unreadable = || format!("cannot read {}", folder.display());
    let mut names = vec![];
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type().with_context(unreadable)?.is_dir() {
            true => names.extend(files_in(&entry.path())?.into_iter().map(|inner| format!("{name}/{inner}"))),
            false => names.push(name),
        }
    }
    names.sort();
    Ok(names)
}

fn digest(path: &Path) -> Result<Value> {
    let digest = digest_of_file(path).map_err(brewer::Error::from)?;
    Ok(json!({ "sha256": digest.trim_start_matches("sha256:") }))
}

/// The processor's name, where the system says it: others round sums differently.
pub fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// A name that no other run has.
fn invocation() -> Result<String> {
    let mut bytes = [0; 16];
    let random = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    random.context("cannot read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn time(time: SystemTime) -> String {
    // A clock before 1970 has no form here.
    rfc3339(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
