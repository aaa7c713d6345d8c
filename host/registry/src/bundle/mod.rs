//! Bundles: several plugins with experiments, a README, a lock and the provenance of a run, under one digest.
//!
//! A bundle is an OCI index. Its first child is the manifest of its contents, whose layers are the files and whose
//! configuration gives the plugins names; the other children are the manifests of the plugins, byte for byte as they
//! were pushed, so that signatures of theirs still hold. The index is written as Go writes one ([`crate::document`]),
//! so that `skopeo copy --all` carries it without changing a digest. A tool that takes one child only takes the first,
//! which says of itself what is missing.
//!
//! The store is where bundles are made and read: [`create`] and [`pull`] put one there, and the files in [`layout`]
//! are copies of what the store has.

pub mod layout;
mod tar;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    Digest, Error, Result, Store,
    document::{Descriptor, Document, IMAGE_MANIFEST, ImageIndex, ImageManifest},
    limits, plugin, printable,
    reference::is_name,
};

pub(crate) use transfer::describe;
pub use transfer::{pull, push};

/// What the contents' manifest is, in its `artifactType`.
const CONTENTS: &str = "application/vnd.brewer.bundle.v1";
const CONFIG: &str = "application/vnd.brewer.bundle.config.v1+json";
/// The annotation of a bundle's index, and its value.
const MARK: (&str, &str) = ("dev.brewer.bundle", "1");
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";

/// What a file of a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A text for people.
    Readme,
    /// An experiment, which `run --bundle` runs.
    Experiment,
    /// What the references in the experiments named.
    Lock,
    /// The provenance of the run that the bundle was made from.
    Provenance,
    /// The numbers of that run.
    Metrics,
}

/// A file on its way into a bundle.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// What the file is.
    pub kind: FileKind,
    /// Letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A bundle whose manifests are in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// What names it: the digest of its index.
    pub index: Digest,
    /// What people call it.
    pub title: String,
    /// The version that its author gave it.
    pub version: Option<String>,
    /// The digests of the plugins' manifests by the plugins' names.
    pub plugins: BTreeMap<String, Digest>,
    files: BTreeMap<String, (FileKind, Descriptor)>,
    /// The index's children.
    children: Vec<Descriptor>,
    /// All blobs of its manifests.
    blobs: Vec<Descriptor>,
}

/// The configuration of the contents.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    plugins: BTreeMap<String, Digest>,
}

impl FileKind {
    const ALL: [Self; 5] = [Self::Readme, Self::Experiment, Self::Lock, Self::Provenance, Self::Metrics];

    fn media_type(self) -> &'static str {
        match self {
            Self::Readme => "text/markdown",
            Self::Experiment => "application/vnd.brewer.experiment.v1+json",
            Self::Lock => "application/vnd.brewer.lock.v1+json",
            Self::Provenance => "application/vnd.in-toto+json",
            Self::Metrics => "application/vnd.brewer.metrics.v1+jsonl",
        }
    }
}

/// Makes a bundle of plugins whose manifests are in the store, by name, and of files. The same parts give the same
/// digest.
///
/// # Errors
/// If there are too many parts, if one has no right name or is too large, if a plugin is not in the store, or if the
/// store cannot be written.
pub fn create(
    store: &Store,
    title: &str,
    version: Option<&str>,
    plugins: &BTreeMap<String, Digest>,
    mut files: Vec<NewFile>,
) -> Result<Bundle> {
    let wrong = |problem: String| Error::input(format!("the bundle `{}`", printable(title, 60)), problem);
    files.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    let mut layers = vec![];
    for file in &files {
        let mut layer = Descriptor::of(file.kind.media_type(), &file.bytes);
        layer.annotations.insert(TITLE.to_owned(), file.name.clone());
        store.put(&file.bytes)?;
        layers.push(layer);
    }
    let config = serde_json::to_vec(&Config { plugins: plugins.clone() }).map_err(|error| wrong(error.to_string()))?;
    let mut contents = ImageManifest::new(Descriptor::of(CONFIG, &config), layers);
    contents.artifact_type = Some(CONTENTS.to_owned());
    let contents = contents.to_bytes().map_err(wrong)?;
    let mut children = vec![Descriptor::of(IMAGE_MANIFEST, &contents)];
    for (name, manifest) in plugins {
        let missing = || wrong(format!("the store has no plugin {manifest}, `{}`", printable(name, 60)));
        let bytes = store.blob(manifest, limits::MANIFEST)?.ok_or_else(missing)?;
        let mut child = Descriptor::of(IMAGE_MANIFEST, &bytes);
        child.annotations.insert(TITLE.to_owned(), name.clone());
        children.push(child);
    }
    let mut index = ImageIndex::new(children);
    index.annotations.insert(MARK.0.to_owned(), MARK.1.to_owned());
    index.annotations.insert(TITLE.to_owned(), title.to_owned());
    index.annotations.extend(version.map(|version| (VERSION.to_owned(), version.to_owned())));
    store.put(&config)?;
    store.put(&contents)?;
    let digest = store.put(&index.to_bytes().map_err(wrong)?)?;
    // What is read of it must be what was meant.
    open(store, &digest).map_err(|error| error.about(format!("the bundle `{}`", printable(title, 60))))
}

