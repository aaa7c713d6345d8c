use std::path::{PathBuf, absolute};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use brewer::assemble::{preparation, tokenizer_in};
use brewer::data::{Dataset, Loader, Order};
use brewer::device::device;
use brewer::evaluation::{Preparation, evaluate};
use brewer::experiment::{Experiment, ExperimentError, data_from};
use brewer::model::{self, LoadOptions};
use brewer_plugin_host::Plugins;
use clap::Args;
use serde_json::json;

use crate::header::shown;
use crate::log;
use crate::options::fill_roles;
use crate::reading::Reading;
use crate::table::{aligned, magnitude};
use crate::threads::ThreadOptions;

/// What is measured on what.
#[derive(Args)]
pub struct EvalOptions {
    /// A model's folder; by default the student of the experiment's run
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// A data set; by default the experiment's data.dev
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// The experiment file that says how data is read [default: experiment.json, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// A plugin for the roles that it exports, in place of the experiment's
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,

    /// Set a key of the experiment, such as data.text=sentence; without an experiment file a key of data. Repeat for more
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,

    /// Print a line of JSON in place of the table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub threads: ThreadOptions,
}

/// Measures a model on a data set.
pub fn eval(options: &EvalOptions) -> Result<ExitCode> {
    let experiment = options.experiment()?;
    let missing =
        |key, message: &str| brewer::Error::from(ExperimentError::Combination { key, message: message.to_owned() });
    let folder = options
        .model
        .clone()
        .or_else(|| experiment.as_ref().map(|experiment| experiment.training.output_dir.join("student")))
        .ok_or_else(|| missing("--model", "missing; name a model's folder, or an experiment with --config"))?;
    let config = match &experiment {
        Some(experiment) => experiment.data.clone(),
        None => data_from(&options.overrides).map_err(brewer::Error::from)?,
    };
    let data = options
        .data
        .clone()
        .or_else(|| config.dev.clone())
        .ok_or_else(|| missing("--data", "missing; name a data set, or an experiment with data.dev"))?;
    let name = options.device.as_deref().or(experiment.as_ref().map(|experiment| experiment.training.device.as_str()));
    let device = device(name.unwrap_or("auto")).map_err(brewer::Error::from)?;

    let model = model::load(&folder, &LoadOptions::frozen(device))?.model;
    let tokenizer = tokenizer_in(&folder);
    let dataset = Dataset::read(&data, &config, model.info(), tokenizer.as_deref(), &Reading::new().on_read());
    let dataset = dataset.map_err(|error| brewer::Error::from(error.with_model(&folder)))?;
    Dataset::check_columns(&config, &[&dataset]).map_err(brewer::Error::from)?;
    let loader = Loader::new(Arc::new(dataset), config.eval_batch_size(), Order::ByLength);
    let mut preparation = match &experiment {
        Some(experiment) => {
            let mut plugins = Plugins::new(experiment.training.seed, log::sink(None)).map_err(brewer::Error::from)?;
            preparation(experiment, &folder, model.info(), &mut plugins)?
        }
        None => Preparation::none(),
    };
    let evaluation = evaluate(model.as_ref(), &loader, &mut preparation, device, &AtomicBool::new(false))?;

    let parameters = model.parameters().num_elements();
    let rate = evaluation.examples_per_second();
    if options.json {
        let mut line = json!({
            "model": folder, "data": data, "parameters": parameters,
            "examples": evaluation.num_examples, "examples_per_second": rate,
        });
        for (name, value) in &evaluation.metrics {
            line[name] = json!(value);
        }
        println!("{line}");
    } else {
        let mut rows = vec![
            vec!["model".into(), shown(&folder)],
            vec!["parameters".into(), magnitude(parameters)],
            vec!["data".into(), format!("{}, {} examples", shown(&data), evaluation.num_examples)],
        ];
        rows.extend(evaluation.metrics.iter().map(|(name, value)| vec![name.clone(), format!("{value:.4}")]));
        rows.push(vec!["speed".into(), format!("{rate:.0} examples/s")]);
        aligned(&rows).iter().for_each(|line| println!("{line}"));
    }
    Ok(ExitCode::SUCCESS)
}

impl EvalOptions {
    /// The experiment, if one is named or lies in the current folder.
    fn experiment(&self) -> Result<Option<Experiment>> {
        let path = self.config.clone().or_else(|| Some(PathBuf::from("experiment.json")).filter(|path| path.exists()));
        let mut experiment = path.map(|path| Experiment::read(&path, &self.overrides)).transpose()?;
        if let Some(plugin) = &self.plugin {
            let without = || ExperimentError::Combination {
                key: "--plugin",
                message: "is for an experiment, and there is none; name one with --config".to_owned(),
            };
            fill_roles(experiment.as_mut().ok_or_else(without).map_err(brewer::Error::from)?, &absolute(plugin)?)?;
        }
        Ok(experiment)
    }
}
