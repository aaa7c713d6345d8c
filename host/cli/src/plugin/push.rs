use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use brewer_plugin_host::{Limits, inspect_bytes, read_component};
use brewer_registry::plugin;
use clap::Args;

use super::registry::{self, RegistryOptions, failed};
use super::sign;
use crate::exit::input;
use crate::output;

#[derive(Args)]
pub struct PushOptions {
    /// The component
    plugin: PathBuf,

    /// Where it goes: oci://HOST/REPOSITORY:TAG
    reference: String,

    /// Say more of it in the registry: KEY=VALUE; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation)]
    annotation: Vec<(String, String)>,

    /// Sign it with this private key, as `plugin sign` does
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,

    #[command(flatten)]
    registry: RegistryOptions,
}

/// Pushes a plugin, and prints the reference with its digest: what others can pin.
pub fn push(options: &PushOptions) -> Result<ExitCode> {
    let reference = registry::parse(&options.reference)?;
    let bytes = read_component(&options.plugin, Limits::default().file_bytes).map_err(brewer::Error::from)?;
    // What is no plugin for this host is none for a colleague's.
    inspect_bytes(&options.plugin, &bytes).map_err(brewer::Error::from)?;
    let mut annotations = BTreeMap::new();
    for (key, value) in &options.annotation {
        if annotations.insert(key.clone(), value.clone()).is_some() {
            return Err(input(anyhow!("--annotation {key}: it is given twice")));
        }
    }
    // A wrong password is found before anything is sent.
    let key = options.sign.as_deref().map(sign::open).transpose()?;
    let client = options.registry.client()?;
    let pushed = plugin::push(&client, &reference, &bytes, &annotations, registry::created()?).map_err(failed)?;
    if pushed.was_there {
        output::note("the registry had the component already");
    }
    if let Some(key) = &key {
        sign::sign_with(&client, &pushed.reference, key)?;
    }
    output::result(&pushed.reference.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
