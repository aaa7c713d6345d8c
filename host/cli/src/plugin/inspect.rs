use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use brewer_plugin_host::{Inspected, inspect_bytes, read_component};
use brewer_registry::{Reference, printable};
use clap::Args;
use indicatif::HumanBytes;
use serde_json::json;

use super::registry::{self, Located, RegistryOptions, TrustOptions};
use crate::table::aligned;

#[derive(Args)]
pub struct InspectOptions {
    /// The component: a file, a reference (oci://…), or a digest (sha256:…) of what is in the store
    plugin: String,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trust: TrustOptions,

    #[command(flatten)]
    registry: RegistryOptions,
}

pub fn inspect(options: &InspectOptions) -> Result<ExitCode> {
    show(&locate(options)?, options.json)?;
    Ok(ExitCode::SUCCESS)
}

fn locate(options: &InspectOptions) -> Result<Located> {
    let text = &options.plugin;
    if Reference::is_meant(text) {
        return registry::pull(&options.registry.client()?, &registry::parse(text)?, &options.trust);
    }
    if text.starts_with("sha256:") {
        return registry::stored(text);
    }
    let bytes = read_component(Path::new(text)).map_err(brewer::Error::from)?;
    let inspected = inspect_bytes(Path::new(text), &bytes).map_err(brewer::Error::from)?;
    Ok(Located { inspected, reference: None, manifest: None, signers: None, bytes })
}

/// Prints what a plugin is and what it asks for.
pub fn show(located: &Located, as_json: bool) -> Result<()> {
    let inspected = &located.inspected;
    if as_json {
        let roles: Vec<String> = inspected.roles.iter().map(ToString::to_string).collect();
        let text = json!({
            "reference": located.reference.as_ref().map(ToString::to_string),
            "manifest_digest": located.manifest,
            "signers": located.signers,
            "sha256": inspected.digest,
            "bytes": inspected.size,
            "contract": inspected.contract,
            "roles": roles,
            "manifest": inspected.manifest,
        });
        println!("{}", serde_json::to_string_pretty(&text)?);
    } else {
        print(inspected, located)?;
    }
    Ok(())
}

/// The longest text of a plugin that is shown, in characters.
const LONGEST: usize = 1_000;

fn print(inspected: &Inspected, located: &Located) -> Result<()> {
    let mut rows: Vec<(&str, String)> = vec![];
    rows.extend(located.reference.as_ref().map(|reference| ("reference", reference.to_string())));
    if let Some(manifest) = &inspected.manifest {
        rows.push(("name", format!("{} {}", manifest.name, manifest.version)));
        rows.extend(manifest.description.clone().map(|text| ("description", text)));
        rows.extend((!manifest.authors.is_empty()).then(|| ("authors", manifest.authors.join(", "))));
        rows.extend(manifest.license.clone().map(|text| ("license", text)));
    } else {
        rows.push(("manifest", "none: it says nothing of itself".to_owned()));
    }
    rows.push(("contract", inspected.contract.clone()));
    rows.push(("roles", inspected.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    rows.push((
        "permissions",
        match &inspected.manifest {
            Some(manifest) if manifest.permissions.is_empty() => "asks for none".to_owned(),
            Some(manifest) => format!("asks for {}", manifest.permissions.join(", ")),
            None => "whatever the experiment grants".to_owned(),
        },
    ));
    rows.extend(located.signers.as_ref().map(|signers| {
        (
            "signed by",
            if signers.is_empty() { "nobody, and the policy accepts it".to_owned() } else { signers.join(", ") },
        )
    }));
    rows.push(("size", HumanBytes(inspected.size).to_string()));
    rows.push(("sha256", inspected.digest.clone()));
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(label, text)| vec![label.to_owned(), printable(&text, LONGEST)]).collect();
    aligned(&rows).iter().for_each(|line| println!("{line}"));
    if let Some(schema) = inspected.manifest.as_ref().and_then(|manifest| manifest.config_schema.as_ref()) {
        println!("\nconfig\n{}", serde_json::to_string_pretty(schema)?);
    }
    Ok(())
}
