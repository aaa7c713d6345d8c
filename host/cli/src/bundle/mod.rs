//! `brewer-host bundle …`: plugins with experiments and the record of a run, under one digest.

mod compare;
mod create;
mod inspect;
mod run;
mod transfer;

pub use run::BundleRunOptions;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::plugin::{SignOptions, VerifyOptions, sign, verify};

#[derive(Subcommand)]
pub enum BundleCommand {
    /// Make a bundle of plugins and experiments, or of a run that has ended, in a folder or a tar
    #[command(after_long_help = "\
Example:
  brewer-host bundle create --from runs/movie --output movie.tar
  brewer-host bundle create mine.wasm oci://ghcr.io/team/other:1 --readme README.md --output suite")]
    Create(create::CreateOptions),
    /// Put the bundle in a folder or a tar into a registry, with the signatures beside it, and print its reference
    Push(transfer::PushOptions),
    /// Bring a bundle into the store, and show what is in it
    Pull(transfer::PullOptions),
    /// Show what is in a bundle
    Inspect(transfer::InspectOptions),
    /// Sign a bundle in a registry, as cosign does
    Sign(SignOptions),
    /// Show who signed a bundle in a registry, and fail unless the right ones did
    Verify(VerifyOptions),
    /// Say where the numbers of two runs differ first, and what they were computed on; the exit code is 1 where they
    /// differ
    #[command(after_long_help = "\
Example:
  brewer-host bundle compare oci://ghcr.io/team/movie:1 runs/movie")]
    Compare(compare::CompareOptions),
}

pub fn run(command: &BundleCommand) -> Result<ExitCode> {
    match command {
        BundleCommand::Create(options) => create::create(options),
        BundleCommand::Push(options) => transfer::push(options),
        BundleCommand::Pull(options) => transfer::pull(options),
        BundleCommand::Inspect(options) => transfer::inspect(options),
        BundleCommand::Sign(options) => sign(options),
        BundleCommand::Verify(options) => verify("bundle verify", options),
        BundleCommand::Compare(options) => compare::compare(options),
    }
}
