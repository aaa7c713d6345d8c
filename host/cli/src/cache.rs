use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;
use brewer::assemble::assemble;
use brewer::cache::TeacherCache;
use brewer::experiment::ExperimentError;
use brewer::train::Filled;
use brewer_plugin_host::Plugins;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::INTERRUPTED;
use crate::header;
use crate::interrupt::interrupt_flag;
use crate::log;
use crate::options::ExperimentOptions;
use crate::plugin;

/// Runs the teachers on all examples that their caches lack.
pub fn cache(options: &ExperimentOptions) -> Result<ExitCode> {
    let experiment = options.experiment()?;
    if experiment.teachers().all(|teacher| teacher.cache.is_none()) {
        let message = r#"missing; name a folder with "cache": { "path": … }"#.to_owned();
        return Err(brewer::Error::from(ExperimentError::Combination { key: "teacher.cache", message }).into());
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let mut plugins = Plugins::new(plugin::engine()?, experiment.training.seed, log::sink(Some(bar.clone())));
    let mut assembled = assemble(&experiment, &mut plugins)?;
    let checked = assembled.session.check()?;
    assembled.session.open_caches()?;
    header::print("cache", &experiment, &assembled, &checked.terms, &assembled.timetable()?);

    let template = "  {prefix} {bar:24.cyan/black.bright} {percent:>3} %  {per_sec}  {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("━╸━"));
    let interrupt = interrupt_flag()?;
    let start = Instant::now();
    let mut before = None;
    let mut made = 0;
    let filled = assembled.session.fill_caches(
        &mut |filled: &Filled| {
            bar.set_prefix(filled.teacher.clone());
            bar.set_length(filled.examples as u64);
            if let Some((teacher, done)) = before.replace((filled.teacher.clone(), filled.done))
                && teacher == filled.teacher
            {
                made += filled.done - done;
            } else {
                bar.reset_eta();
            }
            bar.set_position(filled.done as u64);
        },
        &interrupt,
    );
    bar.finish_and_clear();
    filled?;
    let rate = made as f64 / start.elapsed().as_secs_f64();
    for (teacher, cache) in assembled.session.tasks.iter().flat_map(|task| task.caches()) {
        println!("{teacher} in {}", described(cache));
    }
    match made {
        0 => println!("nothing was missing"),
        _ => println!("{made} examples made now, at {rate:.0} examples/s"),
    }
    if interrupt.load(Ordering::Relaxed) {
        eprintln!("interrupted; the same command goes on where this one stopped");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}

/// `cache, float32, 31.20 MiB, 40 % of the examples`.
pub fn described(cache: &TeacherCache) -> String {
    let place = cache.folder().map_or("memory".to_owned(), header::shown);
    let (missing, examples) = (cache.missing().len(), cache.num_examples());
    let there = match missing {
        0 => "all examples".to_owned(),
        missing => format!("{} % of the examples", 100 * (examples - missing) / examples),
    };
    format!("{place}, {}, {}, {there}", cache.dtype().name(), HumanBytes(cache.num_bytes() as u64))
}
