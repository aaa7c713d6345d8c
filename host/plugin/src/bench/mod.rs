//! A test bench for the authors of plugins: runs roles on batches that are made up, without models and without training.

mod cases;
mod checkpoint;
mod expect;
mod gradient;
mod roles;
mod tensors;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use brewer::experiment::{KeyError, from_json};

pub use cases::{Case, Cases};
use roles::Made;

use crate::{Engine, Error, LogSink, Plugin, PluginOptions, Result, limits::Usage};

/// How often a case is called to find out what a call costs.
const CALLS: u32 = 50;

/// A plugin and what it is to be run on.
pub struct Bench {
    plugin: Plugin,
    cases: Vec<Case>,
    meter: Meter,
}

/// What became of a case.
#[derive(Debug)]
pub struct Outcome {
    pub name: String,
    /// What came back: a key, and kinds and shapes or a number.
    pub returned: Vec<(String, String)>,
    /// What one call took; `None` if it failed.
    pub cost: Option<Cost>,
    /// What is not as expected, line by line; empty if all is.
    pub differences: Vec<String>,
}

/// What one call took.
#[derive(Debug)]
pub struct Cost {
    /// The median of some calls.
    pub time: Duration,
    /// Requests to the host.
    pub operations: u64,
    /// Of new tensors, temporary ones included.
    pub tensor_bytes: u64,
    /// Of tensors for the gradient, by estimate.
    pub gradient_bytes: u64,
    /// Of elements that were read and written.
    pub value_bytes: u64,
    pub log_bytes: u64,
}

impl Bench {
    /// Loads a plugin and the file that says what to run it on.
    ///
    /// Errors: [`Error::Load`] for the plugin, [`Error::Bench`] for the file.
    pub fn read(engine: &Engine, plugin: &Path, cases: &Path, log: LogSink) -> Result<Self> {
        let wrong = |problem: String| Error::Bench { path: cases.to_owned(), problem };
        let text = fs::read(cases).map_err(|error| {
            let reason = brewer::os_reason(&error);
            wrong(format!("cannot be read: {reason}; it says what to run the plugin on, name another with --cases"))
        })?;
        let value = serde_json::from_slice(&text).map_err(|error| wrong(format!("is not valid JSON: {error}")))?;
        let Cases { config, permissions, limits, seed, cases } =
            from_json(value).map_err(|KeyError { key, message }| {
                wrong(if key == "." { message } else { format!("{key}: {message}") })
            })?;
        let is_quiet = Arc::new(AtomicBool::new(false));
        let meter = Meter { is_quiet: Arc::clone(&is_quiet) };
        let log = LogSink::new(move |plugin, level, message| {
            if !is_quiet.load(Ordering::Relaxed) {
                log.write(plugin, level, message);
            }
        });
        let options = PluginOptions {
            sha256: None,
            config: Some(config).filter(|config| !config.is_null()),
            permissions: permissions.into_iter().collect(),
            limits,
            seed,
            log,
        };
        Ok(Self { plugin: Plugin::load(engine, plugin, options)?, cases, meter })
    }

    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Runs a case in an instance of its own.
    pub fn run(&self, case: &Case) -> Outcome {
        let name = case.name.clone();
        match roles::run(&self.plugin, case, &self.meter) {
            Ok(Made { returned, cost, gradients }) => {
                let mut differences = expect::differences(case, Ok(&returned));
                let mut returned: Vec<_> = returned.into_iter().map(|value| value.shown()).collect();
                if let Some(gradients) = gradients {
                    differences.extend(gradient::differences(case.gradient.as_deref(), &gradients));
                    returned.push(("gradient".to_owned(), gradient::shown(&gradients)));
                } else if case.gradient.is_some() {
                    differences.push("gradient: expected one, and only losses have one".to_owned());
                }
                Outcome { name, returned, cost, differences }
            }
            Err(message) => {
                let differences = expect::differences(case, Err(&message));
                let returned = vec![("error".to_owned(), message)];
                Outcome { name, returned, cost: None, differences }
            }
        }
    }
}

/// Finds out what a call costs.
struct Meter {
    /// Whether what the plugin logs is left out: the calls after the first say what it has said.
    is_quiet: Arc<AtomicBool>,
}

impl Meter {
    /// Makes a call some times; `call` returns what it used.
    fn measured<T>(&self, mut call: impl FnMut() -> brewer::Result<(T, Usage)>) -> brewer::Result<(T, Option<Cost>)> {
        let (first, usage) = call()?;
        self.is_quiet.store(true, Ordering::Relaxed);
        let times = Self::times(|| call().map(drop));
        self.is_quiet.store(false, Ordering::Relaxed);
        let mut times = times?;
        times.sort();
        let cost = Cost {
            time: times[times.len() / 2],
            operations: usage.operations,
            tensor_bytes: usage.call.bytes,
            gradient_bytes: usage.call.gradient_bytes,
            value_bytes: usage.value_bytes,
            log_bytes: usage.log_bytes,
        };
        Ok((first, Some(cost)))
    }

    fn times(mut call: impl FnMut() -> brewer::Result<()>) -> brewer::Result<Vec<Duration>> {
        let time = |_| {
            let start = Instant::now();
            call()?;
            Ok(start.elapsed())
        };
        (0..CALLS).map(time).collect()
    }
}
