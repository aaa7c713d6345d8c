//! `plugin list` and `plugin prune`: what the store holds, and what of it may go.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use brewer_registry::{Store, bundle, plugin};
use clap::Args;
use indicatif::{HumanBytes, HumanDuration};
use serde_json::json;

use super::registry::{failed, open_store};
use crate::output;
use crate::table::{counted, laid_out};

#[derive(Args)]
pub struct ListOptions {
    /// Print one line of JSON in place of the table
    ///
    /// Keys: command, plugins (reference, manifest, component, bytes, pulled and used of each), bundles (reference,
    /// manifest, plugins, bytes, pulled and used of each; times are seconds since 1970).
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct PruneOptions {
    /// Forget references that were not used for so long: 90d, 12h or 30m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    unused_for: Option<Duration>,

    /// Say what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

/// Shows the plugins and bundles that were pulled.
pub fn list(options: &ListOptions) -> Result<ExitCode> {
    let store = open_store()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let ago = |then: u64| HumanDuration(Duration::from_secs(now.saturating_sub(then)));
    let (mut rows, mut plugins, mut bundles) = (vec![], vec![], vec![]);
    for record in store.records().map_err(failed)? {
        let times = [format!("pulled {} ago", ago(record.pulled)), format!("used {} ago", ago(record.used))];
        if let Some(bundle) = bundle::find(&store, &record.manifest).map_err(failed)? {
            let size = format!("{}, {}", counted(bundle.plugins.len(), "plugin"), HumanBytes(bundle.size()));
            rows.push([vec![record.reference.clone(), record.manifest.short(), size], times.to_vec()].concat());
            bundles.push(json!({
                "reference": record.reference,
                "manifest": record.manifest,
                "plugins": bundle.plugins,
                "bytes": bundle.size(),
                "pulled": record.pulled,
                "used": record.used,
            }));
            continue;
        }
        let component = plugin::component_in(&store, &record.manifest).map_err(failed)?;
        let size = component.as_ref().map_or("missing".to_owned(), |component| HumanBytes(component.size).to_string());
        rows.push([vec![record.reference.clone(), record.manifest.short(), size], times.to_vec()].concat());
        plugins.push(json!({
            "reference": record.reference,
            "manifest": record.manifest,
            "component": component.as_ref().map(|component| component.digest),
            "bytes": component.as_ref().map(|component| component.size),
            "pulled": record.pulled,
            "used": record.used,
        }));
    }
    if options.json {
        output::json(&json!({ "command": "plugin list", "plugins": plugins, "bundles": bundles }))?;
    } else if rows.is_empty() {
        output::result("The store has no plugins; `brewer-host plugin pull` brings one.")?;
    } else {
        output::result(&laid_out(&rows, output::result_width()).concat().join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes from the store what no reference needs.
pub fn prune(options: &PruneOptions) -> Result<ExitCode> {
    let root = Store::default_root().map_err(failed)?;
    let waits = || output::note("another brewer-host uses the store: waiting for it");
    let store = Store::open_alone(&root, waits).map_err(failed)?;
    let pruned = store.prune(options.unused_for, options.dry_run).map_err(failed)?;
    for reference in &pruned.references {
        output::result(reference)?;
    }
    let verb = if options.dry_run { "would be removed" } else { "removed" };
    let (references, files) = (counted(pruned.references.len(), "reference"), counted(pruned.files, "file"));
    output::result(&format!("{references}, {files}, {} {verb}", HumanBytes(pruned.bytes)))?;
    Ok(ExitCode::SUCCESS)
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; expected for example 90d, 12h or 30m");
    let (unit_start, unit) = text.char_indices().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..unit_start].parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}
