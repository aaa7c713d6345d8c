//! `brewer-host`: distils the experiment in the current folder.

mod cache;
mod check;
mod eval;
mod exit;
mod header;
mod interrupt;
mod log;
mod options;
mod plugin;
mod progress;
mod reading;
mod run;
mod schema;
mod table;
mod threads;

use std::process::ExitCode;

use anyhow::Result;
use brewer::libtorch;
use clap::{Parser, Subcommand};
use threads::ThreadOptions;

#[derive(Parser)]
#[command(name = "brewer-host", version, about = "Distils a trained teacher model into a smaller student")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train the student of an experiment
    Run(run::RunOptions),
    /// Run one batch through everything, verify every shape, train nothing
    Check(options::ExperimentOptions),
    /// Keep what the teachers return for all examples, for runs to come
    Cache(options::ExperimentOptions),
    /// Measure a model on a data set
    Eval(eval::EvalOptions),
    /// Make, build, look at and test plugins
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Print the JSON Schema of the experiment file
    Schema,
}

fn main() -> ExitCode {
    exit::without_panics(|| {
        let command = Cli::parse().command;
        let ended = libtorch::guarded(|| brewer::Result::Ok(start(command)));
        ended.unwrap_or_else(|error| Err(error.into())).unwrap_or_else(|error| exit::report(&error))
    })
}

fn start(command: Command) -> Result<ExitCode> {
    if let Some(threads) = command.threads() {
        threads.apply();
        // Before anything that asks for CUDA. Where it is needed, why it cannot be loaded is an error.
        let _ = brewer::device::load_cuda();
    }
    interrupt::listen()?;
    match command {
        Command::Run(options) => run::run(&options),
        Command::Check(options) => check::check(&options),
        Command::Cache(options) => cache::cache(&options),
        Command::Eval(options) => eval::eval(&options),
        Command::Plugin(command) => plugin::run(&command),
        Command::Schema => schema::schema(),
    }
}

impl Command {
    /// How a command that computes uses threads.
    fn threads(&self) -> Option<&ThreadOptions> {
        match self {
            Command::Run(options) => Some(&options.experiment.threads),
            Command::Check(options) | Command::Cache(options) => Some(&options.threads),
            Command::Eval(options) => Some(&options.threads),
            Command::Plugin(_) | Command::Schema => None,
        }
    }
}
