use std::path::{Path, PathBuf};

use anyhow::Result;
use brewer::experiment::{Experiment, PluginSpec};
use brewer_plugin_host::{PluginRole, roles_of};
use clap::Args;

use crate::threads::ThreadOptions;

/// Which experiment, and what differs from its file.
#[derive(Args)]
pub struct ExperimentOptions {
    /// The experiment file, JSON or TOML [default: experiment.json]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// A plugin for the roles that it exports, in place of the experiment's
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,

    /// Set a key of the experiment, such as training.num_epochs=1; repeat for more
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,

    #[command(flatten)]
    pub threads: ThreadOptions,
}

impl ExperimentOptions {
    /// The experiment as these options make it.
    pub fn experiment(&self) -> Result<Experiment> {
        let path = self.config.as_deref().unwrap_or(Path::new("experiment.json"));
        let mut experiment = Experiment::read(path, &self.overrides)?;
        if let Some(plugin) = &self.plugin {
            fill_roles(&mut experiment, &std::path::absolute(plugin)?)?;
        }
        if let Some(device) = &self.device {
            experiment.training.device.clone_from(device);
        }
        Ok(experiment)
    }
}

/// Puts a plugin into every role that it exports. What the experiment says of a role stays, but for the path; losses and
/// schedulers are called by the file's name without its ending.
pub fn fill_roles(experiment: &mut Experiment, path: &Path) -> Result<()> {
    let plugins = &mut experiment.plugins;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let put = |spec: &mut PluginSpec| path.clone_into(&mut spec.path);
    let new = || PluginSpec::new(path.to_owned());
    for role in roles_of(path).map_err(brewer::Error::from)? {
        match role {
            PluginRole::Adaptor => put(plugins.adaptor.get_or_insert_with(new)),
            PluginRole::BatchPostprocessor => put(plugins.batch_postprocessor.get_or_insert_with(new)),
            PluginRole::Callback => match plugins.callbacks.iter_mut().find(|spec| spec.path == path) {
                Some(spec) => put(spec),
                None => plugins.callbacks.push(new()),
            },
            PluginRole::KdLoss | PluginRole::MatchLoss => put(plugins.losses.entry(name.clone()).or_insert_with(new)),
            PluginRole::TemperatureScheduler | PluginRole::WeightScheduler => {
                put(plugins.schedulers.entry(name.clone()).or_insert_with(new));
            }
        }
    }
    Ok(())
}
