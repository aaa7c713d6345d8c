//! Signatures of plugins and bundles, in cosign's two formats, made and checked with keys alone.
//!
//! A signature is over the digest of a manifest, which covers the plugin whole. `cosign` 1 and 2 look for it at the tag
//! `sha256-HEX.sig`; `cosign` 3 looks for a Sigstore bundle among the referrers of the manifest. [`sign`] writes both,
//! and [`fetch`] finds both: at the referrers API, and at the tag `sha256-HEX` that stands for it where a registry has
//! none. Whoever holds the key may write to the registry, and so may others: what is found is not a signature before a
//! key says so.
//!
//! What was fetched can be kept in the store ([`keep`], [`kept`]), so that it is checked without the registry, and
//! carried to another registry ([`push`]).

mod format;

use std::collections::BTreeMap;

use crate::{
    Client, Digest, Error, ErrorKind, PrivateKey, PublicKey, Reference, Repository, Result, Store,
    document::{Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, ImageIndex, ImageManifest},
    limits, printable,
};

pub use format::{Form, sign_statement};

/// What a registry holds that may be signatures: a manifest and its blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    pub(crate) form: Form,
    pub(crate) bytes: Vec<u8>,
    manifest: ImageManifest,
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
}

/// Signatures by the manifest that they sign.
pub type Signatures = BTreeMap<Digest, Vec<Artefact>>;

/// What a candidate turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which of the formats it is.
    pub form: Form,
    /// Whose it is.
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

impl Artefact {
    /// The bytes of its blobs by digest.
    pub fn blobs(&self) -> &BTreeMap<Digest, Vec<u8>> {
        &self.blobs
    }

    /// How it keeps signatures.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Reads a manifest that may hold signatures; `None` if it is of another kind.
    pub(crate) fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Option<Self>, String> {
        let manifest = ImageManifest::parse(bytes, content_type)?;
        let form = match manifest.layers.as_slice() {
            [layer] if layer.media_type == format::BUNDLE => Form::Bundle,
            layers if layers.iter().any(|layer| layer.media_type == format::PAYLOAD) => Form::Tag,
            _ => return Ok(None),
        };
        Ok(Some(Self { form, bytes: bytes.to_owned(), manifest, blobs: BTreeMap::new() }))
    }

    /// Takes in the blobs that belong to it, as `read` has them; those of all artefacts together are bounded.
    pub(crate) fn fill(&mut self, total: &mut u64, mut read: impl FnMut(&Descriptor) -> Result<Vec<u8>>) -> Result<()> {
        for part in self.manifest.blobs() {
            *total = total.saturating_add(part.size);
            if part.size > limits::SIGNATURE || *total > limits::SIGNATURES {
                let problem = format!("it has {} bytes, which is too many", part.size);
                return Err(Error::refused(format!("signature {}", part.digest), problem));
            }
            let bytes = if part.digest == Digest::of(EMPTY_CONFIG) { EMPTY_CONFIG.to_vec() } else { read(part)? };
            self.blobs.insert(part.digest, bytes);
        }
        Ok(())
    }

    /// What each of its layers is to those who trust `keys`.
    fn check(&self, manifest: &Digest, keys: &BTreeMap<String, PublicKey>) -> Vec<Finding> {
        let mut findings = vec![];
        for layer in &self.manifest.layers {
            // `fill` took in every layer.
            let bytes = self.blobs.get(&layer.digest).map_or(&[][..], Vec::as_slice);
            let verdict = match self.form {
                Form::Bundle => format::check_bundle(bytes, manifest, keys),
                Form::Tag if layer.media_type == format::PAYLOAD => {
                    let beside = layer.annotations.get(format::SIGNATURE).map(String::as_str);
                    format::check_payload(bytes, beside, manifest, keys)
                }
                Form::Tag => continue,
            };
            findings.push(Finding { form: self.form, verdict });
        }
        findings
    }
}

