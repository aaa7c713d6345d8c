//! `brewer-host`: distils the experiment in the current folder.

mod bundle;
mod cache;
mod card;
mod change;
mod check;
mod eval;
mod exit;
mod header;
mod interrupt;
mod json;
mod lock;
mod log;
mod options;
mod output;
mod password;
mod plugin;
mod plugin_options;
mod progress;
mod provenance;
mod reading;
mod run;
mod schema;
mod sources;
mod table;
mod threads;
mod version;

use std::process::ExitCode;

use anyhow::Result;
use brewer::libtorch;
use brewer_plugin_host::serve_compiler;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use threads::ThreadOptions;

#[derive(Parser)]
#[command(
    name = "brewer-host",
    version,
    about = "Distils a trained teacher model into a smaller student",
    after_help = exit::CODES
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print errors and results only: no header, no progress, no messages of plugins
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Train the student of an experiment
    #[command(after_long_help = "\
Example:
  brewer-host run --config movie.json --set training.num_epochs=1 --output-dir /tmp/movie")]
    Run(run::RunOptions),
    /// Run one batch through everything, verify every shape and the output folder, train nothing
    #[command(after_long_help = "\
Example:
  brewer-host check --config movie.json --device cpu")]
    Check(check::CheckOptions),
    /// Compute the teachers' outputs for all examples once, for later runs
    #[command(after_long_help = "\
Example:
  brewer-host cache --config movie.json --set teacher.cache.path=teacher-cache")]
    Cache(cache::CacheOptions),
    /// Evaluate a model on a data set
    #[command(after_long_help = "\
Example:
  brewer-host eval --model runs/movie/student --data test.jsonl --json")]
    Eval(eval::EvalOptions),
    /// Create, build, inspect and test plugins
    #[command(
        subcommand,
        after_long_help = "\
Example:
  brewer-host plugin new my-adaptor --lang python
  brewer-host plugin build my-adaptor
  brewer-host run --plugin my-adaptor.wasm"
    )]
    Plugin(plugin::PluginCommand),
    /// Make, share and compare bundles: plugins with experiments, a lock and the provenance of a run
    #[command(
        subcommand,
        after_long_help = "\
Example:
  brewer-host bundle create --from runs/movie -o movie.tar
  brewer-host bundle push movie.tar oci://ghcr.io/team/movie:1
  brewer-host run --bundle oci://ghcr.io/team/movie:1 --data my-data"
    )]
    Bundle(bundle::BundleCommand),
    /// Write what the experiment's references name into brewer.lock, or renew it
    #[command(after_long_help = "\
Example:
  brewer-host lock --update oci://ghcr.io/team/my-adaptor:1")]
    Lock(lock::LockOptions),
    /// Print the JSON Schema of the experiment file
    #[command(after_long_help = "\
Example:
  brewer-host schema > experiment.schema.json")]
    Schema,
    /// Compile the component on standard input; other processes of this program ask for it
    #[command(hide = true)]
    CompilePlugin { seconds: u64, bytes: u64 },
}

fn main() -> ExitCode {
    exit::without_panics(|| {
        let cli = match Cli::try_parse() {
            Ok(cli) => cli,
            Err(answer) => return answered(&answer).unwrap_or_else(|error| exit::report(&error)),
        };
        if cli.quiet {
            output::be_quiet();
        }
        let ended = libtorch::guarded(|| -> brewer::Result<_> { Ok(start(cli.command)) });
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
        Command::Bundle(command) => bundle::run(&command),
        Command::Lock(options) => lock::lock(&options),
        Command::Schema => schema::schema(),
        Command::CompilePlugin { seconds, bytes } => Ok(serve_compiler(seconds, bytes)),
    }
}

impl Command {
    /// How a command that computes uses threads.
    fn threads(&self) -> Option<&ThreadOptions> {
        match self {
            Command::Run(options) => Some(&options.experiment.threads),
            Command::Check(options) => Some(&options.experiment.threads),
            Command::Cache(options) => Some(&options.experiment.threads),
            Command::Eval(options) => Some(&options.threads),
            Command::Plugin(_)
            | Command::Bundle(_)
            | Command::Lock(_)
            | Command::Schema
            | Command::CompilePlugin { .. } => None,
        }
    }
}

/// Prints what clap answers in place of a command: help, the version, or what is wrong with the command line.
fn answered(answer: &clap::Error) -> Result<ExitCode> {
    if answer.kind() == ErrorKind::DisplayVersion {
        let is_long = std::env::args_os().any(|argument| argument == "--version");
        output::unwrapped(&if is_long { version::long() } else { version::SHORT.to_owned() })?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = answer.render();
    let is_error = answer.use_stderr();
    let is_styled = if is_error { console::colors_enabled_stderr() } else { console::colors_enabled() };
    let text = if is_styled { text.ansi().to_string() } else { text.to_string() };
    let text = text.trim_end();
    if is_error {
        output::ending(text);
    } else {
        output::result(text)?;
    }
    Ok(ExitCode::from(answer.exit_code() as u8))
}
