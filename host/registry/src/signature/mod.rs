//! Signatures of plugins, in cosign's two formats, made and checked with keys alone.
//!
//! A signature is over the digest of a manifest, which covers the plugin whole. `cosign` 1 and 2 look for it at the tag
//! `sha256-HEX.sig`; `cosign` 3 looks for a Sigstore bundle among the referrers of the manifest. [`sign`] writes both,
//! and [`fetch`] finds both: at the referrers API, and at the tag `sha256-HEX` that stands for it where a registry has
//! none. Whoever holds the key may write to the registry, and so may others: what is found is not a signature before a
//! key says so.

mod format;

use std::collections::BTreeMap;

use crate::{
    Client, Digest, Error, ErrorKind, PrivateKey, PublicKey, Reference, Repository, Result,
    document::{Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, ImageIndex, ImageManifest},
    limits, printable,
};

pub use format::Form;

/// What the registry holds that may be a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    form: Form,
    /// The bytes of the payload or of the bundle.
    bytes: Vec<u8>,
    /// The signature, where it stands beside the payload.
    beside: Option<String>,
}

/// What a candidate turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub form: Form,
    pub verdict: Verdict,
}

/// Who signed, if anybody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The owner of the key with this name, and over this manifest.
    SignedBy(String),
    /// Somebody whose key is not among those that were given.
    Unknown,
    /// Nobody: what is wrong with it.
    Invalid(String),
}

const EMPTY_CONFIG: &[u8] = b"{}";
const EMPTY_CONFIG_TYPE: &str = "application/vnd.oci.empty.v1+json";
const IMAGE_CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// All that may be a signature of the manifest.
///
/// # Errors
/// If the registry fails or sends other bytes than it names. What is only no signature is a candidate like all others.
pub fn fetch(client: &Client, reference: &Reference, manifest: &Digest) -> Result<Vec<Candidate>> {
    let repository = client.repository(reference);
    let mut candidates = vec![];
    let mut total = 0;
    for descriptor in referrers(&repository, reference, manifest)? {
        let pinned = reference.at(None, Some(descriptor.digest));
        let Some(found) = present(repository.manifest(&pinned))? else { continue };
        // The registry's word for what it is may be wrong; the layer's own kind counts.
        let Ok(referrer) = ImageManifest::parse(&found.bytes, None) else { continue };
        let [layer] = referrer.layers.as_slice() else { continue };
        if layer.media_type == format::BUNDLE {
            let bytes = small_blob(&repository, layer, &mut total)?;
            candidates.push(Candidate { form: Form::Bundle, bytes, beside: None });
        }
    }
    let tag = reference.at(Some(signature_tag(manifest)), None);
    if let Some(found) = present(repository.manifest(&tag))? {
        let refused = |problem: String| Error::refused(&tag, problem);
        let signatures = ImageManifest::parse(&found.bytes, found.content_type.as_deref()).map_err(refused)?;
        bounded(signatures.layers.len(), &tag)?;
        for layer in &signatures.layers {
            if layer.media_type == format::PAYLOAD {
                let bytes = small_blob(&repository, layer, &mut total)?;
                let beside = layer.annotations.get(format::SIGNATURE).cloned();
                candidates.push(Candidate { form: Form::Tag, bytes, beside });
            }
        }
    }
    Ok(candidates)
}

/// What each candidate is to those who trust `keys`, by name.
pub fn check(candidates: &[Candidate], manifest: &Digest, keys: &BTreeMap<String, PublicKey>) -> Vec<Finding> {
    let verdict = |candidate: &Candidate| match candidate.form {
        Form::Bundle => format::check_bundle(&candidate.bytes, manifest, keys),
        Form::Tag => format::check_payload(&candidate.bytes, candidate.beside.as_deref(), manifest, keys),
    };
    candidates.iter().map(|candidate| Finding { form: candidate.form, verdict: verdict(candidate) }).collect()
}

/// Signs the manifest that a reference names, in both formats; where the key has signed it already, nothing is added.
///
/// # Errors
/// If the registry refuses the signatures, or fails.
pub fn sign(client: &Client, reference: &Reference, manifest: &Descriptor, key: &PrivateKey) -> Result<()> {
    let keys = BTreeMap::from([("the key".to_owned(), key.public().clone())]);
    let findings = check(&fetch(client, reference, &manifest.digest)?, &manifest.digest, &keys);
    let is_there =
        |form| findings.iter().any(|found| found.form == form && matches!(found.verdict, Verdict::SignedBy(_)));
    let repository = client.repository(reference);
    if !is_there(Form::Tag) {
        sign_at_tag(&repository, reference, manifest, key)?;
    }
    if !is_there(Form::Bundle) {
        sign_as_referrer(&repository, reference, manifest, key)?;
    }
    Ok(())
}