/// The bundle with this index, which is in the store with all of its manifests.
///
/// # Errors
/// If it is no bundle, if a manifest is missing or altered, or if what it says does not fit together.
pub fn open(store: &Store, index: &Digest) -> Result<Bundle> {
    let read = |digest: &Digest| {
        let missing = || Error::refused(digest, "it is not in the store; pull the bundle again");
        store.blob(digest, limits::MANIFEST)?.ok_or_else(missing)
    };
    let refused = |problem: String| Error::refused(index, problem);
    let parsed = parse_index(&read(index)?, None).map_err(refused)?;
    let mut manifests = vec![];
    for child in &parsed.manifests {
        manifests.push(read(&child.digest)?);
    }
    let (contents, blobs) = check_children(&parsed, &manifests).map_err(refused)?;
    let missing = || refused("its configuration is not in the store; pull the bundle again".to_owned());
    let config = store.blob(&contents.config.digest, limits::CONFIG)?.ok_or_else(missing)?;
    let plugins = check_config(&parsed, &config).map_err(refused)?;
    Ok(Bundle {
        index: *index,
        title: parsed.annotations.get(TITLE).cloned().unwrap_or_default(),
        version: parsed.annotations.get(VERSION).cloned(),
        plugins,
        files: files(&contents).map_err(refused)?,
        children: parsed.manifests,
        blobs,
    })
}

/// The bundle with this index, if the store has it and it is one.
///
/// # Errors
/// As [`open`].
pub fn find(store: &Store, index: &Digest) -> Result<Option<Bundle>> {
    // One that is gone is none; a pull brings it back.
    let Some(bytes) = store.blob(index, limits::MANIFEST)? else { return Ok(None) };
    match Document::parse(&bytes, None).map_err(|problem| Error::refused(index, problem))? {
        Document::Manifest(_) => Ok(None),
        Document::Index(_) => open(store, index).map(Some),
    }
}

/// Reads the index of a bundle.
fn parse_index(bytes: &[u8], content_type: Option<&str>) -> Result<ImageIndex, String> {
    let index = match Document::parse(bytes, content_type)? {
        Document::Index(index) => index,
        Document::Manifest(manifest) if manifest.artifact_type.as_deref() == Some(CONTENTS) => {
            return Err(
                "it has the contents of a bundle and no plugins: it was copied without them; copy it again with \
                        `skopeo copy --all`"
                    .to_owned(),
            );
        }
        Document::Manifest(_) => return Err("it is one plugin; expected a bundle".to_owned()),
    };
    check_index(&index)?;
    Ok(index)
}

/// Whether an index is that of a bundle.
pub(crate) fn check_index(index: &ImageIndex) -> Result<(), String> {
    if index.annotations.get(MARK.0).map(String::as_str) != Some(MARK.1) {
        return Err(format!("it is an index, but no bundle: it has no annotation `{}`: `{}`", MARK.0, MARK.1));
    }
    if index.manifests.is_empty() || index.manifests.len() > limits::BUNDLE_PLUGINS + 1 {
        let (children, most) = (index.manifests.len(), limits::BUNDLE_PLUGINS + 1);
        return Err(format!("it has {children} children; expected its contents and up to {} plugins", most - 1));
    }
    let mut seen = BTreeSet::new();
    for child in &index.manifests {
        if child.media_type != IMAGE_MANIFEST {
            return Err(format!("a child of it is `{}`; expected {IMAGE_MANIFEST}", printable(&child.media_type, 90)));
        }
        if !seen.insert(child.digest) {
            return Err(format!("it has the child {} twice", child.digest));
        }
    }
    Ok(())
}

