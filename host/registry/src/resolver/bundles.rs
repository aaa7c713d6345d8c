//! Bundles that may be used, whole or for one of their plugins.

use std::collections::BTreeMap;

use crate::{
    Bundle, Digest, Error, Reference, Result,
    bundle::{self, FileKind},
    lock::Entry,
    plugin, printable,
    signature::{self, Signatures},
};

use super::{Resolved, Resolver};

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
        let found = [(index.digest, of_index)].into();
        let signers = self.decide(reference, &[index.digest], &found)?;
        let bundle = bundle::pull(client, &self.store, &pinned)?;
        let signatures = bundle.fetch_signatures(client, &pinned, found)?;
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

    /// One plugin of the bundle with this index, which a reference names, currently or by the lock. It is let in by the
    /// rule for the bundle, and by the bundle's signatures or by its own: what the bundle's experiments grant is not asked
    /// for here.
    pub(super) fn of_bundle(
        &self,
        reference: &Reference,
        name: &str,
        index: Digest,
        is_current: bool,
    ) -> Result<Resolved> {
        let whole = reference.whole().pinned(index);
        let (plugins, described) = match bundle::find(&self.store, &index)? {
            Some(kept) => (kept.plugins, None),
            None => {
                let described = bundle::describe(self.online(&whole)?, &whole)?;
                (described.plugins.clone(), Some(described))
            }
        };
        let missing = || {
            let names = plugins.keys().cloned().collect::<Vec<_>>().join(", ");
            Error::input(reference, format!("the bundle has no plugin `{name}`; it has {names}"))
        };
        let manifest = *plugins.get(name).ok_or_else(missing)?;
        let there = plugin::load(&self.store, &manifest)?;
        let mut admission = self.admission(reference, &[manifest, index], there.is_some())?;
        let plugin = match there {
            Some(plugin) => plugin,
            None => {
                admission.is_new = true;
                let client = self.online(&whole)?;
                let described = match described {
                    Some(described) => described,
                    None => bundle::describe(client, &whole)?,
                };
                described.keep(client, &self.store, &whole, Some(&manifest))?;
                let gone = || Error::refused(reference, "it was removed from the store while it was pulled");
                plugin::load(&self.store, &manifest)?.ok_or_else(gone)?
            }
        };
        let entry = Entry::of(&plugin, admission.signers()).map_err(|problem| Error::refused(reference, problem))?;
        let entry = Entry { bundle: Some(index), ..entry };
        let named = if is_current { reference.whole() } else { whole };
        self.record(&named, index, &admission)?;
        Ok(Resolved { plugin, reference: Some(reference.pinned(index)), signers: admission.signers, entry })
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