/// Adds to the signatures at the tag; those that are there stay.
fn sign_at_tag(
    repository: &Repository<'_>,
    reference: &Reference,
    manifest: &Descriptor,
    key: &PrivateKey,
) -> Result<()> {
    let tag = reference.at(Some(signature_tag(&manifest.digest)), None);
    let wrong = |problem: String| Error::input(&tag, problem);
    let (payload, signature) = format::sign_payload(reference, &manifest.digest, key).map_err(wrong)?;
    let mut layers = match present(repository.manifest(&tag))? {
        Some(found) => {
            let refused = |problem: String| Error::refused(&tag, problem);
            ImageManifest::parse(&found.bytes, found.content_type.as_deref()).map_err(refused)?.layers
        }
        None => vec![],
    };
    bounded(layers.len() + 1, &tag)?;
    let mut layer = Descriptor::of(format::PAYLOAD, &payload);
    layer.annotations.insert(format::SIGNATURE.to_owned(), signature);
    layers.push(layer);
    let payloads: Vec<Digest> = layers.iter().map(|layer| layer.digest).collect();
    let config = format::image_config(&payloads);
    let signatures = ImageManifest::new(Descriptor::of(IMAGE_CONFIG_TYPE, &config), layers);
    repository.push_blob(&payload)?;
    repository.push_blob(&config)?;
    repository.push_manifest(&tag, &signatures.to_bytes().map_err(wrong)?, IMAGE_MANIFEST)?;
    Ok(())
}

/// Adds a Sigstore bundle that refers to the manifest.
fn sign_as_referrer(
    repository: &Repository<'_>,
    reference: &Reference,
    manifest: &Descriptor,
    key: &PrivateKey,
) -> Result<()> {
    let wrong = |problem: String| Error::input(reference, problem);
    let bundle = format::sign_bundle(&manifest.digest, key).map_err(wrong)?;
    let annotations = format::bundle_annotations();
    let mut referrer = ImageManifest::new(
        Descriptor::of(EMPTY_CONFIG_TYPE, EMPTY_CONFIG),
        vec![Descriptor::of(format::BUNDLE, &bundle)],
    );
    referrer.artifact_type = Some(format::BUNDLE.to_owned());
    referrer.subject = Some(Descriptor { annotations: BTreeMap::new(), ..manifest.clone() });
    referrer.annotations = annotations.clone();
    let bytes = referrer.to_bytes().map_err(wrong)?;
    repository.push_blob(&bundle)?;
    repository.push_blob(EMPTY_CONFIG)?;
    let pinned = reference.at(None, Some(Digest::of(&bytes)));
    if repository.push_manifest(&pinned, &bytes, IMAGE_MANIFEST)? {
        return Ok(());
    }
    // The registry does not keep who refers to whom: an index at a tag does, as the specification has it.
    let tag = reference.at(Some(referrers_tag(&manifest.digest)), None);
    let mut entries = index_at(repository, &tag)?;
    bounded(entries.len() + 1, &tag)?;
    let mut entry = Descriptor { annotations, ..Descriptor::of(IMAGE_MANIFEST, &bytes) };
    entry.artifact_type = Some(format::BUNDLE.to_owned());
    entries.push(entry);
    let index = ImageIndex::new(entries).to_bytes().map_err(wrong)?;
    repository.push_manifest(&tag, &index, IMAGE_INDEX)?;
    Ok(())
}

/// Who refers to the manifest, as the registry says and as the tag says: either may be missing or behind.
fn referrers(repository: &Repository<'_>, reference: &Reference, manifest: &Digest) -> Result<Vec<Descriptor>> {
    let mut entries = repository.referrers(manifest)?;
    let tag = reference.at(Some(referrers_tag(manifest)), None);
    entries.extend(index_at(repository, &tag)?);
    entries.sort_by_key(|entry| entry.digest);
    entries.dedup_by_key(|entry| entry.digest);
    bounded(entries.len(), reference)?;
    Ok(entries)
}

fn index_at(repository: &Repository<'_>, tag: &Reference) -> Result<Vec<Descriptor>> {
    let Some(found) = present(repository.manifest(tag))? else { return Ok(vec![]) };
    let refused = |problem: String| Error::refused(tag, problem);
    Ok(ImageIndex::parse(&found.bytes, found.content_type.as_deref()).map_err(refused)?.manifests)
}

/// `None` for what the registry does not have.
fn present<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The bytes of a signature; all of one plugin's together are bounded.
fn small_blob(repository: &Repository<'_>, layer: &Descriptor, total: &mut u64) -> Result<Vec<u8>> {
    *total = total.saturating_add(layer.size);
    if layer.size > limits::SIGNATURE || *total > limits::SIGNATURES {
        let (digest, size) = (layer.digest, layer.size);
        return Err(Error::refused(format!("signature {digest}"), format!("it has {size} bytes, which is too many")));
    }
    repository.small_blob(layer)
}

fn bounded(count: usize, what: &Reference) -> Result<()> {
    if count > limits::REFERRERS {
        let limit = limits::REFERRERS;
        return Err(Error::refused(
            what,
            format!("there are {count} signatures and the like; at most {limit} are looked at"),
        ));
    }
    Ok(())
}

fn signature_tag(manifest: &Digest) -> String {
    format!("sha256-{}.sig", manifest.hex())
}

fn referrers_tag(manifest: &Digest) -> String {
    format!("sha256-{}", manifest.hex())
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.verdict {
            Verdict::SignedBy(name) => write!(formatter, "signed by {} ({})", printable(name, 90), self.form),
            Verdict::Unknown => write!(formatter, "signed by an unknown key ({})", self.form),
            Verdict::Invalid(problem) => {
                write!(formatter, "not a signature: {} ({})", printable(problem, 200), self.form)
            }
        }
    }
}
