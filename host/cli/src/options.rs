use std::path::{Path, PathBuf};

use anyhow::Result;
use brewer::experiment::Experiment;
use clap::Args;

use crate::plugin_options::PluginOptions;

/// Which experiment, and what differs from its file.
#[derive(Args)]
pub struct ExperimentOptions {
    /// The experiment file, JSON or TOML [default: experiment.json]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    plugins: PluginOptions,

    /// Set a key of the experiment, such as training.num_epochs=1; repeat for more
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
}

impl ExperimentOptions {
    /// The experiment as these options make it.
    pub fn experiment(&self) -> Result<Experiment> {
        let path = self.config.as_deref().unwrap_or(Path::new("experiment.json"));
        let mut experiment = Experiment::read(path, &self.overrides)?;
        self.plugins.apply(&mut experiment)?;
        if let Some(device) = &self.device {
            experiment.training.device.clone_from(device);
        }
        Ok(experiment)
    }
}
