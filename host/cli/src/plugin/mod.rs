//! `brewer-host plugin …`: for the authors of plugins, and for those who are handed one.

mod build;
mod cache;
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

pub use inspect::asked;
pub use registry::{Located, RegistryOptions, TrustOptions, failed, open_store, parse};
pub use sign::{SignOptions, open as open_key, sign, sign_with};
pub use verify::{VerifyOptions, verify};

use std::env;
use std::process::ExitCode;

use anyhow::{Context, Result};
use brewer_plugin_host::{Compiler, Engine};
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
    /// Run a plugin on made-up batches and compare what it returns with what is expected; the exit code is 1 where
    /// they differ
    #[command(after_long_help = "\
Example:
  brewer-host plugin test my-adaptor.wasm --cases my-adaptor/plugin.test.json")]
    Test(test::TestOptions),
    /// Show what is kept of compiled plugins, or remove it
    Cache(cache::CacheOptions),
}

pub fn run(command: &PluginCommand) -> Result<ExitCode> {
    match command {
        PluginCommand::New(options) => new::new(options),
        PluginCommand::Build(options) => build::build(options),
        PluginCommand::Inspect(options) => inspect::inspect(options),
        PluginCommand::Push(options) => push::push(options),
        PluginCommand::Pull(options) => pull::pull(options),
        PluginCommand::Verify(options) => verify("plugin verify", options),
        PluginCommand::Sign(options) => sign(options),
        PluginCommand::Keygen(options) => sign::keygen(options),
        PluginCommand::List(options) => stored::list(options),
        PluginCommand::Prune(options) => stored::prune(options),
        PluginCommand::Login(options) => login::login(options),
        PluginCommand::Logout(options) => login::logout(options),
        PluginCommand::Test(options) => test::test(options),
        PluginCommand::Cache(options) => cache::cache(options),
    }
}

/// What plugins run on. They are compiled by this program in a process of its own, so that the limits of an experiment
/// hold for that too.
pub fn engine() -> Result<Engine> {
    let program = env::current_exe().context("this program's file cannot be found, which compiles plugins")?;
    let compiler = Compiler::Process { program, arguments: vec!["compile-plugin".into()] };
    Ok(Engine::new().map_err(brewer::Error::from)?.compiled_by(compiler))
}
