//! A bundle on its way from a registry and to one, with the signatures of it and of its plugins.

use std::collections::BTreeMap;

use super::{Bundle, check_children, check_config, open, parse_index};
use crate::{
    Client, Digest, Error, Manifest, Reference, Result, Store,
    document::{Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, ImageManifest},
    limits, plugin,
    signature::{self, Signatures},
};

/// What a registry says that a bundle is: its documents, which fit together, and none of its files.
pub(crate) struct Described {
    index: Manifest,
    /// Those of the index's children, in its order.
    manifests: Vec<Vec<u8>>,
    /// The digests of the plugins' manifests by name.
    pub plugins: BTreeMap<String, Digest>,
    config: Descriptor,
    blobs: Vec<Descriptor>,
}

/// Brings a bundle into the store, whole or not at all. That the reference names it is not recorded yet.
///
/// # Errors
/// If the registry has no such bundle, has something else there, sends other bytes than it names, or fails.
pub fn pull(client: &Client, store: &Store, reference: &Reference) -> Result<Bundle> {
    describe(client, reference)?.keep(client, store, reference, None)
}

/// Asks a registry what a bundle is.
///
/// # Errors
/// As [`pull`].
pub(crate) fn describe(client: &Client, reference: &Reference) -> Result<Described> {
    let repository = client.repository(reference);
    let refused = |problem: String| Error::refused(reference, problem);
    let on_the_way = |error: Error| error.on_the_way_to(reference);
    let found = repository.manifest(reference)?;
    let index = parse_index(&found.bytes, found.content_type.as_deref()).map_err(refused)?;
    let mut manifests = vec![];
    for child in &index.manifests {
        let pinned = reference.at(None, Some(child.digest));
        manifests.push(repository.manifest(&pinned).map_err(on_the_way)?.bytes);
    }
    let (contents, blobs) = check_children(&index, &manifests).map_err(refused)?;
    // Before anything is in its place; it is small, and fetched with the others again.
    let config = repository.small_blob(&contents.config).map_err(on_the_way)?;
    let plugins = check_config(&index, &config).map_err(refused)?;
    Ok(Described { index: found, manifests, plugins, config: contents.config, blobs })
}

impl Described {
    /// Brings it into the store: all of its files, or those alone that the plugin with the manifest `only` needs.
    ///
    /// # Errors
    /// As [`pull`].
    pub fn keep(&self, client: &Client, store: &Store, reference: &Reference, only: Option<&Digest>) -> Result<Bundle> {
        let on_the_way = |error: Error| error.on_the_way_to(reference);
        let mut blobs = self.blobs.clone();
        if let Some(only) = only {
            let manifest = self.manifests.iter().find(|bytes| Digest::of(bytes) == *only);
            let parsed = manifest.map(|bytes| ImageManifest::parse(bytes, None)).transpose();
            let parsed = parsed.map_err(|problem| Error::refused(reference, problem))?;
            blobs = parsed.iter().flat_map(ImageManifest::blobs).chain([&self.config]).cloned().collect();
        }
        client.repository(reference).blobs(&blobs, store).map_err(on_the_way)?;
        for manifest in self.manifests.iter().chain([&self.index.bytes]) {
            store.put(manifest)?;
        }
        open(store, &self.index.digest).map_err(on_the_way)
    }
}

/// Pushes a bundle of the store, and signatures; the tag comes last, when all that it needs is there.
///
/// # Errors
/// If the registry refuses a part of it, or fails; if a part is not in the store.
pub fn push(
    client: &Client,
    store: &Store,
    reference: &Reference,
    bundle: &Bundle,
    signatures: &Signatures,
) -> Result<Reference> {
    reference.check_whole()?;
    if let Some(digest) = reference.digest() {
        let problem = format!("a bundle is pushed to a tag, and its digest follows from it; leave out @{digest}");
        return Err(Error::input(reference, problem));
    }
    let repository = client.repository(reference);
    let on_the_way = |error: Error| error.on_the_way_to(reference);
    let read = |digest, limit| {
        let gone = || Error::refused(reference, format!("its part {digest} is not in the store"));
        store.blob(digest, limit)?.ok_or_else(gone)
    };
    let elsewhere = elsewhere(store, reference, bundle)?;
    for blob in &bundle.blobs {
        let source = elsewhere.get(&blob.digest).map(String::as_str);
        repository.push_blob(&read(&blob.digest, limits::COMPONENT)?, source).map_err(on_the_way)?;
    }
    for child in &bundle.children {
        let pinned = reference.at(None, Some(child.digest));
        repository.push_manifest(&pinned, &read(&child.digest, limits::MANIFEST)?, IMAGE_MANIFEST)?;
    }
    let index = read(&bundle.index, limits::MANIFEST)?;
    repository.push_manifest(&reference.at(None, Some(bundle.index)), &index, IMAGE_INDEX)?;
    for (signed, artefacts) in signatures {
        signature::push(client, reference, signed, artefacts)?;
    }
    repository.push_manifest(reference, &index, IMAGE_INDEX)?;
    Ok(reference.pinned(bundle.index))
}

/// Other repositories of the same registry that have blobs of a bundle, as far as the store knows: plugins that were
/// pulled from there, or the bundle itself.
fn elsewhere(store: &Store, reference: &Reference, bundle: &Bundle) -> Result<BTreeMap<Digest, String>> {
    let mut elsewhere = BTreeMap::new();
    for record in store.records()? {
        let from: Reference = record.reference.parse()?;
        if from.host() != reference.host() || from.repository() == reference.repository() {
            continue;
        }
        let blobs = if record.manifest == bundle.index {
            bundle.blobs.iter().map(|blob| blob.digest).collect()
        } else if bundle.plugins.values().any(|manifest| *manifest == record.manifest) {
            plugin::blobs_in(store, &record.manifest)?
        } else {
            vec![]
        };
        elsewhere.extend(blobs.into_iter().map(|blob| (blob, from.repository().to_owned())));
    }
    Ok(elsewhere)
}

impl Bundle {
    /// The signatures that a registry has of the bundle's plugins, with `of_index`, those of the bundle itself.
    ///
    /// # Errors
    /// If the registry fails or sends other bytes than it names.
    pub fn fetch_signatures(&self, client: &Client, reference: &Reference, of_index: Signatures) -> Result<Signatures> {
        let mut signatures = of_index;
        for signed in self.plugins.values() {
            signatures.insert(*signed, signature::fetch(client, reference, signed)?);
        }
        signatures.retain(|_, found| !found.is_empty());
        Ok(signatures)
    }
}
