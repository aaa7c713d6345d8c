use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, anyhow};
use brewer::assemble::assemble;
use brewer::experiment::Experiment;
use brewer::train::{Best, MetricsLog, Observer, Outcome, Resume, RunFolder, RunRecord, TokenizerFiles, TrainError};
use brewer_plugin_host::Plugins;
use brewer_registry::signature::sign_statement;
use clap::{Args, ValueEnum};
use indicatif::HumanDuration;

use crate::bundle::BundleRunOptions;
use crate::interrupt;
use crate::options::{ExperimentOptions, OutputDirOptions};
use crate::progress::Progress;
use crate::provenance::Provenance;
use crate::reading::Reading;
use crate::{card, header, json, log, output, plugin};

#[derive(Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub experiment: ExperimentOptions,

    #[command(flatten)]
    output_dir: OutputDirOptions,

    #[command(flatten)]
    bundle: BundleRunOptions,

    /// Sign provenance.json with this private key, as `plugin sign` does
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,

    /// Resume the run in the output folder from its last whole checkpoint. Where it has none, the run starts from the
    /// beginning, or is refused with `must`
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "possible")]
    resume: Option<ResumeWhen>,

    /// Print the result as one line of JSON
    ///
    /// Keys: command, outcome (finished, stopped or interrupted), global_step, epoch, output_dir, student, examples,
    /// seconds, examples_per_second, best (null, or metric, value and global_step of the best checkpoint), and the losses of
    /// the last step, the metrics of the last evaluation and the numbers of the last checkpoint under their names in
    /// metrics.jsonl.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ResumeWhen {
    Possible,
    Must,
}

/// Trains the student of an experiment.
pub fn run(options: &RunOptions) -> Result<ExitCode> {
    let started = SystemTime::now();
    // A wrong password is found before anything is computed.
    let key = options.sign.as_deref().map(plugin::open_key).transpose()?;
    let (mut given, sources) = match options.bundle.experiment(&options.experiment)? {
        Some(found) => found,
        None => options.experiment.experiment()?,
    };
    options.output_dir.apply(&mut given)?;
    let mut folder = RunFolder::open(&given.training.output_dir)?;
    let mut plugins = Plugins::new(plugin::engine()?, sources.clone(), given.training.seed, log::sink());
    plugins.pin(&mut given)?;
    let resume = options.resume.map(|when| find(&folder, &given, when)).transpose()?.flatten();
    let experiment = match &resume {
        Some(resume) => resume.experiment(&given),
        None => given.clone(),
    };
    let mut progress = Progress::new();
    let mut assembled = assemble(&experiment, &mut plugins, &Reading::new().on_read())?;
    assembled.session.check_settings(&assembled.settings)?;
    assembled.session.check_callbacks()?;
    let checked = assembled.session.check()?;
    let interrupt = interrupt::finish_first();
    assembled.session.open_caches()?;
    header::print("run", &experiment, &assembled, &checked.terms, &assembled.timetable()?);
    header::print_notes(&plugins.permission_notes());

    folder.keep_tokenizer(TokenizerFiles::read(&assembled.tokenizer_folder)?);
    if let Some(error) = folder.unlocked() {
        let place = header::shown(folder.path());
        output::warning(&format!("{place} cannot be locked ({error}); see to it that no other run writes there"));
    }
    let record = RunRecord::of(&given)?;
    sources.write_lock()?;
    let mut metrics = match &resume {
        Some(resume) => continue_run(&folder, &given, resume)?,
        None => {
            if options.resume.is_some() {
                output::note("  there is no checkpoint to resume from, so the run starts from the beginning");
            }
            begin(&folder, &given, &record)?
        }
    };
    sources.copy_lock(folder.path())?;

    let begun = Instant::now();
    let session = &mut assembled.session;
    let start = resume.map(|resume| resume.state).unwrap_or_default();
    let started_at = start.global_step;
    let observers: &mut [&mut dyn Observer] = &mut [&mut metrics, &mut progress];
    let end = session.train(&assembled.settings, start, &folder, observers, interrupt);
    progress.finish();
    session.repeats().iter().for_each(|repeats| output::warning(repeats));
    let end = end?;
    let elapsed = begun.elapsed();
    let result =
        |student: Option<&Path>| json::run(&experiment, &end, started_at, student, &progress, elapsed.as_secs_f64());
    match end.outcome {
        Outcome::Interrupted => {
            let (signal, code) = interrupt::received();
            output::ending(&format!(
                "interrupted by {signal} after step {}; {} is saved. To resume:\n  {}",
                end.global_step,
                header::shown(&folder.checkpoint(end.global_step)),
                interrupt::command(true)
            ));
            if options.json {
                output::or_note(output::json(&result(None)));
            }
            return Ok(code);
        }
        Outcome::Stopped => output::note(&format!("  stopped by a callback after step {}", end.global_step)),
        Outcome::Finished => {}
    }
    if let (Some(spec), None) = (&given.evaluation.best, &end.best) {
        let metric = spec.metric();
        output::warning(&format!("no evaluation had a value of {metric}, so the student is that of the last step"));
    }
    let best = end.best.as_ref().map(|best| best.global_step);
    let description = card::describe(&given, &session.student, &folder.metrics(), best.unwrap_or(end.global_step))?;
    folder.save_student(&session.student, best, &description)?;
    let overrides = &options.experiment.overrides;
    let provenance = Provenance { experiment: &given, overrides, record: &record, sources: &sources, started };
    let statement = provenance.statement(&folder)?;
    let signed = key.map(|key| sign_statement(&statement, &key)).transpose().map_err(|problem| anyhow!(problem))?;
    folder.save_provenance(&statement, signed.as_deref())?;
    let printed = if options.json {
        output::json(&result(Some(&folder.student())))
    } else {
        let which = end.best.as_ref().map(described).unwrap_or_default();
        output::result(&format!(
            "student in {}{which}, trained in {} at {:.0} examples/s",
            header::shown(&folder.student()),
            HumanDuration(Duration::from_secs(elapsed.as_secs())),
            progress.examples_per_second()
        ))
    };
    // The student is saved, whoever reads this.
    output::or_note(printed);
    Ok(ExitCode::SUCCESS)
}

/// `, the best by dev_accuracy (0.9130 after step 12)`.
fn described(Best { metric, value, global_step }: &Best) -> String {
    format!(", the best by {metric} ({value:.4} after step {global_step})")
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
        output::note(&format!("  the results of an earlier run are kept in {}{stays}", header::shown(&earlier)));
    }
    Ok(MetricsLog::create(&folder.metrics())?)
}

/// Makes the folder of an interrupted run ready for the rest of it.
fn continue_run(folder: &RunFolder, experiment: &Experiment, resume: &Resume) -> Result<MetricsLog> {
    resume.notes.iter().for_each(|note| output::warning(note));
    let (metrics, notes) = MetricsLog::resume(&folder.metrics(), resume)?;
    notes.iter().for_each(|note| output::warning(note));
    folder.save_experiment(experiment)?;
    output::note(&format!("  resumes after step {} of the optimizer", resume.state.global_step));
    Ok(metrics)
}
