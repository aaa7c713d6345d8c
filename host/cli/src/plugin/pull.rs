use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
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
        write(output, &located.bytes).with_context(|| format!("cannot write {}", output.display()))?;
    }
    show("plugin pull", &located, options.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a file in one go, so that nobody takes half a component for one. A file or link that has the unfinished one's
/// name already is not written through.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    let mut file = File::create_new(&unfinished)?;
    let written = file.write_all(bytes).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // The error that is returned says what went wrong.
        let _ = fs::remove_file(&unfinished);
    }
    written
}
