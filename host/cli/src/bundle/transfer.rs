//! `bundle push`, `bundle pull` and `bundle inspect`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use brewer_registry::bundle;
use clap::Args;

use super::inspect;
use crate::options::DEFAULT_FILE;
use crate::output;
use crate::plugin::{failed, open_key, parse};
use crate::sources::SourceOptions;

#[derive(Args)]
pub struct PushOptions {
    /// The bundle: a folder or a tar
    bundle: PathBuf,

    /// Where it goes: oci://HOST/REPOSITORY:TAG
    reference: String,

    /// Sign it with this private key, as `bundle sign` does
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,

    #[command(flatten)]
    registry: crate::plugin::RegistryOptions,
}

#[derive(Args)]
pub struct PullOptions {
    /// The bundle: oci://HOST/REPOSITORY:TAG, or @sha256:… in place of the tag
    reference: String,

    /// Write it to a folder, or to a tar, too
    #[arg(long, short, value_name = "DIR|FILE.tar")]
    output: Option<PathBuf>,

    /// Print one line of JSON in place of the table
    ///
    /// Keys: those of `bundle inspect --json`.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sources: SourceOptions,
}

#[derive(Args)]
pub struct InspectOptions {
    /// The bundle: a reference (oci://…), a folder, or a tar
    bundle: String,

    /// Print one line of JSON in place of the table
    ///
    /// Keys: command, reference, digest, title, version, signers (null where they are not known), bytes, plugins (name,
    /// manifest, version, roles, permissions and bytes of each), files (name and kind of each).
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sources: SourceOptions,
}

/// Pushes a bundle, and prints the reference with its digest: what others can pin.
pub fn push(options: &PushOptions) -> Result<ExitCode> {
    let reference = parse(&options.reference)?;
    // A wrong password is found before anything is sent.
    let key = options.sign.as_deref().map(open_key).transpose()?;
    let client = options.registry.client()?;
    let store = crate::plugin::open_store()?;
    let (found, signatures) = bundle::layout::import(&store, &options.bundle).map_err(failed)?;
    let pushed = bundle::push(&client, &store, &reference, &found, &signatures).map_err(failed)?;
    if let Some(key) = &key {
        crate::plugin::sign_with(&client, &pushed, key)?;
    }
    output::result(&pushed.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Brings a bundle into the store, and shows what is in it.
pub fn pull(options: &PullOptions) -> Result<ExitCode> {
    parse(&options.reference)?;
    let sources = options.sources.sources(Path::new(DEFAULT_FILE), None);
    let found = sources.bundle(&options.reference).map_err(failed)?;
    if let Some(output) = &options.output {
        let export = |store: &_| bundle::layout::export(store, &found.bundle, &found.signatures, output);
        sources.with_store(export).map_err(failed)?;
    }
    sources.with_store(|store| Ok(inspect::show("bundle pull", store, &found, options.json))).map_err(failed)??;
    Ok(ExitCode::SUCCESS)
}

/// Shows what is in a bundle.
pub fn inspect(options: &InspectOptions) -> Result<ExitCode> {
    let sources = options.sources.sources(Path::new(DEFAULT_FILE), None);
    let found = sources.bundle(&options.bundle).map_err(failed)?;
    sources.with_store(|store| Ok(inspect::show("bundle inspect", store, &found, options.json))).map_err(failed)??;
    Ok(ExitCode::SUCCESS)
}