/// Checks the manifests of an index's children; returns that of the contents, and all blobs of all of them.
fn check_children(index: &ImageIndex, manifests: &[Vec<u8>]) -> Result<(ImageManifest, Vec<Descriptor>), String> {
    let mut contents = None;
    let mut blobs: Vec<Descriptor> = vec![];
    for (child, bytes) in index.manifests.iter().zip(manifests) {
        if bytes.len() as u64 != child.size {
            return Err(format!("its child {} must have {} bytes, but has {}", child.digest, child.size, bytes.len()));
        }
        let manifest = ImageManifest::parse(bytes, None).map_err(|problem| format!("{}: {problem}", child.digest))?;
        if contents.is_none() {
            files(&manifest)?;
            blobs.extend(manifest.blobs().cloned());
            contents = Some(manifest);
        } else {
            let parts = plugin::parts(&manifest).map_err(|problem| format!("{}: {problem}", child.digest))?;
            blobs.extend(parts.into_iter().cloned());
        }
    }
    let mut sizes = BTreeMap::new();
    for blob in &blobs {
        if let Some(other) = sizes.insert(blob.digest, blob.size).filter(|other| *other != blob.size) {
            return Err(format!("two descriptors of {} differ: {other} bytes and {}", blob.digest, blob.size));
        }
    }
    let total = blobs.iter().fold(0u64, |total, blob| total.saturating_add(blob.size));
    if total > limits::BUNDLE {
        return Err(format!("it has {total} bytes; at most {} are allowed", limits::BUNDLE));
    }
    // `parse_index` refuses an index without children.
    contents.map(|contents| (contents, blobs)).ok_or_else(|| "it has no contents".to_owned())
}

/// Checks the configuration of an index's contents; returns the plugins that it names.
fn check_config(index: &ImageIndex, config: &[u8]) -> Result<BTreeMap<String, Digest>, String> {
    let Config { plugins } = serde_json::from_slice(config).map_err(|error| format!("its configuration: {error}"))?;
    let named: BTreeSet<Digest> = plugins.values().copied().collect();
    let there: BTreeSet<Digest> = index.manifests.iter().skip(1).map(|child| child.digest).collect();
    if named != there || plugins.len() != there.len() {
        return Err("its configuration names other plugins than it has".to_owned());
    }
    match plugins.keys().find(|name| !is_name(name)) {
        Some(name) => Err(format!("`{}` is no name of a plugin", printable(name, 60))),
        None => Ok(plugins),
    }
}

/// The files of the contents by name.
fn files(contents: &ImageManifest) -> Result<BTreeMap<String, (FileKind, Descriptor)>, String> {
    if contents.artifact_type.as_deref() != Some(CONTENTS) {
        return Err(format!("its first child is not {CONTENTS}"));
    }
    if contents.config.media_type != CONFIG || contents.config.size > limits::CONFIG {
        return Err(format!("its configuration is not {CONFIG} of at most {} bytes", limits::CONFIG));
    }
    let mut files = BTreeMap::new();
    for layer in &contents.layers {
        let kind = FileKind::ALL.into_iter().find(|kind| kind.media_type() == layer.media_type);
        let kind = kind.ok_or_else(|| format!("`{}` is no file of a bundle", printable(&layer.media_type, 90)))?;
        let name = layer.annotations.get(TITLE).map_or("", String::as_str);
        if !is_name(name) {
            return Err(format!("`{}` is no name of a file", printable(name, 60)));
        }
        if layer.size > limits::BUNDLE_FILE {
            return Err(format!("{name} has {} bytes; at most {} are allowed", layer.size, limits::BUNDLE_FILE));
        }
        if files.insert(name.to_owned(), (kind, layer.clone())).is_some() {
            return Err(format!("it has two files {name}"));
        }
    }
    Ok(files)
}

impl Bundle {
    /// The names of its files, with what they are.
    pub fn files(&self) -> impl Iterator<Item = (&str, FileKind)> {
        self.files.iter().map(|(name, (kind, _))| (name.as_str(), *kind))
    }

    /// The names of the files of one kind.
    pub fn files_of(&self, kind: FileKind) -> Vec<&str> {
        self.files().filter(|(_, found)| *found == kind).map(|(name, _)| name).collect()
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// If there is none of that name, or if it is altered or gone from the store.
    pub fn file(&self, store: &Store, name: &str) -> Result<Vec<u8>> {
        let missing = || {
            let names: Vec<&str> = self.files.keys().map(String::as_str).collect();
            let problem = format!("it has no file `{}`; it has {}", printable(name, 60), names.join(", "));
            Error::input(format!("the bundle {}", self.index.short()), problem)
        };
        let (_, layer) = self.files.get(name).ok_or_else(missing)?;
        let gone = || Error::refused(layer.digest, format!("{name} is not in the store; pull the bundle again"));
        store.blob(&layer.digest, limits::BUNDLE_FILE)?.ok_or_else(gone)
    }

    /// The size of its blobs together, in bytes.
    pub fn size(&self) -> u64 {
        let distinct: BTreeMap<Digest, u64> = self.blobs.iter().map(|blob| (blob.digest, blob.size)).collect();
        distinct.values().sum()
    }
}
