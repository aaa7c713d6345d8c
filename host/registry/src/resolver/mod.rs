//! From the references of an experiment to plugins that may run: pinned by the lock, let in by the policy, and held in
//! memory, so that what was checked is what runs.

mod bundles;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Client, Digest, Error, Lock, Policy, Record, Reference, Result, Store, bundle,
    document::{Descriptor, Document},
    lock::Entry,
    plugin::{self, Plugin},
    printable,
    signature::{self, Signatures},
};

pub use bundles::ResolvedBundle;

/// How references are resolved.
pub struct Resolver {
    store: Store,
    /// None when the network is not to be used.
    client: Option<Client>,
    /// All of them must let in what is used; the first names who signed it.
    policies: Vec<Policy>,
    lock: Lock,
    /// Whether the lock must have every reference.
    is_locked: bool,
    found: BTreeMap<Reference, Resolved>,
    /// Components that a bundle brought, which was decided on as a whole.
    admitted: BTreeMap<Digest, Resolved>,
}

/// A plugin that may run.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What it is, with the digest that its bytes were checked against.
    pub plugin: Plugin,
    /// Where it came from, with the digest of its manifest, or of the bundle's index for one plugin of a bundle; none where only
    /// its digest was named.
    pub reference: Option<Reference>,
    /// Who signed it, by the policy; `None` without one.
    pub signers: Option<Vec<String>>,
    /// What the lock has, or will have, of it.
    pub entry: Entry,
}

/// That something may be used, and by which signatures.
struct Admission {
    signatures: Signatures,
    /// By the policy; `None` without one.
    signers: Option<Vec<String>>,
    /// Whether there is something that the store's record does not have.
    is_new: bool,
}

impl Admission {
    fn signers(&self) -> Vec<String> {
        self.signers.clone().unwrap_or_default()
    }
}

impl Resolver {
    /// Without a client, what is not in the store is not found. With `is_locked`, neither is what is not in the lock. Of
    /// several policies each must let in what is used, and the first names who signed it.
    pub fn new(
        store: Store,
        client: Option<Client>,
        policies: impl IntoIterator<Item = Policy>,
        lock: Lock,
        is_locked: bool,
    ) -> Self {
        let policies = policies.into_iter().collect();
        Self { store, client, policies, lock, is_locked, found: BTreeMap::new(), admitted: BTreeMap::new() }
    }

    /// The store that everything comes from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The plugin that a reference names: by the lock where that has it, else by the registry, which is asked once.
    ///
    /// # Errors
    /// If the policy refuses it, if it is not what the lock says, or if it cannot be had.
    pub fn resolve(&mut self, reference: &Reference) -> Result<&Resolved> {
        if !self.found.contains_key(reference) {
            let resolved = self.find(reference)?;
            self.found.insert(reference.clone(), resolved);
        }
        // It was put there.
        self.found.get(reference).ok_or_else(|| Error::refused(reference, "it was not found"))
    }

    fn find(&self, reference: &Reference) -> Result<Resolved> {
        let locked = self.lock.plugins.get(reference);
        if locked.is_none() && self.is_locked {
            let problem = "the lock does not have it; run without --locked, or `brewer-host lock`, which adds it";
            return Err(Error::input(reference, problem));
        }
        let resolved = match locked {
            Some(entry) => match (reference.plugin(), entry.bundle) {
                (Some(name), Some(index)) => self.of_bundle(reference, name, index, false)?,
                _ => self.pinned(reference, entry.manifest, false)?,
            },
            None => self.current(reference)?,
        };
        match locked.and_then(|entry| entry.difference(&resolved.entry)) {
            Some(difference) => {
                let problem = format!("{difference}; `brewer-host lock --update {reference}` writes what it is");
                Err(Error::refused(reference, problem))
            }
            None => Ok(resolved),
        }
    }

    /// What a reference names in its registry now, whatever the lock says.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
    pub fn resolve_anew(&mut self, reference: &Reference) -> Result<&Resolved> {
        let resolved = self.current(reference)?;
        self.found.insert(reference.clone(), resolved);
        self.found.get(reference).ok_or_else(|| Error::refused(reference, "it was not found"))
    }

    fn current(&self, reference: &Reference) -> Result<Resolved> {
        let named = match reference.digest() {
            Some(named) => named,
            None => self.online(reference)?.resolve(&reference.whole())?.digest,
        };
        match reference.plugin() {
            Some(name) => self.of_bundle(reference, name, named, true),
            None => self.pinned(reference, named, true),
        }
    }

