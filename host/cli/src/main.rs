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
mod plugin_options;
mod progress;
mod run;
mod schema;
mod table;

use std::process::ExitCode;

use brewer_plugin_host::serve_compiler;
use clap::{Parser, Subcommand};

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
    /// Compile the component on standard input; other processes of this program ask for it
    #[command(hide = true)]
    CompilePlugin { seconds: u64, bytes: u64 },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Check(options) => check::check(&options),
        Command::Cache(options) => cache::cache(&options),
        Command::Eval(options) => eval::eval(&options),
        Command::Plugin(command) => plugin::run(&command),
        Command::Schema => schema::schema(),
        Command::CompilePlugin { seconds, bytes } => Ok(serve_compiler(seconds, bytes)),
    };
    result.unwrap_or_else(|error| exit::report(&error))
}
