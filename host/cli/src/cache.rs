use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;
use brewer::assemble::assemble;
use brewer::cache::TeacherCache;
use brewer::experiment::ExperimentError;
use brewer::train::Filled;
use brewer_plugin_host::Plugins;
use clap::Args;
use indicatif::HumanBytes;

use crate::interrupt;
use crate::options::ExperimentOptions;
use crate::progress::{Figures, Gauge};
use crate::reading::Reading;
use crate::table::{counted, grouped};
use crate::{header, json, log, output, plugin};

#[derive(Args)]
pub struct CacheOptions {
    #[command(flatten)]
    pub experiment: ExperimentOptions,

    /// Print the result as one line of JSON
    ///
    /// Keys: command, outcome (finished or interrupted), caches (teacher, path, dtype, bytes, examples, missing and
    /// damaged of each), examples (computed now), seconds, examples_per_second.
    #[arg(long)]
    json: bool,
}

/// Runs the teachers on all examples that their caches lack.
pub fn cache(options: &CacheOptions) -> Result<ExitCode> {
    let (experiment, sources) = options.experiment.experiment()?;
    if experiment.teachers().all(|teacher| teacher.cache.is_none()) {
        let message = r#"missing; name a folder with "cache": { "path": … }"#.to_owned();
        return Err(brewer::Error::from(ExperimentError::Combination { key: "teacher.cache", message }).into());
    }
    let mut plugins = Plugins::new(plugin::engine()?, sources.clone(), experiment.training.seed, log::sink());
    let mut assembled = assemble(&experiment, &mut plugins, &Reading::new().on_read())?;
    let checked = assembled.session.check()?;
    sources.write_lock()?;
    let interrupt = interrupt::finish_first();
    assembled.session.open_caches()?;
    header::print("cache", &experiment, &assembled, &checked.terms, &assembled.timetable()?);

    let start = Instant::now();
    let mut course: Option<Course> = None;
    let mut made = 0;
    let filled = assembled.session.fill_caches(
        &mut |filled: &Filled| {
            if course.as_ref().is_none_or(|course| course.teacher != filled.teacher) {
                // The gauge of the teacher before leaves the screen first.
                course = None;
            }
            let course = course.get_or_insert_with(|| Course::start(filled));
            made += filled.done - course.done;
            course.advance(filled);
        },
        interrupt,
    );
    drop(course);
    filled?;
    let seconds = start.elapsed().as_secs_f64();
    let is_interrupted = interrupt.load(Ordering::Relaxed);
    let caches: Vec<_> = assembled.session.tasks.iter().flat_map(|task| task.caches()).collect();
    let printed = if options.json {
        output::json(&json::cache(&caches, made, seconds, is_interrupted))
    } else {
        output::result(&summary(&caches, made, seconds))
    };
    // The caches are filled, whoever reads this.
    output::or_note(printed);
    if is_interrupted {
        let (signal, code) = interrupt::received();
        output::ending(&format!(
            "interrupted by {signal}; what is computed is kept. To resume:\n  {}",
            interrupt::command(false)
        ));
        return Ok(code);
    }
    Ok(ExitCode::SUCCESS)
}

/// How far one teacher's cache is filled.
struct Course {
    teacher: String,
    done: usize,
    first: usize,
    start: Instant,
    gauge: Gauge,
}

impl Course {
    fn start(filled: &Filled) -> Self {
        let Filled { teacher, done, examples } = filled;
        let gauge = Gauge::start(*done, *examples);
        Self { teacher: teacher.clone(), done: *done, first: *done, start: Instant::now(), gauge }
    }

    fn advance(&mut self, filled: &Filled) {
        self.done = filled.done;
        let rate = (self.done - self.first) as f64 / self.start.elapsed().as_secs_f64();
        self.gauge.update(filled.done, || Figures {
            place: filled.teacher.clone(),
            count: format!("example {}/{}", grouped(filled.done), grouped(filled.examples)),
            rate: format!("{rate:.0} examples/s"),
            details: vec![],
        });
    }
}

fn summary(caches: &[(String, &TeacherCache)], made: usize, seconds: f64) -> String {
    let mut lines: Vec<String> =
        caches.iter().map(|(teacher, cache)| format!("{teacher} in {}", described(cache))).collect();
    let damaged: usize = caches.iter().map(|(_, cache)| cache.damaged()).sum();
    if damaged > 0 {
        lines.push(format!("{} found damaged", counted(damaged, "example")));
    }
    lines.push(match made {
        0 => "nothing was missing".to_owned(),
        _ => format!("{} computed now, at {:.0} examples/s", counted(made, "example"), made as f64 / seconds),
    });
    lines.join("\n")
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
