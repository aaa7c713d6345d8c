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
    /// Make a folder with a working plugin, its test and what it is built with
    New(new::NewOptions),
    /// Build the plugin in a folder: NAME.wasm, with its manifest inside
    Build(build::BuildOptions),
    /// Show what a plugin is and what it asks for; nothing of it is run
    Inspect(inspect::InspectOptions),
    /// Run a plugin on made-up batches and compare what it returns with what is expected
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
