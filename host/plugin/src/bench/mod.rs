//! A test bench for the authors of plugins: runs roles on batches that are made up, without models and without training.

mod expect;
mod gradient;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use brewer::experiment::{KeyError, from_json};

pub use crate::trial::{Case, Cases, Cost};
use crate::{
    Engine, Error, LogSink, Plugin, PluginOptions, Result,
    trial::{Made, Meter},
};

/// A plugin and what it is to be run on.
pub struct Bench {
    plugin: Plugin,
    cases: Vec<Case>,
    meter: Meter,
}

/// What became of a case.
#[derive(Debug)]
pub struct Outcome {
    /// The name of the case.
    pub name: String,
    /// What came back: a key, and kinds and shapes or a number.
    pub returned: Vec<(String, String)>,
    /// What one call took; `None` if it failed.
    pub cost: Option<Cost>,
    /// What is not as expected, line by line; empty if all is.
    pub differences: Vec<String>,
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

    /// The cases of the file, in its order.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Runs a case in an instance of its own.
    pub fn run(&self, case: &Case) -> Outcome {
        let name = case.name.clone();
        // The tensors are the same whatever ran before.
        tch::manual_seed(self.plugin.settings.seed as i64);
        match case.role.run_case(&self.plugin, case, &self.meter) {
            Ok(Made { returned, cost, gradients, forgotten }) => {
                let mut differences = expect::differences(case, Ok(&returned));
                differences.extend(forgotten.map(|problem| format!("state: {problem}")));
                let mut returned: Vec<_> = returned.into_iter().map(|value| (value.key, value.text)).collect();
                if let Some(gradients) = gradients {
                    differences.extend(gradient::differences(case.gradient.as_deref(), &gradients));
                    returned.push(("gradient".to_owned(), gradient::shown(&gradients)));
                } else if case.gradient.is_some() {
                    differences.push("gradient: expected one, and only losses have one".to_owned());
                }
                Outcome { name, returned, cost: Some(cost), differences }
            }
            Err(message) => {
                let differences = expect::differences(case, Err(&message));
                let returned = vec![("error".to_owned(), message)];
                Outcome { name, returned, cost: None, differences }
            }
        }
    }
}
