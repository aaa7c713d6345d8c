use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use brewer_plugin_host::{Limits, inspect_bytes, printable, printable_json, read_component};
use brewer_registry::Reference;
use clap::Args;
use indicatif::HumanBytes;

use super::registry::{self, Located, RegistryOptions, TrustOptions};
use crate::table::laid_out;
use crate::{json, output};

#[derive(Args)]
pub struct InspectOptions {
    /// The component: a file, a reference (oci://…), or a digest (sha256:…) of what is in the store
    plugin: String,

    /// Print one line of JSON in place of the table
    ///
    /// Keys: command, reference, manifest_digest, signers (null where they are not known), locked (what brewer.lock has
    /// where that is another, else null), sha256, bytes, contract, roles, state (whether checkpoints hold what it
    /// remembers), manifest (null without one).
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trust: TrustOptions,

    #[command(flatten)]
    registry: RegistryOptions,
}

pub fn inspect(options: &InspectOptions) -> Result<ExitCode> {
    show("plugin inspect", &locate(options)?, options.json)?;
    Ok(ExitCode::SUCCESS)
}

fn locate(options: &InspectOptions) -> Result<Located> {
    let text = &options.plugin;
    if Reference::is_meant(text) {
        return registry::pull(&options.registry, &registry::parse(text)?, &options.trust);
    }
    if text.starts_with("sha256:") {
        return registry::stored(text, &options.trust);
    }
    let bytes = read_component(Path::new(text), Limits::default().file_bytes).map_err(brewer::Error::from)?;
    let inspected = inspect_bytes(Path::new(text), &bytes).map_err(brewer::Error::from)?;
    Ok(Located { inspected, reference: None, manifest: None, signers: None, change: None, bytes })
}

/// Prints what a plugin is and what it asks for. `command` is the one that was given.
pub fn show(command: &str, located: &Located, as_json: bool) -> Result<()> {
    if as_json {
        output::unwrapped(&printable_json(&json::inspect(command, located).to_string()))?;
    } else {
        print(located)?;
    }
    Ok(())
}

fn print(located: &Located) -> Result<()> {
    let inspected = &located.inspected;
    let mut rows: Vec<(&str, String)> = vec![];
    rows.extend(located.reference.as_ref().map(|reference| ("reference", reference.by_tag().to_string())));
    if let Some(manifest) = &inspected.manifest {
        rows.push(("name", format!("{} {}", manifest.name, manifest.version)));
        rows.extend(manifest.description.clone().map(|text| ("description", text)));
        rows.extend((!manifest.authors.is_empty()).then(|| ("authors", manifest.authors.join(", "))));
        rows.extend(manifest.license.clone().map(|text| ("license", text)));
    } else {
        rows.push(("manifest", "none: the plugin does not describe itself".to_owned()));
    }
    rows.push(("contract", inspected.contract.clone()));
    rows.push(("roles", inspected.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    rows.extend(inspected.has_state.then(|| ("state", "checkpoints hold what it remembers".to_owned())));
    rows.push((
        "permissions",
        match &inspected.manifest {
            Some(manifest) => asked(&manifest.permissions, &manifest.optional_permissions),
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
    rows.extend(located.manifest.map(|manifest| ("digest", manifest.to_string())));
    rows.push(("sha256", inspected.digest.clone()));
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(label, text)| vec![label.to_owned(), printable(&text)]).collect();
    output::result(&laid_out(&rows, output::result_width()).concat().join("\n"))?;
    if let Some(change) = &located.change {
        output::result("\nbrewer.lock has another, which runs take until `brewer-host lock --update` takes this one:")?;
        output::unwrapped(&change.described())?;
    }
    if let Some(schema) = inspected.manifest.as_ref().and_then(|manifest| manifest.config_schema.as_ref()) {
        output::unwrapped(&format!("\nconfig\n{}", printable_json(&serde_json::to_string_pretty(schema)?)))?;
    }
    Ok(())
}

/// What a plugin may do beyond computing, in words.
pub fn asked(needed: &[String], optional: &[String]) -> String {
    match (needed, optional) {
        ([], []) => "asks for none".to_owned(),
        (needed, []) => format!("asks for {}", needed.join(", ")),
        ([], optional) => format!("asks for none, can use {}", optional.join(", ")),
        (needed, optional) => format!("asks for {}, can use {}", needed.join(", "), optional.join(", ")),
    }
}
