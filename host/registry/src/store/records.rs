//! Which references were pulled, and what may be removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{Store, read};
use crate::{Digest, Error, Reference, Result, document::Document, limits};

/// What a reference named when it was pulled last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// As it was written, tag included.
    pub reference: String,
    /// The digest of the manifest, or of a bundle's index.
    pub manifest: Digest,
    /// The manifests of signatures by what they sign, the manifest or a bundle's plugin, as far as they were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signatures: BTreeMap<Digest, Vec<Digest>>,
    /// When it was pulled, in seconds since 1970.
    pub pulled: u64,
    /// When it was used last, in seconds since 1970.
    pub used: u64,
}

/// What was, or would be, removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// References that were not used for long.
    pub references: Vec<String>,
    /// How many blobs and unfinished parts.
    pub files: usize,
    /// Their size together.
    pub bytes: u64,
}

/// More than any record needs.
const LARGEST: u64 = 64 << 10;

impl Store {
    /// Notes that `reference` names `manifest`, which has these signatures.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record(
        &self,
        reference: &Reference,
        manifest: Digest,
        signatures: BTreeMap<Digest, Vec<Digest>>,
    ) -> Result<()> {
        let now = now();
        self.write_record(&Record { reference: reference.to_string(), manifest, signatures, pulled: now, used: now })
    }

    /// What `reference` named when it was pulled last.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn recorded(&self, reference: &Reference) -> Result<Option<Record>> {
        self.read_record(&record_name(&reference.to_string()))
    }

    /// Notes that a reference is used now.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn touch(&self, record: &Record) -> Result<()> {
        self.write_record(&Record { used: now(), ..record.clone() })
    }

    /// All that was pulled, sorted by reference.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub fn records(&self) -> Result<Vec<Record>> {
        let mut records = vec![];
        for name in self.names("refs")? {
            records.extend(self.read_record(&name)?);
        }
        records.sort_by(|a, b| a.reference.cmp(&b.reference));
        Ok(records)
    }

    /// Removes records that were not used for `unused_for`, every blob that no remaining one needs, and parts. The store
    /// must be open alone. With `dry_run` nothing is removed.
    ///
    /// # Errors
    /// If something cannot be read or removed.
    pub fn prune(&self, unused_for: Option<Duration>, dry_run: bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let mut kept = BTreeSet::new();
        for record in self.records()? {
            let age = now().saturating_sub(record.used);
            if unused_for.is_some_and(|longest| age > longest.as_secs()) {
                if !dry_run {
                    self.remove(&format!("refs/{}", record_name(&record.reference)))?;
                }
                pruned.references.push(record.reference);
            } else {
                let signatures = record.signatures.values().flatten();
                signatures.chain([&record.manifest]).for_each(|part| self.reach(part, &mut kept));
            }
        }
        for folder in ["blobs/sha256", "ingest", "locks"] {
            for name in self.names(folder)? {
                if folder == "blobs/sha256" && kept.contains(&name) {
                    continue;
                }
                let file = format!("{folder}/{name}");
                let path = self.root.join(&file);
                let found = fs::symlink_metadata(&path).map_err(|error| Error::disk(&path, error))?;
                // Locks are empty and nobody's gain.
                if folder != "locks" {
                    pruned.files += 1;
                    pruned.bytes += found.len();
                }
                if !dry_run {
                    self.remove(&file)?;
                }
            }
        }
        Ok(pruned)
    }

    /// Adds the names of a manifest and of all that it consists of.
    fn reach(&self, manifest: &Digest, kept: &mut BTreeSet<String>) {
        if !kept.insert(manifest.hex()) {
            return;
        }
        // A manifest that is gone or altered keeps nothing; a pull brings all of it back.
        let Ok(Some(bytes)) = self.blob(manifest, limits::MANIFEST) else { return };
        match Document::parse(&bytes, None) {
            Ok(Document::Index(index)) => index.manifests.iter().for_each(|part| self.reach(&part.digest, kept)),
            Ok(Document::Manifest(manifest)) => kept.extend(manifest.blobs().map(|part| part.digest.hex())),
            Err(_) => {}
        }
    }

    fn remove(&self, file: &str) -> Result<()> {
        let path = self.root.join(file);
        fs::remove_file(&path).map_err(|error| Error::disk(&path, error))
    }

    fn write_record(&self, record: &Record) -> Result<()> {
        // When it was used last is for prune, which removes nothing there.
        if self.is_read_only {
            return Ok(());
        }
        let path = self.root.join("refs").join(record_name(&record.reference));
        let bytes = serde_json::to_vec(record).map_err(|error| Error::disk(&path, error.into()))?;
        self.write(&path, &bytes)
    }

    fn read_record(&self, name: &str) -> Result<Option<Record>> {
        let path = self.root.join("refs").join(name);
        let Some(bytes) = read(&path, LARGEST)? else { return Ok(None) };
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| {
            Error::refused(path.display(), format!("the record cannot be read: {error}; delete it"))
        })?;
        if record_name(&record.reference) != name {
            return Err(Error::refused(path.display(), "the record is of another reference; delete it"));
        }
        Ok(Some(record))
    }
}

fn record_name(reference: &str) -> String {
    format!("{}.json", Digest::of(reference.as_bytes()).hex())
}

fn now() -> u64 {
    // A clock before 1970 makes everything new, which removes nothing.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
