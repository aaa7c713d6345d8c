use std::process::ExitCode;

use anyhow::Result;
use brewer::assemble::assemble;
use brewer_plugin_host::Plugins;

use crate::header;
use crate::log;
use crate::options::ExperimentOptions;
use crate::plugin;

/// Runs one batch through everything and trains nothing.
pub fn check(options: &ExperimentOptions) -> Result<ExitCode> {
    let experiment = options.experiment()?;
    let mut plugins = Plugins::new(plugin::engine()?, experiment.training.seed, log::sink(None));
    let mut assembled = assemble(&experiment, &mut plugins)?;
    assembled.session.check_settings(&assembled.settings)?;
    let checked = assembled.session.check()?;
    assembled.session.rehearse_callbacks()?;
    header::print("check", &experiment, &assembled, &checked.terms, &assembled.timetable()?);
    header::print_notes(&plugins.permission_notes());
    for line in header::feature_lines(&checked) {
        println!("{line}");
    }
    println!("ok: the first batch went through everything, and every shape is right");
    Ok(ExitCode::SUCCESS)
}
