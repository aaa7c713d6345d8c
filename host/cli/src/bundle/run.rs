//! `run --bundle`: an experiment of a bundle, with models and data that have the digests of the run that it was made
//! from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, anyhow};
use brewer::device::{libtorch_version, num_threads};
use brewer::digest_of_file;
use brewer::experiment::{Experiment, PathKind, PluginRef};
use brewer_registry::bundle::FileKind;
use clap::Args;
use serde_json::Value;

use crate::exit::input;
use crate::options::{DEFAULT_FILE, ExperimentOptions};
use crate::output;
use crate::plugin::failed;
use crate::provenance::{DEPENDENCIES, INTERNAL, processor};
use crate::sources::Sources;

#[derive(Args)]
pub struct BundleRunOptions {
    /// Run an experiment of a bundle: a reference (oci://…), a folder, or a tar
    #[arg(long, value_name = "BUNDLE", conflicts_with = "config")]
    bundle: Option<String>,

    /// Which experiment of the bundle [default: the only one]
    #[arg(long, value_name = "NAME", requires = "bundle")]
    experiment: Option<String>,

    /// Where the bundle's models and data are, by whatever names; repeat for more [default: where the experiment has
    /// them]
    #[arg(long, value_name = "DIR", requires = "bundle")]
    data: Vec<PathBuf>,
}

/// The files of one input by name, with their digests (`sha256:HEX`).
type Expected = BTreeMap<String, String>;

impl BundleRunOptions {
    /// The experiment of the bundle, if one is named, and where its plugins come from. Its models and data have the
    /// digests that the provenance in the bundle says, and every difference is named at once.
    pub fn experiment(&self, options: &ExperimentOptions) -> Result<Option<(Experiment, Rc<Sources>)>> {
        let Some(text) = &self.bundle else { return Ok(None) };
        let sources = options.sources.sources(Path::new(DEFAULT_FILE), None);
        let found = sources.bundle(text).map_err(failed)?;
        let name = found.experiment(self.experiment.as_deref()).map_err(failed)?;
        let read = |name: &str| sources.with_store(|store| found.bundle.file(store, name)).map_err(failed);
        let text = String::from_utf8(read(name)?).context("the bundle's experiment is no text").map_err(input)?;
        let mut experiment = Experiment::from_text(Path::new(name), &text, &options.overrides)?;
        // It was asked for the plugins where they were pulled from; here the bundle was let in, with its plugins.
        experiment.trust = None;
        if options.overrides.iter().any(|text| text.split_once('=').is_some_and(|(key, _)| key.trim() == "trust")) {
            return Err(input(anyhow!(
                "--set trust: a bundle is let in before its experiment is read; name the policy with --trust"
            )));
        }
        for spec in experiment.plugins_mut() {
            // What it was in the run is known; where it was is another machine's matter.
            if let Some(sha256) = &spec.sha256 {
                spec.set_reference(PluginRef::Stored(format!("sha256:{sha256}")));
            }
        }
        sources.admit(&found).map_err(failed)?;
        if let [provenance] = found.bundle.files_of(FileKind::Provenance).as_slice() {
            let provenance: Value =
                serde_json::from_slice(&read(provenance)?).context("the bundle's provenance").map_err(input)?;
            self.find_inputs(&mut experiment, &provenance)?;
            for note in differences(&provenance) {
                output::warning(&note);
            }
        }
        let folder = Path::new(name).file_stem().unwrap_or_default();
        let title =
            if found.bundle.title.is_empty() { folder.to_string_lossy().into_owned() } else { found.bundle.title };
        // A title is text from elsewhere: no more than a name is made of it.
        let title: String =
            title.chars().filter(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter)).collect();
        let output = std::path::absolute(Path::new("runs").join(if title.is_empty() { "bundle" } else { &title }))?;
        experiment.set_output_dir(output).map_err(brewer::Error::from)?;
        options.apply(&mut experiment, &sources)?;
        Ok(Some((experiment, sources)))
    }

    /// Puts the paths of models and data into the experiment.
    fn find_inputs(&self, experiment: &mut Experiment, provenance: &Value) -> Result<()> {
        let expected = expected_inputs(provenance);
        let mut problems = vec![];
        for (key, kind, path) in experiment.inputs_mut() {
            let Some(files) = expected.get(&key) else { continue };
            let here = differing(path, files)?;
            if here.is_empty() {
                continue;
            }
            match self.search(files, kind == PathKind::Model)? {
                Some(found) => *path = found,
                None => problems.push(format!("{key}: {}", here.join(", "))),
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        let searched: Vec<String> = self.data.iter().map(|folder| folder.display().to_string()).collect();
        let advice = match searched.as_slice() {
            [] => "name a folder that has them with --data".to_owned(),
            searched => format!("they are not in {} either", searched.join(", ")),
        };
        Err(input(anyhow!("what the run of the bundle read is not here: {}; {advice}", problems.join("; "))))
    }

    /// The file with this digest, or the folder of the files with these, below one of the folders that were named. Links
    /// to folders are not followed: they may lead in a circle.
    fn search(&self, files: &Expected, is_folder: bool) -> Result<Option<PathBuf>> {
        let mut waiting = self.data.clone();
        while let Some(folder) = waiting.pop() {
            if is_folder && differing(&folder, files)?.is_empty() {
                return Ok(Some(folder));
            }
            let unreadable = || format!("cannot read {}", folder.display());
            let mut entries = vec![];
            for entry in fs::read_dir(&folder).with_context(unreadable).map_err(input)? {
                entries.push(entry.with_context(unreadable)?);
            }
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let path = entry.path();
                if entry.file_type().with_context(unreadable)?.is_dir() {
                    waiting.push(path);
                } else if !is_folder && path.is_file() && is_one_of(&path, files)? {
                    return Ok(Some(path));
                }
            }
        }
        Ok(None)
    }
}

