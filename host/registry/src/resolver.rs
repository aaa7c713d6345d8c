//! From the references of an experiment to plugins that may run: pinned by the lock, let in by the policy, and held in
//! memory, so that what was checked is what runs.

use std::collections::BTreeMap;

use crate::{
    Bundle, Client, Digest, Error, Lock, Policy, Record, Reference, Result, Store,
    bundle::{self, FileKind},
    document::{Descriptor, Document},
    lock::Entry,
    plugin::{self, Plugin},
    printable,
    signature::{self, Artefact, Signatures},
};

/// How references are resolved.
pub struct Resolver {
    store: Store,
    /// None when the network is not to be used.
    client: Option<Client>,
    policy: Option<Policy>,
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
    /// Where it came from, with the digest of its manifest; none where only its digest was named.
    pub reference: Option<Reference>,
    /// Who signed it, by the policy; `None` without one.
    pub signers: Option<Vec<String>>,
    /// What the lock has, or will have, of it.
    pub entry: Entry,
}

/// A bundle that may be used.
#[derive(Debug, Clone)]
pub struct ResolvedBundle {
    /// What it holds.
    pub bundle: Bundle,
    /// Where it came from, with the digest of its index; none for a file.
    pub reference: Option<Reference>,
    /// Who signed it, by the policy; `None` without one.
    pub signers: Option<Vec<String>>,
    /// All signatures of it and of its plugins that came with it.
    pub signatures: Signatures,
}

impl Resolver {
    /// Without a client, what is not in the store is not found. With `is_locked`, neither is what is not in the lock.
    pub fn new(store: Store, client: Option<Client>, policy: Option<Policy>, lock: Lock, is_locked: bool) -> Self {
        Self { store, client, policy, lock, is_locked, found: BTreeMap::new(), admitted: BTreeMap::new() }
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
            Some(entry) => self.pinned(reference, entry.manifest, false)?,
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
        let manifest = match reference.digest() {
            Some(manifest) => manifest,
            None => self.online(reference)?.resolve(reference)?.digest,
        };
        self.pinned(reference, manifest, true)
    }

    /// The plugin with this manifest, which a reference names, currently or by the lock.
    fn pinned(&self, reference: &Reference, manifest: Digest, is_current: bool) -> Result<Resolved> {
        let pinned = reference.pinned(manifest);
        let kept = plugin::load(&self.store, &manifest)?;
        let mut signatures = self.kept_signatures(&manifest)?;
        let mut decided = self.decide(reference, &manifest, &signatures);
        let must_ask = self.policy.is_some() && (decided.is_err() || kept.is_none());
        if let Some(client) = self.client.as_ref().filter(|_| must_ask) {
            // Before anything is pulled: what the policy refuses does not come into the store.
            signatures = signature::fetch(client, &pinned, &manifest)?;
            decided = self.decide(reference, &manifest, &signatures);
        }
        if self.client.is_none() && decided.is_err() && signatures.is_empty() {
            let problem =
                "the store has no signatures of it, and the policy asks for them; run it once without --offline";
            return Err(Error::refused(reference, problem));
        }
        let signers = decided?;
        let is_new = kept.is_none();
        let plugin = match kept {
            Some(plugin) => plugin,
            None => plugin::pull(self.online(&pinned)?, &self.store, &pinned)?,
        };
        let entry = Entry::of(&plugin, signers.clone().unwrap_or_default())
            .map_err(|problem| Error::refused(reference, problem))?;
        let name = if is_current { reference.clone() } else { pinned.clone() };
        self.record(&name, manifest, signatures, is_new || must_ask)?;
        Ok(Resolved { plugin, reference: Some(pinned), signers, entry })
    }

    /// Notes that a reference is used, and what it names if that is new.
    fn record(&self, reference: &Reference, manifest: Digest, signatures: Vec<Artefact>, is_new: bool) -> Result<()> {
        match self.store.recorded(reference)? {
            Some(record) if !is_new && record.manifest == manifest => self.store.touch(&record),
            _ => {
                let kept = signature::keep(&self.store, &signatures)?;
                self.store.record(reference, manifest, [(manifest, kept)].into())
            }
        }
    }

