//! `brewer-host plugin …`: for the authors of plugins, and for those who are handed one.

mod build;
mod inspect;
mod new;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub enum PluginCommand {
    /// Create a folder with a working plugin, its test and its build files
    #[command(after_long_help = "\
Example:
  brewer-host plugin new my-adaptor --lang python --role adaptor")]
    New(new::NewOptions),
    /// Build the plugin in a folder: NAME.wasm, with its manifest inside
    #[command(after_long_help = "\
Example:
  brewer-host plugin build my-adaptor --output plugins/my-adaptor.wasm")]
    Build(build::BuildOptions),
    /// Show what a plugin is and which permissions it asks for, without running it
    #[command(after_long_help = "\
Example:
  brewer-host plugin inspect my-adaptor.wasm --json")]
    Inspect(inspect::InspectOptions),
    /// Run a plugin on made-up batches and compare what it returns with what is expected; the exit code is 1 where
    /// they differ
    #[command(after_long_help = "\
Example:
  brewer-host plugin test my-adaptor.wasm --cases my-adaptor/plugin.test.json")]
    Test(test::TestOptions),
}

pub fn run(command: &PluginCommand) -> Result<ExitCode> {
    match command {
        PluginCommand::New(options) => new::new(options),
        PluginCommand::Build(options) => build::build(options),
        PluginCommand::Inspect(options) => inspect::inspect(options),
        PluginCommand::Test(options) => test::test(options),
    }
}