/// All that may be a signature of the manifest.
///
/// # Errors
/// If the registry fails or sends other bytes than it names. What is only no signature is an artefact like all others.
pub fn fetch(client: &Client, reference: &Reference, manifest: &Digest) -> Result<Vec<Artefact>> {
    let repository = client.repository(reference);
    let mut artefacts = vec![];
    for descriptor in referrers(&repository, reference, manifest)? {
        let pinned = reference.at(None, Some(descriptor.digest));
        let Some(found) = present(repository.manifest(&pinned))? else { continue };
        // The registry's word for what it is may be wrong; the layer's own kind counts.
        let Ok(Some(artefact)) = Artefact::parse(&found.bytes, None) else { continue };
        artefacts.extend((artefact.form == Form::Bundle).then_some(artefact));
    }
    let tag = reference.at(Some(signature_tag(manifest)), None);
    if let Some(found) = present(repository.manifest(&tag))? {
        let refused = |problem: String| Error::refused(&tag, problem);
        let artefact = Artefact::parse(&found.bytes, found.content_type.as_deref()).map_err(refused)?;
        artefacts.extend(artefact.filter(|artefact| artefact.form == Form::Tag));
    }
    bounded(artefacts.iter().map(|artefact| artefact.manifest.layers.len()).sum(), &tag)?;
    let mut total = 0;
    for artefact in &mut artefacts {
        artefact.fill(&mut total, |part| repository.small_blob(part))?;
    }
    Ok(artefacts)
}

/// What each signature is to those who trust `keys`, by name.
pub fn check(artefacts: &[Artefact], manifest: &Digest, keys: &BTreeMap<String, PublicKey>) -> Vec<Finding> {
    artefacts.iter().flat_map(|artefact| artefact.check(manifest, keys)).collect()
}

/// Puts signatures into the store; returns the digests of their manifests, by which [`kept`] finds them.
///
/// # Errors
/// If the store cannot be written.
pub fn keep(store: &Store, artefacts: &[Artefact]) -> Result<Vec<Digest>> {
    let mut digests = vec![];
    for artefact in artefacts {
        for blob in artefact.blobs.values() {
            store.put(blob)?;
        }
        digests.push(store.put(&artefact.bytes)?);
    }
    Ok(digests)
}

/// The signatures with these manifests that the store has whole.
///
/// # Errors
/// If one of their files is altered or cannot be read.
pub fn kept(store: &Store, manifests: &[Digest]) -> Result<Vec<Artefact>> {
    let mut artefacts = vec![];
    let mut total = 0;
    for digest in manifests {
        let Some(bytes) = store.blob(digest, limits::MANIFEST)? else { continue };
        let Ok(Some(mut artefact)) = Artefact::parse(&bytes, None) else { continue };
        artefact.fill(&mut total, |part| {
            let gone = || Error::refused(digest, "a part of this signature is not in the store; pull it again");
            store.blob(&part.digest, limits::SIGNATURE)?.ok_or_else(gone)
        })?;
        artefacts.push(artefact);
    }
    Ok(artefacts)
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
    let mut made = vec![];
    if !is_there(Form::Tag) {
        made.push(payload_artefact(reference, &manifest.digest, key)?);
    }
    if !is_there(Form::Bundle) {
        made.push(bundle_artefact(reference, manifest, key)?);
    }
    push(client, reference, &manifest.digest, &made)
}

/// Adds signatures to those that a registry has of a manifest; what is there stays.
///
/// # Errors
/// If the registry refuses them, or fails.
pub fn push(client: &Client, reference: &Reference, manifest: &Digest, artefacts: &[Artefact]) -> Result<()> {
    let repository = client.repository(reference);
    for artefact in artefacts {
        for blob in artefact.blobs.values() {
            repository.push_blob(blob, None)?;
        }
        match artefact.form {
            Form::Tag => add_at_tag(&repository, reference, manifest, artefact)?,
            Form::Bundle => add_referrer(&repository, reference, manifest, artefact)?,
        }
    }
    Ok(())
}

/// A signature for the tag.
fn payload_artefact(reference: &Reference, manifest: &Digest, key: &PrivateKey) -> Result<Artefact> {
    let wrong = |problem: String| Error::input(reference, problem);
    let (payload, signature) = format::sign_payload(reference, manifest, key).map_err(wrong)?;
    let mut layer = Descriptor::of(format::PAYLOAD, &payload);
    layer.annotations.insert(format::SIGNATURE.to_owned(), signature);
    tag_artefact(vec![layer], [(Digest::of(&payload), payload)].into()).map_err(wrong)
}

