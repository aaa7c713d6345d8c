use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use brewer_plugin_host::bench::{Bench, Outcome};
use clap::Args;
use console::style;
use indicatif::HumanBytes;

use crate::table::counted;
use crate::{json, log, output};

#[derive(Args)]
pub struct TestOptions {
    /// The component
    plugin: PathBuf,

    /// What to run [default: the plugin's name with .test.json in place of .wasm]
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,

    /// Print the result as one line of JSON
    ///
    /// Keys: command, plugin, passed and failed (numbers of cases), cases (name, passed, returned, differences and cost
    /// of each).
    #[arg(long)]
    json: bool,
}

/// Runs every case; the exit code is 1 if one of them is not as expected.
pub fn test(options: &TestOptions) -> Result<ExitCode> {
    let cases = options.cases.clone().unwrap_or_else(|| options.plugin.with_extension("test.json"));
    let bench = Bench::read(&super::engine()?, &options.plugin, &cases, log::sink()).map_err(brewer::Error::from)?;
    let mut outcomes = vec![];
    for case in bench.cases() {
        let outcome = bench.run(case);
        if !options.json && !output::is_quiet() {
            output::result(&described(&outcome))?;
        }
        outcomes.push(outcome);
    }
    let passed = outcomes.iter().filter(|outcome| outcome.differences.is_empty()).count();
    if options.json {
        output::json(&json::test(&options.plugin, &outcomes))?;
    } else {
        output::result(&format!("\n{passed} of {} as expected", outcomes.len()))?;
    }
    Ok(if passed == outcomes.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn described(outcome: &Outcome) -> String {
    let mark = if outcome.differences.is_empty() { style("ok  ").green() } else { style("FAIL").red() };
    let mut lines = vec![format!("{mark} {}", style(&outcome.name).bold())];
    lines.extend(outcome.returned.iter().map(|(key, found)| format!("       {key:<12} {found}")));
    if let Some(cost) = &outcome.cost {
        let bytes = [
            ("tensors", cost.tensor_bytes),
            ("tensors for the gradient", cost.gradient_bytes),
            ("elements read and written", cost.value_bytes),
            ("log", cost.log_bytes),
        ];
        let bytes = bytes.into_iter().filter(|(_, bytes)| *bytes > 0);
        let bytes: String = bytes.map(|(what, bytes)| format!(", {} of {what}", HumanBytes(bytes))).collect();
        let requests = counted(cost.operations as usize, "request");
        lines.push(format!("       {:<12} {:.1?}, {requests} to the host{bytes}", "a call", cost.time));
    }
    lines.extend(outcome.differences.iter().map(|difference| format!("       {}", style(difference).red())));
    lines.join("\n")
}
