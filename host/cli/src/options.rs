use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use brewer::experiment::{Experiment, ExperimentError};
use clap::Args;

use crate::plugin_options::PluginOptions;
use crate::sources::{SourceOptions, Sources};
use crate::threads::ThreadOptions;

/// The experiment where none is named, in the current folder.
pub const DEFAULT_FILE: &str = "experiment.json";

/// Which experiment, and what differs from its file.
#[derive(Args)]
pub struct ExperimentOptions {
    /// The experiment file, JSON or TOML [default: experiment.json]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    plugins: PluginOptions,

    #[command(flatten)]
    pub sources: SourceOptions,

    /// Set a key of the experiment, over its file; repeat for more. The value is JSON, or else a string
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,

    /// auto, cpu, cuda or cuda:N, in place of training.device, --set included
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,

    #[command(flatten)]
    pub threads: ThreadOptions,
}

impl ExperimentOptions {
    /// The experiment as these options make it, and where its plugins come from.
    pub fn experiment(&self) -> Result<(Experiment, Rc<Sources>)> {
        let path = match &self.config {
            Some(path) => path.as_path(),
            None => default_file()?,
        };
        let mut experiment = Experiment::read(path, &self.overrides)?;
        let sources = self.sources.sources(path, experiment.trust.clone());
        self.apply(&mut experiment, &sources)?;
        Ok((experiment, sources))
    }

    /// Sets what has an option of its own.
    pub fn apply(&self, experiment: &mut Experiment, sources: &Sources) -> Result<()> {
        self.plugins.apply(experiment, sources)?;
        if let Some(device) = &self.device {
            experiment.training.device.clone_from(device);
        }
        Ok(())
    }
}

/// A path of the command line, which is relative to the current folder.
fn absolute(key: &'static str, path: &Path) -> Result<PathBuf> {
    let wrong = |error: std::io::Error| ExperimentError::Combination { key, message: error.to_string() };
    Ok(std::path::absolute(path).map_err(wrong).map_err(brewer::Error::from)?)
}

/// The experiment in the current folder.
fn default_file() -> Result<&'static Path> {
    let path = Path::new(DEFAULT_FILE);
    if !path.exists() {
        let folder = std::env::current_dir().unwrap_or_else(|_| ".".into());
        let message = format!(
            "missing, and there is no {DEFAULT_FILE} in {}; name an experiment, or write one: `brewer-host schema` \
             lists its keys",
            folder.display()
        );
        return Err(brewer::Error::from(ExperimentError::Combination { key: "--config", message }).into());
    }
    Ok(path)
}

/// Where a run writes to.
#[derive(Args)]
pub struct OutputDirOptions {
    /// The folder that the run is written to, in place of training.output_dir, --set included. It is relative to the
    /// current folder, the key to the experiment's
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

impl OutputDirOptions {
    pub fn apply(&self, experiment: &mut Experiment) -> Result<()> {
        if let Some(folder) = &self.output_dir {
            let folder = absolute("--output-dir", folder)?;
            experiment.set_output_dir(folder).map_err(brewer::Error::from)?;
        }
        Ok(())
    }
}
