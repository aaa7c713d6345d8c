//! What a reference names now against what a lock has of it.

use anyhow::{Result, anyhow};
use brewer_plugin_host::printable;
use brewer_registry::Reference;
use brewer_registry::lock::Entry;
use indicatif::HumanBytes;

use crate::exit::input;

/// What an entry of a lock was, if there was one, and is.
pub struct Change {
    pub reference: Reference,
    pub before: Option<Entry>,
    pub after: Entry,
}

impl Change {
    /// Refuses a lower version of a plugin, unless that is allowed.
    pub fn check(&self, allow_downgrade: bool) -> Result<()> {
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
    pub fn described(&self) -> String {
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