/// The manifest of the tag's signatures.
fn tag_artefact(layers: Vec<Descriptor>, mut blobs: BTreeMap<Digest, Vec<u8>>) -> Result<Artefact, String> {
    let payloads: Vec<Digest> = layers.iter().map(|layer| layer.digest).collect();
    let config = format::image_config(&payloads);
    let manifest = ImageManifest::new(Descriptor::of(IMAGE_CONFIG_TYPE, &config), layers);
    blobs.insert(Digest::of(&config), config);
    Ok(Artefact { form: Form::Tag, bytes: manifest.to_bytes()?, manifest, blobs })
}

/// A signature as a Sigstore bundle that refers to the manifest.
fn bundle_artefact(reference: &Reference, subject: &Descriptor, key: &PrivateKey) -> Result<Artefact> {
    let wrong = |problem: String| Error::input(reference, problem);
    let bundle = format::sign_bundle(&subject.digest, key).map_err(wrong)?;
    let mut manifest = ImageManifest::new(
        Descriptor::of(EMPTY_CONFIG_TYPE, EMPTY_CONFIG),
        vec![Descriptor::of(format::BUNDLE, &bundle)],
    );
    manifest.artifact_type = Some(format::BUNDLE.to_owned());
    manifest.subject = Some(Descriptor { annotations: BTreeMap::new(), ..subject.clone() });
    manifest.annotations = format::bundle_annotations();
    let blobs = [bundle, EMPTY_CONFIG.to_vec()].map(|blob| (Digest::of(&blob), blob)).into();
    Ok(Artefact { form: Form::Bundle, bytes: manifest.to_bytes().map_err(wrong)?, manifest, blobs })
}

/// Adds to the signatures at the tag.
fn add_at_tag(
    repository: &Repository<'_>,
    reference: &Reference,
    manifest: &Digest,
    artefact: &Artefact,
) -> Result<()> {
    let tag = reference.at(Some(signature_tag(manifest)), None);
    let Some(found) = present(repository.manifest(&tag))? else {
        repository.push_manifest(&tag, &artefact.bytes, IMAGE_MANIFEST)?;
        return Ok(());
    };
    let refused = |problem: String| Error::refused(&tag, problem);
    let mut layers = ImageManifest::parse(&found.bytes, found.content_type.as_deref()).map_err(refused)?.layers;
    let is_new = |layer: &&Descriptor| !layers.contains(layer);
    let new: Vec<Descriptor> = artefact.manifest.layers.iter().filter(is_new).cloned().collect();
    if new.is_empty() {
        return Ok(());
    }
    layers.extend(new);
    bounded(layers.len(), &tag)?;
    let merged = tag_artefact(layers, BTreeMap::new()).map_err(|problem| Error::input(&tag, problem))?;
    for config in merged.blobs.values() {
        repository.push_blob(config, None)?;
    }
    repository.push_manifest(&tag, &merged.bytes, IMAGE_MANIFEST)?;
    Ok(())
}

/// Adds a manifest that refers to another one.
fn add_referrer(
    repository: &Repository<'_>,
    reference: &Reference,
    subject: &Digest,
    artefact: &Artefact,
) -> Result<()> {
    let pinned = reference.at(None, Some(Digest::of(&artefact.bytes)));
    if repository.push_manifest(&pinned, &artefact.bytes, IMAGE_MANIFEST)? {
        return Ok(());
    }
    // The registry does not keep who refers to whom: an index at a tag does, as the specification has it.
    let tag = reference.at(Some(referrers_tag(subject)), None);
    let mut entries = index_at(repository, &tag)?;
    let entry = artefact.entry();
    if entries.iter().any(|there| there.digest == entry.digest) {
        return Ok(());
    }
    entries.push(entry);
    bounded(entries.len(), &tag)?;
    let index = ImageIndex::new(entries).to_bytes().map_err(|problem| Error::input(&tag, problem))?;
    repository.push_manifest(&tag, &index, IMAGE_INDEX)?;
    Ok(())
}

impl Artefact {
    /// How an index of referrers names it.
    pub(crate) fn entry(&self) -> Descriptor {
        Descriptor {
            annotations: self.manifest.annotations.clone(),
            artifact_type: self.manifest.artifact_type.clone(),
            ..Descriptor::of(IMAGE_MANIFEST, &self.bytes)
        }
    }
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

/// The tag of a manifest's signatures in cosign's old form.
pub(crate) fn signature_tag(manifest: &Digest) -> String {
    format!("sha256-{}.sig", manifest.hex())
}

/// The tag that stands for the referrers of a manifest.
pub(crate) fn referrers_tag(manifest: &Digest) -> String {
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
