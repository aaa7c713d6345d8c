use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use brewer_plugin_host::bench::{Bench, Outcome};
use clap::Args;
use console::style;
use indicatif::HumanBytes;

use crate::log;

#[derive(Args)]
pub struct TestOptions {
    /// The component
    plugin: PathBuf,

    /// What to run [default: the plugin's name with .test.json in place of .wasm]
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
}

/// Runs every case; the exit code is 1 if one of them is not as expected.
pub fn test(options: &TestOptions) -> Result<ExitCode> {
    let cases = options.cases.clone().unwrap_or_else(|| options.plugin.with_extension("test.json"));
    let bench =
        Bench::read(&super::engine()?, &options.plugin, &cases, log::sink(None)).map_err(brewer::Error::from)?;
    let mut failed = 0;
    for case in bench.cases() {
        let outcome = bench.run(case);
        let mark = if outcome.differences.is_empty() { style("ok  ").green() } else { style("FAIL").red() };
        println!("{mark} {}", style(&outcome.name).bold());
        print(&outcome);
        failed += usize::from(!outcome.differences.is_empty());
    }
    let total = bench.cases().len();
    println!("\n{} of {total} as expected", total - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(outcome: &Outcome) {
    for (key, found) in &outcome.returned {
        println!("       {key:<12} {found}");
    }
    if let Some(cost) = &outcome.cost {
        let bytes =
            [("tensors", cost.tensor_bytes), ("elements read and written", cost.value_bytes), ("log", cost.log_bytes)];
        let bytes = bytes.into_iter().filter(|(_, bytes)| *bytes > 0);
        let bytes: String = bytes.map(|(what, bytes)| format!(", {} of {what}", HumanBytes(bytes))).collect();
        println!("       {:<12} {:.1?}, {} requests to the host{bytes}", "a call", cost.time, cost.operations);
    }
    for difference in &outcome.differences {
        println!("       {}", style(difference).red());
    }
}
