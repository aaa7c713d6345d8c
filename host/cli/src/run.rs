use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use brewer::assemble::assemble;
use brewer::experiment::Experiment;
use brewer::train::{MetricsLog, Observer, Outcome, Resume, RunFolder, RunRecord, TokenizerFiles, TrainError};
use brewer_plugin_host::Plugins;
use clap::{Args, ValueEnum};
use console::style;
use indicatif::HumanDuration;

use crate::header;
use crate::interrupt;
use crate::log;
use crate::options::ExperimentOptions;
use crate::progress::Progress;
use crate::reading::Reading;

#[derive(Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub experiment: ExperimentOptions,

    /// Resume the run in the experiment's output_dir from its last whole checkpoint. Where it has none, the run starts
    /// from the beginning, or is refused with `must`
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "possible")]
    resume: Option<ResumeWhen>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ResumeWhen {
    Possible,
    Must,
}

/// Trains the student of an experiment.
pub fn run(options: &RunOptions) -> Result<ExitCode> {
    let experiment = options.experiment.experiment()?;
    let mut folder = RunFolder::open(&experiment.training.output_dir)?;
    let resume = options.resume.map(|when| find(&folder, &experiment, when)).transpose()?.flatten();
    let given = &experiment;
    let experiment = match &resume {
        Some(resume) => resume.experiment(given),
        None => given.clone(),
    };
    let mut progress = Progress::new();
    let mut plugins =
        Plugins::new(experiment.training.seed, log::sink(Some(progress.bar()))).map_err(brewer::Error::from)?;
    let mut assembled = assemble(&experiment, &mut plugins, &Reading::new().on_read())?;
    assembled.session.check_settings(&assembled.settings)?;
    let checked = assembled.session.check()?;
    let interrupt = interrupt::finish_first();
    assembled.session.open_caches()?;
    header::print("run", &experiment, &assembled, &checked.terms, &assembled.timetable()?);

    folder.keep_tokenizer(TokenizerFiles::read(&assembled.tokenizer_folder)?);
    if let Some(error) = folder.unlocked() {
        let place = header::shown(folder.path());
        warn(&format!("{place} cannot be locked ({error}); see to it that no other run writes there"));
    }
    let mut metrics = match &resume {
        Some(resume) => continue_run(&folder, given, resume)?,
        None => {
            if options.resume.is_some() {
                eprintln!("  there is no checkpoint to resume from, so the run starts from the beginning");
            }
            begin(&folder, given, &RunRecord::of(given, assembled.session.device)?)?
        }
    };

    let begun = Instant::now();
    let session = &mut assembled.session;
    let start = resume.map(|resume| resume.state).unwrap_or_default();
    let mut clock = plugins.clock();
    // Weights are computed once more for the last step done.
    clock.set(start.step.saturating_sub(1));
    let observers: &mut [&mut dyn Observer] = &mut [&mut metrics, &mut progress, &mut clock];
    let outcome = session.train(&assembled.settings, &start, &folder, observers, interrupt);
    progress.finish();
    let elapsed = HumanDuration(Duration::from_secs(begun.elapsed().as_secs()));
    match outcome? {
        Outcome::Interrupted { global_step } => {
            let (signal, code) = interrupt::received();
            eprintln!(
                "interrupted by {signal} after step {global_step}; {} is saved. To resume:\n  {}",
                header::shown(&folder.checkpoint(global_step)),
                interrupt::command(true)
            );
            return Ok(code);
        }
        Outcome::Stopped { global_step } => eprintln!("  stopped by a callback after step {global_step}"),
        Outcome::Finished => {}
    }
    folder.save_student(session.student.as_ref())?;
    println!(
        "student in {}, trained in {elapsed} at {:.0} examples/s",
        header::shown(&folder.student()),
        progress.examples_per_second()
    );
    Ok(ExitCode::SUCCESS)
}

/// The checkpoint that a run is resumed from, if there is one or there must be one.
fn find(folder: &RunFolder, experiment: &Experiment, when: ResumeWhen) -> brewer::Result<Option<Resume>> {
    let resume = Resume::find(folder, experiment)?;
    if resume.is_none() && when == ResumeWhen::Must {
        let problem = "it has no checkpoint; `--resume` without `=must` starts it from the beginning".to_owned();
        return Err(TrainError::Resume { path: folder.path().to_owned(), problem }.into());
    }
    Ok(resume)
}

/// Begins a new run in its folder.
fn begin(folder: &RunFolder, experiment: &Experiment, record: &RunRecord) -> Result<MetricsLog> {
    if let Some(earlier) = folder.begin(experiment, record)? {
        let stays = if folder.student().exists() { ", its student in its place until this run has one" } else { "" };
        eprintln!("  the results of an earlier run are kept in {}{stays}", header::shown(&earlier));
    }
    Ok(MetricsLog::create(&folder.metrics())?)
}

/// Makes the folder of an interrupted run ready for the rest of it.
fn continue_run(folder: &RunFolder, experiment: &Experiment, resume: &Resume) -> Result<MetricsLog> {
    resume.notes.iter().for_each(|note| warn(note));
    let (metrics, notes) = MetricsLog::resume(&folder.metrics(), resume)?;
    notes.iter().for_each(|note| warn(note));
    folder.save_experiment(experiment)?;
    eprintln!("  resumes after step {} of the optimizer", resume.state.global_step);
    Ok(metrics)
}

fn warn(text: &str) {
    eprintln!("{} {text}", style("warning:").yellow().bold().for_stderr());
}
