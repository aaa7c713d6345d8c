use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use brewer::assemble::{device_of, preparation, task_of};
use brewer::data::{DataConfig, Dataset, Loader, Order, tokenizer_in};
use brewer::device::device;
use brewer::evaluation::{Preparation, evaluate};
use brewer::experiment::{Experiment, ExperimentError, HeadsSpec, data_from};
use brewer::model::{self, LoadOptions};
use brewer_plugin_host::Plugins;
use clap::Args;

use crate::header::shown;
use crate::options::DEFAULT_FILE;
use crate::plugin_options::PluginOptions;
use crate::reading::Reading;
use crate::sources::{SourceOptions, Sources};
use crate::table::{counted, laid_out, magnitude};
use crate::threads::ThreadOptions;
use crate::{json, log, output, plugin};

/// What is measured on what.
#[derive(Args)]
pub struct EvalOptions {
    /// A model's folder [default: student/ in the experiment's training.output_dir]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// The task of a `multi_task` experiment whose data, post-processor and head are meant [default: the one whose teacher
    /// or student the model is]
    #[arg(long, value_name = "NAME")]
    task: Option<String>,

    /// A data set, in place of the experiment's, or those of the task whose model it is
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// The split in the experiment's data.eval [default: dev, or the only one]
    #[arg(long, value_name = "NAME", conflicts_with = "data")]
    split: Option<String>,

    /// The experiment file that says how data is read [default: experiment.json, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    plugins: PluginOptions,

    #[command(flatten)]
    sources: SourceOptions,

    /// Set a key of the experiment, over its file, or without one a key of data (data.text=sentence); repeat for more.
    /// The value is JSON, or else a string
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// auto, cpu, cuda or cuda:N, in place of training.device, or of a teacher's own [default: auto]
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,

    /// Print one line of JSON in place of the table
    ///
    /// Keys: command, model, data, parameters, examples, seconds, examples_per_second, and the metrics under their
    /// names: loss, and accuracy, f1, mae, pearson and exact_match as the model's task has them.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub threads: ThreadOptions,
}

