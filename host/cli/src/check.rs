use std::process::ExitCode;

use anyhow::Result;
use brewer::assemble::assemble;
use brewer::train::check_output_folder;
use brewer_plugin_host::Plugins;
use clap::Args;

use crate::options::{ExperimentOptions, OutputDirOptions};
use crate::reading::Reading;
use crate::{header, json, log, output, plugin};

#[derive(Args)]
pub struct CheckOptions {
    #[command(flatten)]
    pub experiment: ExperimentOptions,

    #[command(flatten)]
    output_dir: OutputDirOptions,

    /// Print what was found as one line of JSON
    ///
    /// Keys: command, distiller, device, models, data, features (by model), losses (the summands of the loss),
    /// optimizer_steps, epochs, batches_per_epoch, checkpoints, metrics (what evaluations will report), output_dir, and
    /// the losses of the first batch under their names in metrics.jsonl.
    #[arg(long)]
    json: bool,
}

/// Runs one batch through everything and trains nothing.
pub fn check(options: &CheckOptions) -> Result<ExitCode> {
    let (mut experiment, sources) = options.experiment.experiment()?;
    options.output_dir.apply(&mut experiment)?;
    let mut plugins = Plugins::new(plugin::engine()?, sources.clone(), experiment.training.seed, log::sink());
    let mut assembled = assemble(&experiment, &mut plugins, &Reading::new().on_read())?;
    assembled.session.check_settings(&assembled.settings)?;
    let checked = assembled.session.check()?;
    assembled.session.rehearse()?;
    let timetable = assembled.timetable()?;
    check_output_folder(&experiment.training.output_dir, assembled.output_bytes()?)?;
    sources.write_lock()?;
    header::print("check", &experiment, &assembled, &checked.terms, &timetable);
    header::print_notes(&plugins.permission_notes());
    if options.json {
        output::json(&json::check(&experiment, &assembled, &checked, &timetable))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !output::is_quiet() {
        for line in header::feature_lines(&checked) {
            output::result(&line)?;
        }
    }
    output::result(
        "ok: the first batch passed through everything, every shape is right, and the output can be written",
    )?;
    Ok(ExitCode::SUCCESS)
}
