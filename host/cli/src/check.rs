use std::process::ExitCode;

use anyhow::Result;
use brewer::assemble::assemble;
use brewer_plugin_host::Plugins;

use crate::header;
use crate::log;
use crate::options::ExperimentOptions;
use crate::reading::Reading;

/// Runs one batch through everything and trains nothing.
pub fn check(options: &ExperimentOptions) -> Result<ExitCode> {
    let experiment = options.experiment()?;
    let mut plugins = Plugins::new(experiment.training.seed, log::sink(None)).map_err(brewer::Error::from)?;
    let mut assembled = assemble(&experiment, &mut plugins, &Reading::new().on_read())?;
    assembled.session.check_settings(&assembled.settings)?;
    let checked = assembled.session.check()?;
    header::print("check", &experiment, &assembled, &checked.terms, &assembled.timetable()?);
    for line in header::feature_lines(&checked) {
        println!("{line}");
    }
    println!("ok: the first batch went through everything, and every shape is right");
    Ok(ExitCode::SUCCESS)
}