/// The inputs that a statement of provenance names, by the keys of the experiment.
fn expected_inputs(provenance: &Value) -> BTreeMap<String, Expected> {
    let mut inputs: BTreeMap<String, Expected> = BTreeMap::new();
    for dependency in provenance.pointer(DEPENDENCIES).and_then(Value::as_array).into_iter().flatten() {
        let name = dependency["name"].as_str().and_then(|name| name.split_once('/'));
        if let (Some((key, file)), Some(sha256)) = (name, dependency["digest"]["sha256"].as_str()) {
            inputs.entry(key.to_owned()).or_default().insert(file.to_owned(), format!("sha256:{sha256}"));
        }
    }
    inputs
}

/// What of these files is not at a path, which is that of a file or of the files' folder.
fn differing(path: &Path, files: &Expected) -> Result<Vec<String>> {
    let mut differing = vec![];
    for (name, expected) in files {
        let file = if path.is_dir() { path.join(name) } else { path.to_owned() };
        if !file.is_file() {
            differing.push(format!("{} is not there", file.display()));
        } else if let found = digest_of(&file)?
            && found != *expected
        {
            differing.push(format!("{} is {}…, and was {}…", file.display(), shortened(&found), shortened(expected)));
        }
    }
    Ok(differing)
}

fn is_one_of(path: &Path, files: &Expected) -> Result<bool> {
    let found = digest_of(path)?;
    Ok(files.values().any(|digest| *digest == found))
}

fn shortened(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

fn digest_of(path: &Path) -> Result<String> {
    Ok(digest_of_file(path).map_err(brewer::Error::from)?)
}

/// What numbers depend on beside the inputs, and is not here as it was in the run of the bundle.
fn differences(provenance: &Value) -> Vec<String> {
    let Some(recorded) = provenance.pointer(INTERNAL) else { return vec![] };
    let here = [("threads", Some(num_threads().to_string())), ("cpu", processor()), ("libtorch", libtorch_version())];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut notes = vec![];
    for (what, here) in here {
        let (was, is) = (text(&recorded[what]), here.unwrap_or_else(|| "null".to_owned()));
        if was != is {
            notes.push(format!("{what} is {is} and was {was}: numbers may differ in their last bits"));
        }
    }
    notes
}
