//! `brewer-host plugin …`: for the authors of plugins, and for those who are handed one.

mod build;
mod inspect;
mod login;
mod new;
mod pull;
mod push;
mod registry;
mod sign;
mod stored;
mod test;
mod verify;

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
    /// Put a plugin into a registry, and print the reference with its digest
    Push(push::PushOptions),
    /// Bring a plugin from a registry into the store, and show what it is and what it asks for
    Pull(pull::PullOptions),
    /// Show who signed a plugin in a registry, and fail unless the right ones did
    Verify(verify::VerifyOptions),
    /// Sign a plugin in a registry, as cosign does
    Sign(sign::SignOptions),
    /// Make a pair of keys, as cosign does
    Keygen(sign::KeygenOptions),
    /// Show the plugins in the store
    List(stored::ListOptions),
    /// Remove from the store what no reference needs
    Prune(stored::PruneOptions),
    /// Store the password of a registry, where Docker has it
    Login(login::LoginOptions),
    /// Remove the password of a registry
    Logout(login::LogoutOptions),
    /// Run a plugin on made-up batches and compare what it returns with what is expected
    Test(test::TestOptions),
}

pub fn run(command: &PluginCommand) -> Result<ExitCode> {
    match command {
        PluginCommand::New(options) => new::new(options),
        PluginCommand::Build(options) => build::build(options),
        PluginCommand::Inspect(options) => inspect::inspect(options),
        PluginCommand::Push(options) => push::push(options),
        PluginCommand::Pull(options) => pull::pull(options),
        PluginCommand::Verify(options) => verify::verify(options),
        PluginCommand::Sign(options) => sign::sign(options),
        PluginCommand::Keygen(options) => sign::keygen(options),
        PluginCommand::List(options) => stored::list(options),
        PluginCommand::Prune(options) => stored::prune(options),
        PluginCommand::Login(options) => login::login(options),
        PluginCommand::Logout(options) => login::logout(options),
        PluginCommand::Test(options) => test::test(options),
    }
}
