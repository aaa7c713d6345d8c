//! `lock`: what the references of an experiment name, written beside it, compared with it, or renewed.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use brewer::experiment::PluginRef;
use brewer_registry::{Lock, Reference};
use clap::Args;
use serde_json::json;

use crate::change::Change;
use crate::exit::input;
use crate::header::shown;
use crate::options::ExperimentOptions;
use crate::output;
use crate::plugin::{failed, parse};

#[derive(Args)]
pub struct LockOptions {
    #[command(flatten)]
    experiment: ExperimentOptions,

    /// Ask the registries what references name now, show what changed, and write it; with a reference, for that one
    #[arg(long, value_name = "REFERENCE", num_args = 0..=1)]
    update: Option<Option<String>>,

    /// Take a lower version of a plugin, too
    #[arg(long, requires = "update")]
    allow_downgrade: bool,

    /// Change nothing, and fail with exit code 2 unless the lock has all that the experiment names
    #[arg(long, conflicts_with = "update")]
    check: bool,

    /// Print one line of JSON
    ///
    /// Keys: command, lock (the file), changes (reference, before and after of each, null before the first).
    #[arg(long)]
    json: bool,
}

/// Writes, compares or renews the lock.
pub fn lock(options: &LockOptions) -> Result<ExitCode> {
    let (mut experiment, sources) = options.experiment.experiment()?;
    let mut references = vec![];
    for spec in experiment.plugins_mut() {
        if let PluginRef::Registry(text) = spec.reference() {
            references.push(parse(&text)?);
        }
    }
    references.sort();
    references.dedup();
    let before = Lock::read(sources.lock()).map_err(failed)?;
    let renewed = match &options.update {
        None => vec![],
        Some(None) => references.clone(),
        Some(Some(text)) => {
            let reference = parse(text)?;
            if !references.contains(&reference) {
                return Err(input(anyhow!("{reference}: the experiment does not name it")));
            }
            vec![reference]
        }
    };
    let missing: Vec<&Reference> = references.iter().filter(|name| !before.plugins.contains_key(*name)).collect();
    if options.check && !missing.is_empty() {
        let names: Vec<String> = missing.into_iter().map(ToString::to_string).collect();
        let place = shown(sources.lock());
        return Err(input(anyhow!("{place} lacks {}; `brewer-host lock` adds what is missing", names.join(", "))));
    }
    let mut changes = vec![];
    for reference in references {
        let after = if renewed.contains(&reference) {
            sources.resolve_anew(&reference)
        } else {
            sources.resolve(&PluginRef::Registry(reference.to_string()))
        };
        let after = after.map_err(failed)?.entry;
        let before = before.plugins.get(&reference).cloned();
        if before.as_ref().is_none_or(|before| before.difference(&after).is_some()) {
            changes.push(Change { reference, before, after });
        }
    }
    for change in &changes {
        change.check(options.allow_downgrade)?;
    }
    let entries = changes.iter().map(|change| (change.reference.clone(), change.after.clone())).collect();
    Lock::add(sources.lock(), entries).map_err(failed)?;
    let place = shown(sources.lock());
    if options.json {
        let list = changes.iter().map(|change| {
            json!({ "reference": change.reference.to_string(), "before": change.before, "after": change.after })
        });
        let list: Vec<_> = list.collect();
        output::json(&json!({ "command": "lock", "lock": sources.lock(), "changes": list }))?;
    } else if changes.is_empty() {
        output::result(&format!("{place} has all that the experiment names"))?;
    } else {
        let text: Vec<String> = changes.iter().map(Change::described).collect();
        output::unwrapped(&text.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
