//! `lock`: what the references of an experiment name, written beside it, compared with it, or renewed.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use brewer::experiment::PluginRef;
use brewer_plugin_host::printable;
use brewer_registry::lock::Entry;
use brewer_registry::{Lock, Reference};
use clap::Args;
use indicatif::HumanBytes;
use serde_json::json;

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

/// What an entry was, if there was one, and is.
struct Change {
    reference: Reference,
    before: Option<Entry>,
    after: Entry,
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

impl Change {
    fn check(&self, allow_downgrade: bool) -> Result<()> {
        let lower = self.before.as_ref().filter(|before| !allow_downgrade && before.is_downgraded_by(&self.after));
        let Some(before) = lower else { return Ok(()) };
        let version = |entry: &Entry| entry.plugin_version.clone().unwrap_or_default();
        Err(input(anyhow!(
            "{} names the version {} now, which is lower than the {} in the lock; --allow-downgrade takes it",
            self.reference,
            version(&self.after),
            version(before)
        )))
    }

    /// What changed, new permissions first: they are what one must look at.
    fn described(&self) -> String {
        let mut lines = vec![self.reference.to_string()];
        let (old, old_optional) = self.before.as_ref().map_or((&[][..], &[][..]), asked);
        let (new, new_optional) = asked(&self.after);
        let added = |sign: char, what: &str, old: &[String], new: &[String]| {
            let added: Vec<&str> = new.iter().filter(|name| !old.contains(name)).map(String::as_str).collect();
            (!added.is_empty()).then(|| format!("  {sign} {what} {}", added.join(", ")))
        };
        lines.extend(added('+', "asks for", old, new));
        lines.extend(added('+', "can use", old_optional, new_optional));
        lines.extend(added('-', "no longer asks for", new, old));
        let mut row = |label: &str, before: Option<String>, after: String| {
            lines.push(match before.filter(|before| *before != after) {
                Some(before) => format!("    {label:<9} {before} -> {after}"),
                None => format!("    {label:<9} {after}"),
            });
        };
        let version = |entry: &Entry| entry.plugin_version.clone().unwrap_or_else(|| "not said".to_owned());
        let size = |entry: &Entry| HumanBytes(entry.size).to_string();
        let signers =
            |entry: &Entry| if entry.signers.is_empty() { "nobody known".to_owned() } else { entry.signers.join(", ") };
        let before = self.before.as_ref();
        row("version", before.map(version), version(&self.after));
        row("size", before.map(size), size(&self.after));
        row("signed by", before.map(signers), signers(&self.after));
        row("manifest", before.map(|entry| entry.manifest.short()), self.after.manifest.short());
        lines.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n")
    }
}

/// The permissions that an entry asks for, and those that it can use.
fn asked(entry: &Entry) -> (&[String], &[String]) {
    (&entry.permissions, &entry.optional_permissions)
}
