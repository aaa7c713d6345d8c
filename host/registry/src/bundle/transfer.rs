//! A bundle on its way from a registry and to one, with the signatures of it and of its plugins.

use super::{Bundle, check_children, check_config, open, parse_index};
use crate::{
    Client, Error, Reference, Result, Store,
    document::{IMAGE_INDEX, IMAGE_MANIFEST},
    limits,
    signature::{self, Artefact, Signatures},
};

/// Brings a bundle into the store, whole or not at all. That the reference names it is not recorded yet.
///
/// # Errors
/// If the registry has no such bundle, has something else there, sends other bytes than it names, or fails.
pub fn pull(client: &Client, store: &Store, reference: &Reference) -> Result<Bundle> {
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
    check_config(&index, &config).map_err(refused)?;
    repository.blobs(&blobs, store).map_err(on_the_way)?;
    for manifest in manifests.iter().chain([&found.bytes]) {
        store.put(manifest)?;
    }
    open(store, &found.digest).map_err(on_the_way)
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
    for blob in &bundle.blobs {
        repository.push_blob(&read(&blob.digest, limits::COMPONENT)?).map_err(on_the_way)?;
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

impl Bundle {
    /// The signatures that a registry has of the bundle's plugins, with `of_index`, those of the bundle itself.
    ///
    /// # Errors
    /// If the registry fails or sends other bytes than it names.
    pub fn fetch_signatures(
        &self,
        client: &Client,
        reference: &Reference,
        of_index: Vec<Artefact>,
    ) -> Result<Signatures> {
        let mut signatures = Signatures::from([(self.index, of_index)]);
        for signed in self.plugins.values() {
            signatures.insert(*signed, signature::fetch(client, reference, signed)?);
        }
        signatures.retain(|_, found| !found.is_empty());
        Ok(signatures)
    }
}
