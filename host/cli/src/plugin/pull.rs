use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::inspect::show;
use super::registry::{self, RegistryOptions, TrustOptions};

#[derive(Args)]
pub struct PullOptions {
    /// The plugin: oci://HOST/REPOSITORY:TAG, or @sha256:… in place of the tag
    reference: String,

    /// Write the component to a file, too
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print one line of JSON in place of the table
    ///
    /// Keys: those of `plugin inspect --json`.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trust: TrustOptions,

    #[command(flatten)]
    registry: RegistryOptions,
}

/// Brings a plugin into the store, and shows what it is and what it asks for.
pub fn pull(options: &PullOptions) -> Result<ExitCode> {
    let reference = registry::parse(&options.reference)?;
    let located = registry::pull(&options.registry, &reference, &options.trust)?;
    if let Some(output) = &options.output {
        brewer::write_file(output, &located.bytes).with_context(|| format!("cannot write {}", output.display()))?;
    }
    show("plugin pull", &located, options.json)?;
    Ok(ExitCode::SUCCESS)
}
