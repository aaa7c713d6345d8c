use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use brewer::assemble::assemble;
use brewer::experiment::Experiment;
use brewer::train::{MetricsLog, Observer, Outcome, Resume, RunFolder, TokenizerFiles};
use brewer_plugin_host::Plugins;
use clap::Args;
use indicatif::HumanDuration;

use crate::exit::INTERRUPTED;
use crate::interrupt::interrupt_flag;
use crate::options::{ExperimentOptions, OutputDirOptions};
use crate::progress::Progress;
use crate::{header, json, log, output};

#[derive(Args)]
pub struct RunOptions {
    #[command(flatten)]
    experiment: ExperimentOptions,

    #[command(flatten)]
    output_dir: OutputDirOptions,

    /// Resume the run in the output folder from its last checkpoint
    #[arg(long)]
    resume: bool,

    /// Print the result as one line of JSON
    ///
    /// Keys: command, outcome (finished, stopped or interrupted), global_step, epoch, output_dir, student, examples,
    /// seconds, examples_per_second, and the losses of the last step and the metrics of the last checkpoint under their
    /// names in metrics.jsonl.
    #[arg(long)]
    json: bool,
}

/// Trains the student of an experiment.
pub fn run(options: &RunOptions) -> Result<ExitCode> {
    let mut experiment = options.experiment.experiment()?;
    options.output_dir.apply(&mut experiment)?;
    let resume = options.resume.then(|| Resume::find(&experiment)).transpose()?;
    let experiment = match &resume {
        Some(resume) => resume.experiment(&experiment),
        None => experiment,
    };
    let mut progress = Progress::new();
    let mut plugins = Plugins::new(experiment.training.seed, log::sink()).map_err(brewer::Error::from)?;
    let mut assembled = assemble(&experiment, &mut plugins)?;
    assembled.session.check_settings(&assembled.settings)?;
    let checked = assembled.session.check()?;
    assembled.session.open_caches()?;
    header::print("run", &experiment, &assembled, &checked.terms, &assembled.timetable()?);

    let tokenizer = TokenizerFiles::read(&assembled.tokenizer_folder)?;
    let (folder, mut metrics) = match &resume {
        Some(resume) => {
            output::note(&format!("  resumes after step {}", resume.state.global_step));
            let folder = RunFolder::open(&experiment.training.output_dir, tokenizer);
            let metrics = MetricsLog::resume(&folder.metrics(), &resume.state)?;
            (folder, metrics)
        }
        None => begin(&experiment, tokenizer)?,
    };
    let interrupt = interrupt_flag()?;

    let begun = Instant::now();
    let session = &mut assembled.session;
    let start = resume.map(|resume| resume.state).unwrap_or_default();
    let mut clock = plugins.clock();
    // Weights are computed once more for the last step done.
    clock.set(start.step.saturating_sub(1));
    let observers: &mut [&mut dyn Observer] = &mut [&mut metrics, &mut progress, &mut clock];
    let outcome = session.train(&assembled.settings, &start, &folder, observers, &interrupt);
    progress.finish();
    let outcome = outcome?;
    let elapsed = begun.elapsed();
    let result = |student: Option<&Path>| {
        json::run(&experiment, outcome, start.global_step, student, &progress, elapsed.as_secs_f64())
    };
    match outcome {
        Outcome::Interrupted { global_step } => {
            output::ending(&format!(
                "interrupted after step {global_step}; checkpoints are in {}, and `brewer-host run --resume` resumes",
                header::shown(folder.path())
            ));
            if options.json {
                output::or_note(output::json(&result(None)));
            }
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Outcome::Stopped { global_step } => {
            output::note(&format!("  stopped by a callback after step {global_step}"));
        }
        Outcome::Finished => {}
    }
    folder.save_student(session.student.as_ref())?;
    let printed = if options.json {
        output::json(&result(Some(&folder.student())))
    } else {
        output::result(&format!(
            "student in {}, trained in {} at {:.0} examples/s",
            header::shown(&folder.student()),
            HumanDuration(Duration::from_secs(elapsed.as_secs())),
            progress.examples_per_second()
        ))
    };
    // The student is saved, whoever reads this.
    output::or_note(printed);
    Ok(ExitCode::SUCCESS)
}

/// Makes the folder of a new run.
fn begin(experiment: &Experiment, tokenizer: TokenizerFiles) -> Result<(RunFolder, MetricsLog)> {
    let (folder, earlier) = RunFolder::create(&experiment.training.output_dir, tokenizer)?;
    if let Some(earlier) = earlier {
        output::note(&format!("  the results of an earlier run are kept in {}", header::shown(&earlier)));
    }
    folder.save_experiment(&experiment.to_json())?;
    let metrics = MetricsLog::create(&folder.metrics())?;
    Ok((folder, metrics))
}
