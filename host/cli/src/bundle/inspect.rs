//! What is in a bundle, for people and for programs.

use std::path::Path;

use anyhow::Result;
use brewer_plugin_host::{Inspected, inspect_bytes, printable, printable_json};
use brewer_registry::bundle::FileKind;
use brewer_registry::{ResolvedBundle, Store, plugin};
use indicatif::HumanBytes;
use serde_json::json;

use crate::exit::input;
use crate::output;
use crate::plugin::{asked, failed};
use crate::table::laid_out;

/// Prints what is in a bundle. `command` is the one that was given.
pub fn show(command: &str, store: &Store, found: &ResolvedBundle, as_json: bool) -> Result<()> {
    let bundle = &found.bundle;
    let mut plugins = vec![];
    for (name, manifest) in &bundle.plugins {
        let gone = || input(anyhow::anyhow!("{manifest}: `{name}` is not in the store; pull the bundle again"));
        let loaded = plugin::load(store, manifest).map_err(failed)?.ok_or_else(gone)?;
        let inspected = inspect_bytes(Path::new(name), &loaded.bytes).map_err(brewer::Error::from)?;
        plugins.push((name, loaded.manifest, inspected));
    }
    if as_json {
        let plugins: Vec<_> = plugins
            .iter()
            .map(|(name, manifest, inspected)| {
                json!({
                    "name": name,
                    "manifest": manifest,
                    "version": version(inspected),
                    "roles": roles(inspected),
                    "permissions": inspected.manifest.as_ref().map(|said| &said.permissions),
                    "bytes": inspected.size,
                })
            })
            .collect();
        let files: Vec<_> =
            bundle.files().map(|(name, kind)| json!({ "name": name, "kind": described(kind) })).collect();
        let shown = json!({
            "command": command,
            "reference": found.reference.as_ref().map(ToString::to_string),
            "digest": bundle.index,
            "title": bundle.title,
            "version": bundle.version,
            "signers": found.signers,
            "bytes": bundle.size(),
            "plugins": plugins,
            "files": files,
        });
        output::unwrapped(&printable_json(&shown.to_string()))?;
        return Ok(());
    }
    let mut rows = vec![];
    let reference = found.reference.as_ref().map(|reference| reference.by_tag().to_string());
    rows.extend(reference.map(|reference| vec!["reference".to_owned(), reference]));
    let version_of = bundle.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    rows.push(vec!["title".to_owned(), format!("{}{version_of}", bundle.title)]);
    for (name, _, inspected) in &plugins {
        let permissions = match &inspected.manifest {
            Some(said) => asked(&said.permissions, &said.optional_permissions),
            None => "asks for whatever is granted".to_owned(),
        };
        let version = version(inspected).unwrap_or("of no version");
        let text = format!("{name} {version}: {}, {permissions}", roles(inspected).join(", "));
        rows.push(vec!["plugin".to_owned(), text]);
    }
    rows.extend(bundle.files().map(|(name, kind)| vec![described(kind).to_owned(), name.to_owned()]));
    rows.extend(found.signers.as_ref().map(|signers| {
        let text = if signers.is_empty() { "nobody, and the policy accepts it".to_owned() } else { signers.join(", ") };
        vec!["signed by".to_owned(), text]
    }));
    rows.push(vec!["size".to_owned(), HumanBytes(bundle.size()).to_string()]);
    rows.push(vec!["digest".to_owned(), bundle.index.to_string()]);
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    output::result(&laid_out(&rows, output::result_width()).concat().join("\n"))?;
    Ok(())
}

fn version(inspected: &Inspected) -> Option<&str> {
    inspected.manifest.as_ref().map(|said| said.version.as_str())
}

fn roles(inspected: &Inspected) -> Vec<String> {
    inspected.roles.iter().map(ToString::to_string).collect()
}

fn described(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Readme => "readme",
        FileKind::Experiment => "experiment",
        FileKind::Lock => "lock",
        FileKind::Provenance => "provenance",
        FileKind::Metrics => "metrics",
    }
}
