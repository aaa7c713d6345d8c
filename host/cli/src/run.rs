use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use brewer::assemble::assemble;
use brewer::train::{MetricsLog, Observer, Outcome, RunFolder, TokenizerFiles};
use brewer_plugin_host::Plugins;
use indicatif::HumanDuration;

use crate::exit::INTERRUPTED;
use crate::header;
use crate::interrupt::interrupt_flag;
use crate::log;
use crate::options::ExperimentOptions;
use crate::progress::Progress;

/// Trains the student of an experiment.
pub fn run(options: &ExperimentOptions) -> Result<ExitCode> {
    let experiment = options.experiment()?;
    let mut progress = Progress::new();
    let mut plugins =
        Plugins::new(experiment.training.seed, log::sink(Some(progress.bar()))).map_err(brewer::Error::from)?;
    let mut assembled = assemble(&experiment, &mut plugins)?;
    assembled.session.check_settings(&assembled.settings)?;
    let checked = assembled.session.check()?;
    assembled.session.open_caches()?;
    header::print("run", &experiment, &assembled, &checked.terms, &assembled.timetable()?);

    let tokenizer = TokenizerFiles::read(&assembled.tokenizer_folder)?;
    let (folder, earlier) = RunFolder::create(&experiment.training.output_dir, tokenizer)?;
    if let Some(earlier) = earlier {
        eprintln!("  the results of an earlier run are kept in {}", header::shown(&earlier));
    }
    folder.save_experiment(&experiment.to_json())?;
    let mut metrics = MetricsLog::create(&folder.metrics())?;
    let interrupt = interrupt_flag()?;

    let start = Instant::now();
    let session = &mut assembled.session;
    let observers: &mut [&mut dyn Observer] = &mut [&mut metrics, &mut progress];
    let outcome = session.train(&assembled.settings, &folder, observers, &interrupt);
    progress.finish();
    let elapsed = HumanDuration(Duration::from_secs(start.elapsed().as_secs()));
    match outcome? {
        Outcome::Interrupted { global_step } => {
            eprintln!("interrupted after step {global_step}; checkpoints are in {}", header::shown(folder.path()));
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