    /// The plugin with this manifest, which a reference names, currently or by the lock.
    fn pinned(&self, reference: &Reference, manifest: Digest, is_current: bool) -> Result<Resolved> {
        let pinned = reference.pinned(manifest);
        let kept = plugin::load(&self.store, &manifest)?;
        let mut admission = self.admission(reference, &[manifest], kept.is_some())?;
        let plugin = match kept {
            Some(plugin) => plugin,
            None => {
                admission.is_new = true;
                plugin::pull(self.online(&pinned)?, &self.store, &pinned)?
            }
        };
        let entry = Entry::of(&plugin, admission.signers()).map_err(|problem| Error::refused(reference, problem))?;
        let name = if is_current { reference } else { &pinned };
        self.record(name, manifest, &admission)?;
        Ok(Resolved { plugin, reference: Some(pinned), signers: admission.signers, entry })
    }

    /// Asks the policies whether a plugin may be used. Signatures of each of these digests count: its own is the first, and
    /// that of its bundle, if it is out of one, the second.
    fn admission(&self, reference: &Reference, signed: &[Digest], is_kept: bool) -> Result<Admission> {
        let mut signatures = self.kept_signatures(signed)?;
        let mut decided = self.decide(reference, signed, &signatures);
        let is_new = !self.policies.is_empty() && (decided.is_err() || !is_kept);
        if let Some(client) = self.client.as_ref().filter(|_| is_new) {
            // Before anything is pulled: what the policy refuses does not come into the store.
            for digest in signed {
                signatures.insert(*digest, signature::fetch(client, reference, digest)?);
            }
            decided = self.decide(reference, signed, &signatures);
        }
        if self.client.is_none() && decided.is_err() && signatures.values().all(Vec::is_empty) {
            let problem =
                "the store has no signatures of it, and the policy asks for them; run it once without --offline";
            return Err(Error::refused(reference, problem));
        }
        Ok(Admission { signatures, signers: decided?, is_new })
    }

    /// Notes that a reference is used, and what it names if that is new.
    fn record(&self, reference: &Reference, manifest: Digest, admission: &Admission) -> Result<()> {
        let before = self.store.recorded(reference)?.filter(|record| record.manifest == manifest);
        match before {
            Some(record) if !admission.is_new => self.store.touch(&record),
            // What came is checked again next time.
            _ if self.store.is_read_only() => Ok(()),
            before => {
                // Those of a bundle's other plugins stay, and so do all where no policy asked for any.
                let mut kept = before.map(|record| record.signatures).unwrap_or_default();
                for (signed, artefacts) in admission.signatures.iter().filter(|(_, artefacts)| !artefacts.is_empty()) {
                    kept.insert(*signed, signature::keep(&self.store, artefacts)?);
                }
                self.store.record(reference, manifest, kept)
            }
        }
    }

