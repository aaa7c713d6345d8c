//! `bundle create`: from plugins and experiments, or from a run that has ended.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use brewer::experiment::{Experiment, PluginRef, PluginSpec};
use brewer_plugin_host::{Limits, inspect_bytes};
use brewer_registry::bundle::{self, FileKind, NewFile};
use brewer_registry::signature::Signatures;
use brewer_registry::{Digest, Lock, limits, plugin};
use clap::Args;

use crate::exit::input;
use crate::options::DEFAULT_FILE;
use crate::output;
use crate::plugin::{failed, parse};
use crate::sources::{SourceOptions, Sources, Used};

#[derive(Args)]
pub struct CreateOptions {
    /// Plugins: files, references (oci://…) or digests (sha256:…) of what is in the store
    #[arg(value_name = "PLUGIN")]
    plugins: Vec<String>,

    /// An experiment, whose plugins come with it; repeat for more
    #[arg(long, value_name = "FILE")]
    experiment: Vec<PathBuf>,

    /// The folder of a run that has ended: its experiment, plugins, lock, provenance and numbers
    #[arg(long, value_name = "RUN")]
    from: Option<PathBuf>,

    /// What people read first
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,

    /// What the bundle is called [default: the name of the output without its ending]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,

    /// The bundle's version
    #[arg(long, value_name = "VERSION")]
    bundle_version: Option<String>,

    /// Where it goes: a folder, or a file whose name ends in .tar
    #[arg(long, short, value_name = "DIR|FILE.tar")]
    output: PathBuf,

    #[command(flatten)]
    sources: SourceOptions,
}

/// A bundle on its way.
struct Making<'s> {
    sources: &'s Sources,
    plugins: BTreeMap<String, Digest>,
    files: Vec<NewFile>,
}

/// Makes a bundle, and prints its digest.
pub fn create(options: &CreateOptions) -> Result<ExitCode> {
    let beside = options.experiment.first().map_or(Path::new(DEFAULT_FILE), PathBuf::as_path);
    let experiments = options.experiment.iter().map(|file| Experiment::read(file, &[]));
    let experiments = experiments.collect::<Result<Vec<_>, _>>()?;
    let trust = experiments.iter().filter_map(|experiment| experiment.trust.clone());
    let sources = options.sources.sources(beside, trust);
    let mut making = Making { sources: &sources, plugins: BTreeMap::new(), files: vec![] };
    for text in &options.plugins {
        making.add_plugin(&PluginRef::parse(text))?;
    }
    for (file, experiment) in options.experiment.iter().zip(experiments) {
        making.add_experiment(file, experiment)?;
    }
    if let Some(run) = &options.from {
        making.add_run(run, options.readme.is_none())?;
    }
    if let Some(readme) = &options.readme {
        making.add_file(FileKind::Readme, "README.md", readme)?;
    }
    if making.plugins.is_empty() && making.files.is_empty() {
        return Err(input(anyhow!("there is nothing to put in; name plugins, --experiment or --from")));
    }
    let stem = options.output.file_stem().unwrap_or_default().to_string_lossy();
    let (title, version) = (options.title.as_deref().unwrap_or(&stem), options.bundle_version.as_deref());
    let Making { plugins, files, .. } = making;
    let made = sources.with_store(|store| {
        let made = bundle::create(store, title, version, &plugins, files)?;
        bundle::layout::export(store, &made, &Signatures::new(), &options.output)?;
        Ok(made)
    });
    output::result(&made.map_err(failed)?.index.to_string())?;
    Ok(ExitCode::SUCCESS)
}

