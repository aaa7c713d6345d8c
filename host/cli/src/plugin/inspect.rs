use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use brewer_plugin_host::{Inspected, inspect as inspect_file, printable, printable_json};
use clap::Args;
use indicatif::HumanBytes;
use serde_json::json;

use crate::table::aligned;

#[derive(Args)]
pub struct InspectOptions {
    /// The component
    plugin: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn inspect(options: &InspectOptions) -> Result<ExitCode> {
    let inspected = inspect_file(&options.plugin).map_err(brewer::Error::from)?;
    if options.json {
        let roles: Vec<String> = inspected.roles.iter().map(ToString::to_string).collect();
        let text = json!({
            "sha256": inspected.digest,
            "bytes": inspected.size,
            "contract": inspected.contract,
            "roles": roles,
            "manifest": inspected.manifest,
        });
        println!("{}", printable_json(&serde_json::to_string_pretty(&text)?));
    } else {
        print(&inspected)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(inspected: &Inspected) -> Result<()> {
    let mut rows: Vec<(&str, String)> = vec![];
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
            Some(manifest) => asked(&manifest.permissions, &manifest.optional_permissions),
            None => "whatever the experiment grants".to_owned(),
        },
    ));
    rows.push(("size", HumanBytes(inspected.size).to_string()));
    rows.push(("sha256", inspected.digest.clone()));
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(label, text)| vec![label.to_owned(), printable(&text)]).collect();
    aligned(&rows).iter().for_each(|line| println!("{line}"));
    if let Some(schema) = inspected.manifest.as_ref().and_then(|manifest| manifest.config_schema.as_ref()) {
        println!("\nconfig\n{}", printable_json(&serde_json::to_string_pretty(schema)?));
    }
    Ok(())
}

fn asked(needed: &[String], optional: &[String]) -> String {
    match (needed, optional) {
        ([], []) => "asks for none".to_owned(),
        (needed, []) => format!("asks for {}", needed.join(", ")),
        ([], optional) => format!("asks for none, can use {}", optional.join(", ")),
        (needed, optional) => format!("asks for {}, can use {}", needed.join(", "), optional.join(", ")),
    }
}