    /// The plugin of the store that `text`, `sha256:` and at least 12 digits, names by the digest of its manifest or of
    /// its component. One that came with a reference, or in a bundle, is let in by the rule for that.
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
        let mut found: BTreeMap<Digest, Vec<Record>> = BTreeMap::new();
        for record in self.store.records()? {
            let of_bundle = bundle::find(&self.store, &record.manifest)?;
            let plugins =
                of_bundle.map_or_else(|| vec![record.manifest], |found| found.plugins.into_values().collect());
            for manifest in plugins {
                let Some(component) = plugin::component_in(&self.store, &manifest)? else { continue };
                if [manifest, component.digest].iter().any(|digest| digest.hex().starts_with(digits)) {
                    found.entry(manifest).or_default().push(record.clone());
                }
            }
        }
        if found.len() > 1 {
            return Err(wrong(format!("the store has {} such plugins; write more digits", found.len())));
        }
        let Some((manifest, records)) = found.pop_first() else {
            return Err(wrong("the store has no such plugin; `brewer-host plugin list` shows what it has".to_owned()));
        };
        let incomplete = || wrong("the store has its manifest only; pull it again".to_owned());
        let plugin = plugin::load(&self.store, &manifest)?.ok_or_else(incomplete)?;
        let mut refusal = wrong("the store does not say where it is from".to_owned());
        for record in records {
            match self.decide_record(&record) {
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

    /// Brings a bundle into the store, if the policy lets it: with its own signatures, since they alone cover what its
    /// experiments grant.
    ///
    /// # Errors
    /// If the policy refuses it, or if it cannot be had.
    pub fn bundle(&self, reference: &Reference) -> Result<ResolvedBundle> {
        let Some(client) = &self.client else { return self.kept_bundle(reference) };
        let index = client.resolve(reference)?;
        let pinned = reference.pinned(index.digest);
        let of_index = signature::fetch(client, &pinned, &index.digest)?;
        let signers = self.decide(reference, &index.digest, &of_index)?;
        let bundle = bundle::pull(client, &self.store, &pinned)?;
        let signatures = bundle.fetch_signatures(client, &pinned, of_index)?;
        let mut kept = BTreeMap::new();
        for (signed, artefacts) in &signatures {
            kept.insert(*signed, signature::keep(&self.store, artefacts)?);
        }
        self.store.record(reference, bundle.index, kept)?;
        Ok(ResolvedBundle { bundle, reference: Some(pinned), signers, signatures })
    }

    /// A bundle as the store has it.
    fn kept_bundle(&self, reference: &Reference) -> Result<ResolvedBundle> {
        let missing = || Error::input(reference, "the store does not have it; pull it once without --offline");
        let record = self.store.recorded(reference)?.ok_or_else(missing)?;
        let signers = self.decide_record(&record)?;
        let bundle = bundle::open(&self.store, &record.manifest)?;
        let mut signatures = Signatures::new();
        for (signed, manifests) in &record.signatures {
            signatures.insert(*signed, signature::kept(&self.store, manifests)?);
        }
        self.store.touch(&record)?;
        Ok(ResolvedBundle { bundle, reference: Some(reference.pinned(record.manifest)), signers, signatures })
    }

    /// Has the plugins of a bundle, which was decided on, found by the digests of their components.
    ///
    /// # Errors
    /// If one is altered or gone from the store.
    pub fn admit(&mut self, resolved: &ResolvedBundle) -> Result<()> {
        for (name, manifest) in &resolved.bundle.plugins {
            let gone = || Error::refused(manifest, format!("`{name}` is not in the store; pull the bundle again"));
            let plugin = plugin::load(&self.store, manifest)?.ok_or_else(gone)?;
            let wrong = |problem: String| Error::refused(manifest, problem);
            let entry = Entry::of(&plugin, resolved.signers.clone().unwrap_or_default()).map_err(wrong)?;
            let reference = resolved.reference.as_ref().map(|reference| reference.pinned(*manifest));
            let signers = resolved.signers.clone();
            self.admitted.insert(plugin.component, Resolved { plugin, reference, signers, entry });
        }
        Ok(())
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

    /// The signatures of a manifest that came with any reference.
    fn kept_signatures(&self, manifest: &Digest) -> Result<Vec<Artefact>> {
        if self.policy.is_none() {
            return Ok(vec![]);
        }
        let mut manifests: Vec<Digest> = vec![];
        for record in self.store.records()? {
            manifests.extend(record.signatures.get(manifest).into_iter().flatten());
        }
        manifests.sort();
        manifests.dedup();
        signature::kept(&self.store, &manifests)
    }

    fn decide(&self, reference: &Reference, manifest: &Digest, found: &[Artefact]) -> Result<Option<Vec<String>>> {
        let Some(policy) = &self.policy else { return Ok(None) };
        let findings = signature::check(found, manifest, policy.keys());
        Ok(Some(policy.decide(reference, manifest, &findings)?.into_iter().collect()))
    }

    fn decide_record(&self, record: &Record) -> Result<Option<Vec<String>>> {
        let reference: Reference = record.reference.parse()?;
        let manifests = record.signatures.get(&record.manifest).map_or(&[][..], Vec::as_slice);
        self.decide(&reference, &record.manifest, &signature::kept(&self.store, manifests)?)
    }
}

impl ResolvedBundle {
    /// The name of the experiment that is meant: `name`, or the only one.
    ///
    /// # Errors
    /// If there is none, or several and no name.
    pub fn experiment<'b>(&'b self, name: Option<&str>) -> Result<&'b str> {
        let names = self.bundle.files_of(FileKind::Experiment);
        let subject = format!("the bundle {}", self.bundle.index.short());
        match (names.as_slice(), name) {
            ([], _) => Err(Error::input(subject, "it has no experiment")),
            (names, Some(name)) => names.iter().find(|found| **found == name).copied().ok_or_else(|| {
                let problem = format!("it has no experiment `{}`; it has {}", printable(name, 60), names.join(", "));
                Error::input(subject, problem)
            }),
            ([name], None) => Ok(name),
            (names, None) => {
                Err(Error::input(subject, format!("it has the experiments {}; name one", names.join(", "))))
            }
        }
    }
}

impl Client {
    /// What a reference names now: the manifest of a plugin, or the index of a bundle.
    ///
    /// # Errors
    /// If it names nothing, or something else.
    pub fn resolve(&self, reference: &Reference) -> Result<Descriptor> {
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
