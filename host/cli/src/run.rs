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
use crate::header;
use crate::interrupt::interrupt_flag;
use crate::log;
use crate::options::ExperimentOptions;
use crate::plugin;
use crate::progress::Progress;

#[derive(Args)]
pub struct RunOptions {
    #[command(flatten)]
    experiment: ExperimentOptions,

    /// Go on with the run in the experiment's output_dir from its last checkpoint
    #[arg(long)]
    resume: bool,
}

/// Trains the student of an experiment.
pub fn run(options: &RunOptions) -> Result<ExitCode> {
    let mut experiment = options.experiment.experiment()?;
    let mut progress = Progress::new();
    let mut plugins = Plugins::new(plugin::engine()?, experiment.training.seed, log::sink(Some(progress.bar())));
    plugins.pin(&mut experiment).map_err(brewer::Error::from)?;
    let resume = options.resume.then(|| Resume::find(&experiment)).transpose()?;
    let experiment = match &resume {
        Some(resume) => resume.experiment(&experiment),
        None => experiment,
    };
    let mut assembled = assemble(&experiment, &mut plugins)?;
    assembled.session.check_settings(&assembled.settings)?;
    assembled.session.check_callbacks()?;
    let checked = assembled.session.check()?;
    assembled.session.open_caches()?;
    header::print("run", &experiment, &assembled, &checked.terms, &assembled.timetable()?);
    header::print_notes(&plugins.permission_notes());

    let tokenizer = TokenizerFiles::read(&assembled.tokenizer_folder)?;
    let (folder, mut metrics) = match &resume {
        Some(resume) => {
            eprintln!("  goes on after step {} of the optimizer", resume.state.global_step);
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
    let elapsed = HumanDuration(Duration::from_secs(begun.elapsed().as_secs()));
    match outcome? {
        Outcome::Interrupted { global_step } => {
            eprintln!(
                "interrupted after step {global_step}; checkpoints are in {}, and `brewer-host run --resume` goes on",
                header::shown(folder.path())
            );
            return Ok(ExitCode::from(INTERRUPTED));
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

/// Makes the folder of a new run.
fn begin(experiment: &Experiment, tokenizer: TokenizerFiles) -> Result<(RunFolder, MetricsLog)> {
    let (folder, earlier) = RunFolder::create(&experiment.training.output_dir, tokenizer)?;
    if let Some(earlier) = earlier {
        eprintln!("  the results of an earlier run are kept in {}", header::shown(&earlier));
    }
    folder.save_experiment(&experiment.to_json())?;
    let metrics = MetricsLog::create(&folder.metrics())?;
    Ok((folder, metrics))
}