impl Making<'_> {
    /// Adds a plugin; returns the digest of its component.
    fn add_plugin(&mut self, reference: &PluginRef) -> Result<Digest> {
        let Used { bytes, manifest, .. } = self.sources.find(reference, Limits::default().file_bytes)?;
        let place = PathBuf::from(reference.to_string());
        let inspected = inspect_bytes(&place, &bytes).map_err(brewer::Error::from)?;
        let manifest = match manifest {
            Some(manifest) => manifest,
            None => self.sources.with_store(|store| plugin::add(store, &bytes)).map_err(failed)?,
        };
        let name = inspected.manifest.map_or_else(|| reference.stem(), |said| said.name);
        match self.plugins.insert(name.clone(), manifest) {
            Some(other) if other != manifest => {
                Err(input(anyhow!("two plugins are called {name}, {} and {}", other.short(), manifest.short())))
            }
            _ => Ok(Digest::of(&bytes)),
        }
    }

    /// Adds a plugin of an experiment, taken `from` there, and has it found by its digest.
    fn pin(&mut self, spec: &mut PluginSpec, from: &PluginRef) -> Result<()> {
        let component = self.add_plugin(from)?;
        if let Some(expected) = spec.sha256.as_ref().filter(|expected| !expected.eq_ignore_ascii_case(&component.hex()))
        {
            return Err(input(anyhow!("{} is sha256:{expected} in the experiment, but {component}", spec.reference())));
        }
        spec.set_reference(PluginRef::Stored(component.to_string()));
        Ok(())
    }

    /// Adds an experiment. Its plugins are pinned, and paths below its folder become relative, so that it can be run
    /// where the same lies in another folder.
    fn add_experiment(&mut self, file: &Path, mut experiment: Experiment) -> Result<()> {
        // Its plugins were let in just now; whoever takes the bundle asks for the bundle's signature.
        experiment.trust = None;
        for spec in experiment.plugins_mut() {
            let from = spec.reference();
            self.pin(spec, &from)?;
        }
        let whole = std::path::absolute(file)?;
        let folder = whole.parent().unwrap_or(&whole);
        let output = &mut experiment.training.output_dir;
        if let Ok(relative) = output.strip_prefix(folder).map(Path::to_owned) {
            *output = relative;
        }
        for (_, _, path) in experiment.inputs_mut() {
            if let Ok(relative) = path.strip_prefix(folder).map(Path::to_owned) {
                *path = relative;
            }
        }
        let name = format!("{}.json", file.file_stem().unwrap_or_default().to_string_lossy());
        self.files.push(NewFile { kind: FileKind::Experiment, name, bytes: experiment.to_json().into_bytes() });
        Ok(())
    }

    /// Adds what a run wrote, byte for byte, and the plugins that it ran.
    fn add_run(&mut self, run: &Path, with_readme: bool) -> Result<()> {
        let resolved = run.join("experiment.resolved.json");
        let provenance = run.join("provenance.json");
        if !provenance.is_file() {
            let problem = "it has no provenance.json, so it is no run that has ended";
            return Err(input(anyhow!("{}: {problem}", run.display())));
        }
        let lock = run.join("brewer.lock");
        let locked = Lock::read(&lock).map_err(failed)?;
        let mut experiment = Experiment::read(&resolved, &[])?;
        for spec in experiment.plugins_mut() {
            let from = match spec.reference() {
                // It is in the store since the run. The run's lock says which manifest: signatures are of that.
                PluginRef::Registry(text) => {
                    let reference = parse(&text)?;
                    let lacks = || input(anyhow!("{}: it lacks {reference}, which the run used", lock.display()));
                    let entry = locked.plugins.get(&reference).ok_or_else(lacks)?;
                    PluginRef::Stored(entry.manifest.to_string())
                }
                other => other,
            };
            self.pin(spec, &from)?;
        }
        self.add_file(FileKind::Experiment, "experiment.resolved.json", &resolved)?;
        self.add_file(FileKind::Provenance, "provenance.json", &provenance)?;
        self.add_file(FileKind::Metrics, "metrics.jsonl", &run.join("metrics.jsonl"))?;
        if lock.is_file() {
            self.add_file(FileKind::Lock, "brewer.lock", &lock)?;
        }
        let readme = run.join("student/README.md");
        if with_readme && readme.is_file() {
            self.add_file(FileKind::Readme, "README.md", &readme)?;
        }
        Ok(())
    }

    fn add_file(&mut self, kind: FileKind, name: &str, path: &Path) -> Result<()> {
        let size = fs::metadata(path).with_context(|| format!("cannot read {}", path.display())).map_err(input)?.len();
        if size > limits::BUNDLE_FILE {
            let most = limits::BUNDLE_FILE;
            return Err(input(anyhow!("{} has {size} bytes; at most {most} are allowed in a bundle", path.display())));
        }
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display())).map_err(input)?;
        self.files.push(NewFile { kind, name: name.to_owned(), bytes });
        Ok(())
    }
}