    /// The plugin of the store that `text`, `sha256:` and at least 12 digits, names by the digest of its manifest or of
    /// its component. One that came with a reference, or in a bundle, is let in by the rule for that. Of several manifests
    /// with one component, as a tag that moves leaves them, it is the first that is let in.
    ///
    /// # Errors
    /// If there is none or several, or if the policy refuses it.
    pub fn stored(&self, text: &str) -> Result<Resolved> {
        let wrong = |problem: String| Error::input(format!("`{}`", printable(text, 90)), problem);
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || !(12..=64).contains(&digits.len()) {
            return Err(wrong("a digest is written sha256: and 12 to 64 lower-case hexadecimal digits".to_owned()));
        }
        if let Some((_, admitted)) = self.admitted.iter().find(|(digest, _)| digest.hex() == digits) {
            return Ok(admitted.clone());
        }
        let mut found: BTreeMap<Digest, Vec<(Digest, Record)>> = BTreeMap::new();
        for record in self.store.records()? {
            let of_bundle = bundle::find(&self.store, &record.manifest)?;
            let plugins =
                of_bundle.map_or_else(|| vec![record.manifest], |found| found.plugins.into_values().collect());
            for manifest in plugins {
                let Some(component) = plugin::component_in(&self.store, &manifest)? else { continue };
                if [manifest, component.digest].iter().any(|digest| digest.hex().starts_with(digits)) {
                    found.entry(component.digest).or_default().push((manifest, record.clone()));
                }
            }
        }
        if found.len() > 1 {
            return Err(wrong(format!("the store has {} such plugins; write more digits", found.len())));
        }
        let Some((_, manifests)) = found.pop_first() else {
            return Err(wrong("the store has no such plugin; `brewer-host plugin list` shows what it has".to_owned()));
        };
        let mut refusal = wrong("the store does not say where it is from".to_owned());
        for (manifest, record) in manifests {
            let incomplete = || wrong("the store has its manifest only; pull it again".to_owned());
            let plugin = plugin::load(&self.store, &manifest)?.ok_or_else(incomplete)?;
            match self.decide_record(&record, manifest) {
                Ok(signers) => {
                    let entry = Entry::of(&plugin, signers.clone().unwrap_or_default()).map_err(wrong)?;
                    self.store.touch(&record)?;
                    return Ok(Resolved { plugin, reference: None, signers, entry });
                }
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// The entries that the lock lacks of what was resolved.
    pub fn additions(&self) -> BTreeMap<Reference, Entry> {
        let new = self.found.iter().filter(|(reference, _)| !self.lock.plugins.contains_key(*reference));
        new.map(|(reference, resolved)| (reference.clone(), resolved.entry.clone())).collect()
    }

    /// The entries of all that was resolved.
    pub fn entries(&self) -> BTreeMap<Reference, Entry> {
        self.found.iter().map(|(reference, resolved)| (reference.clone(), resolved.entry.clone())).collect()
    }

    fn online(&self, reference: &Reference) -> Result<&Client> {
        let problem = "the store does not have it, and the network is not to be used; run it once without --offline";
        self.client.as_ref().ok_or_else(|| Error::input(reference, problem))
    }

    /// The signatures of manifests that came with any reference.
    fn kept_signatures(&self, signed: &[Digest]) -> Result<Signatures> {
        let mut signatures = Signatures::new();
        let records = if self.policies.is_empty() { vec![] } else { self.store.records()? };
        for digest in signed {
            let found = records.iter().filter_map(|record| record.signatures.get(digest)).flatten();
            let manifests: Vec<Digest> = found.copied().collect::<BTreeSet<_>>().into_iter().collect();
            signatures.insert(*digest, signature::kept(&self.store, &manifests)?);
        }
        Ok(signatures)
    }

    /// Asks every policy; `None` if there is none.
    fn decide(&self, reference: &Reference, signed: &[Digest], found: &Signatures) -> Result<Option<Vec<String>>> {
        let mut signers = None;
        for policy in &self.policies {
            let findings = found.iter().flat_map(|(digest, found)| signature::check(found, digest, policy.keys()));
            let by = policy.decide(reference, signed, &findings.collect::<Vec<_>>())?;
            signers.get_or_insert_with(|| by.into_iter().collect());
        }
        Ok(signers)
    }

    /// Whether what a record names may be used: the plugin or bundle itself, or a plugin of the bundle.
    fn decide_record(&self, record: &Record, manifest: Digest) -> Result<Option<Vec<String>>> {
        let reference: Reference = record.reference.parse()?;
        let mut signed = vec![manifest, record.manifest];
        signed.dedup();
        let mut found = Signatures::new();
        for digest in &signed {
            let manifests = record.signatures.get(digest).map_or(&[][..], Vec::as_slice);
            found.insert(*digest, signature::kept(&self.store, manifests)?);
        }
        self.decide(&reference, &signed, &found)
    }
}

impl Client {
    /// What a reference names now: the manifest of a plugin, or the index of a bundle.
    ///
    /// # Errors
    /// If it names nothing, or something else.
    pub fn resolve(&self, reference: &Reference) -> Result<Descriptor> {
        reference.check_whole()?;
        let manifest = self.repository(reference).manifest(reference)?;
        let refused = |problem: String| Error::refused(reference, problem);
        let document = Document::parse(&manifest.bytes, manifest.content_type.as_deref()).map_err(refused)?;
        match &document {
            Document::Manifest(manifest) => plugin::parts(manifest).map(|_| ()).map_err(refused)?,
            Document::Index(index) => bundle::check_index(index).map_err(refused)?,
        }
        Ok(Descriptor::of(document.media_type(), &manifest.bytes))
    }
}