/// Measures a model on a data set.
pub fn eval(options: &EvalOptions) -> Result<ExitCode> {
    let file = options.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
    let (experiment, sources) = options.experiment(file)?;
    let missing =
        |key, message: &str| brewer::Error::from(ExperimentError::Combination { key, message: message.to_owned() });
    let folder = match (&options.model, &experiment, &options.task) {
        (Some(folder), ..) => folder.clone(),
        (None, Some(experiment), task) => {
            let student = experiment.training.output_dir.join("student");
            match (experiment.student.heads, task) {
                (HeadsSpec::ByTask, Some(task)) => student.join(task),
                _ => student,
            }
        }
        (None, None, _) => {
            return Err(missing("--model", "missing; name a model's folder, or an experiment with --config").into());
        }
    };
    let task = match &experiment {
        Some(experiment) => options.task_in(experiment, &folder)?,
        None if options.task.is_some() => {
            return Err(missing("--task", "is for an experiment, and there is none; name one with --config").into());
        }
        None => None,
    };
    let config = match &experiment {
        Some(experiment) => {
            task.and_then(|task| experiment.tasks.get(task)).map_or(&experiment.data, |task| &task.data).clone()
        }
        None => data_from(&options.overrides).map_err(brewer::Error::from)?,
    };
    let data = match &options.data {
        Some(file) => file.clone(),
        None => options.split_in(&config)?.to_owned(),
    };
    let name = options.device.as_deref().or(experiment.as_ref().map(|experiment| device_of(experiment, &folder)));
    let device = device(name.unwrap_or("auto")).map_err(brewer::Error::from)?;

    let model = model::load(&folder, &LoadOptions::frozen(device))?.model;
    let mut preparation = match &experiment {
        Some(experiment) => {
            let mut plugins = Plugins::new(plugin::engine()?, sources.clone(), experiment.training.seed, log::sink());
            preparation(experiment, task, &folder, model.as_ref(), &mut plugins)?
        }
        None => Preparation::none(),
    };
    let (tokenizer, spec) = (tokenizer_in(&folder), preparation.spec_of_data(model.spec()));
    let dataset = Dataset::read(&data, &config, &spec, tokenizer.as_deref(), &Reading::new().on_read());
    let dataset = dataset.map_err(|error| brewer::Error::from(error.with_model(&folder)))?;
    Dataset::check_columns(&config, &[&dataset]).map_err(brewer::Error::from)?;
    let loader = Loader::new(Arc::new(dataset), config.eval_batch_size(), Order::ByLength);
    sources.write_lock()?;
    let evaluation = evaluate(model.as_ref(), &loader, &mut preparation, &AtomicBool::new(false))?;

    if options.json {
        output::json(&json::eval(&folder, &data, model.as_ref(), &evaluation))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![
        vec!["model".into(), shown(&folder)],
        vec!["parameters".into(), magnitude(model.parameters().num_elements())],
        vec!["data".into(), format!("{}, {}", shown(&data), counted(evaluation.num_examples, "example"))],
    ];
    rows.extend(evaluation.metrics.iter().map(|(name, value)| vec![name.clone(), format!("{value:.4}")]));
    rows.push(vec!["speed".into(), format!("{:.0} examples/s", evaluation.examples_per_second())]);
    output::result(&laid_out(&rows, output::result_width()).concat().join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

impl EvalOptions {
    /// The file of the split that is meant.
    fn split_in<'d>(&self, config: &'d DataConfig) -> Result<&'d Path> {
        let splits: Vec<(&str, &Path)> = config.splits().collect();
        let name = self.split.as_deref().unwrap_or("dev");
        if let Some((_, path)) = splits.iter().find(|(split, _)| *split == name) {
            return Ok(path);
        }
        let known = splits.iter().map(|(split, _)| *split).collect::<Vec<_>>().join(", ");
        let (key, message) = match (&self.split, splits.as_slice()) {
            (None, [(_, path)]) => return Ok(path),
            (None, []) => {
                ("--data", "missing; name a data set, or an experiment with data.dev or data.eval".to_owned())
            }
            (None, _) => ("--split", format!("missing; the experiment has several, so name one: {known}")),
            (Some(name), []) => ("--split", format!("there is no split `{name}`: nothing is in data.eval")),
            (Some(name), _) => ("--split", format!("there is no split `{name}`; there are {known}")),
        };
        Err(brewer::Error::from(ExperimentError::Combination { key, message }).into())
    }

    /// The task that is meant, of an experiment with several.
    fn task_in<'e>(&self, experiment: &'e Experiment, folder: &Path) -> Result<Option<&'e str>> {
        let wrong = |message: String| brewer::Error::from(ExperimentError::Combination { key: "--task", message });
        let known = || experiment.tasks.keys().cloned().collect::<Vec<_>>().join(", ");
        match &self.task {
            Some(_) if experiment.tasks.is_empty() => {
                Err(wrong("is for an experiment with `tasks`, which this one does not have; remove it".to_owned())
                    .into())
            }
            Some(name) => match experiment.tasks.get_key_value(name) {
                Some((name, _)) => Ok(Some(name)),
                None => Err(wrong(format!("there is no task `{name}`; the experiment has {}", known())).into()),
            },
            None => match task_of(experiment, folder) {
                Some((name, _)) => Ok(Some(name)),
                None if experiment.tasks.is_empty() => Ok(None),
                None => Err(wrong(format!("missing; the experiment has several, so name one: {}", known())).into()),
            },
        }
    }

    /// The experiment, if one is named or lies in the current folder, and where its plugins come from.
    fn experiment(&self, file: &Path) -> Result<(Option<Experiment>, Rc<Sources>)> {
        let path = Some(file).filter(|path| self.config.is_some() || path.exists());
        let mut experiment = path.map(|path| Experiment::read(path, &self.overrides)).transpose()?;
        let trust = experiment.as_ref().and_then(|experiment| experiment.trust.clone());
        let sources = self.sources.sources(file, trust);
        match &mut experiment {
            Some(experiment) => self.plugins.apply(experiment, &sources)?,
            None if self.plugins.is_empty() => {}
            None => {
                let message = "is for an experiment, and there is none; name one with --config".to_owned();
                return Err(brewer::Error::from(ExperimentError::Combination { key: "--plugin", message }).into());
            }
        }
        Ok((experiment, sources))
    }
}
