//! A plugin in a registry: the ecosystem's Wasm artefact, a manifest with one layer, the component.

use std::collections::BTreeMap;

use brewer_plugin_kit::{component::interfaces, manifest::Manifest as PluginManifest};
use serde_json::json;

use crate::{
    Client, Digest, Error, Reference, Result, Store,
    document::{Descriptor, IMAGE_MANIFEST, ImageManifest},
    limits, printable,
};

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const COMPONENT: &str = "application/wasm";
/// What Spin and Kubewarden called a component before there was a common form.
const OLD_COMPONENT: &str = "application/vnd.wasm.content.layer.v1+wasm";

const ANNOTATION: &str = "org.opencontainers.image.";

/// A plugin from the store: bytes that were checked, to be used as they are here.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// The manifest's digest, which the registry knows the plugin by.
    pub manifest: Digest,
    /// The component's digest.
    pub component: Digest,
    /// The component.
    pub bytes: Vec<u8>,
    /// What is odd about it, to be told.
    pub warnings: Vec<String>,
}

/// What was pushed.
#[derive(Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The reference with the manifest's digest.
    pub reference: Reference,
    /// Whether the registry had the component before.
    pub was_there: bool,
}

/// Brings a plugin from its registry into the store. That the reference names it is not recorded yet: it may turn out
/// to be no plugin after all.
///
/// # Errors
/// If the registry has no such plugin, has something else there, sends other bytes than it names, or fails.
pub fn pull(client: &Client, store: &Store, reference: &Reference) -> Result<Plugin> {
    let repository = client.repository(reference);
    let manifest = repository.manifest(reference)?;
    let refused = |problem: String| Error::refused(reference, problem);
    let parsed = ImageManifest::parse(&manifest.bytes, manifest.content_type.as_deref()).map_err(refused)?;
    let parts = parts(&parsed).map_err(refused)?;
    repository.blobs(parts, store).map_err(|error| error.on_the_way_to(reference))?;
    store.put(&manifest.bytes)?;
    let gone = || Error::refused(reference, "it was removed from the store while it was pulled");
    load(store, &manifest.digest)?.ok_or_else(gone)
}

/// The blobs of a plugin's manifest: configuration and component, neither larger than it may be.
pub(crate) fn parts(manifest: &ImageManifest) -> Result<[&Descriptor; 2], String> {
    let layer = component(manifest)?;
    for (part, limit) in [(&manifest.config, limits::CONFIG), (layer, limits::COMPONENT)] {
        if part.size > limit {
            let (size, media_type) = (part.size, printable(&part.media_type, 90));
            return Err(format!("its {media_type} has {size} bytes; at most {limit} are allowed"));
        }
    }
    if manifest.config.digest == layer.digest {
        return Err("its component and its configuration are one blob".to_owned());
    }
    Ok([&manifest.config, layer])
}

/// Puts a component into the store as [`push`] would put it into a registry, and returns its manifest's digest.
///
/// # Errors
/// If it is no component, or if the store cannot be written.
pub fn add(store: &Store, component: &[u8]) -> Result<Digest> {
    let wrong = |problem: String| Error::input("the plugin", problem);
    let (manifest, config) = describe(component, &BTreeMap::new(), 0).map_err(wrong)?;
    store.put(component)?;
    store.put(&config)?;
    store.put(&manifest.to_bytes().map_err(wrong)?)
}

/// The plugin with this manifest, if the store has all of it.
///
/// # Errors
/// If the manifest or the component is altered, or if it is no plugin.
pub fn load(store: &Store, manifest: &Digest) -> Result<Option<Plugin>> {
    let refused = |problem: String| Error::refused(manifest, problem);
    let Some(parsed) = manifest_in(store, manifest)? else { return Ok(None) };
    let layer = component(&parsed).map_err(refused)?;
    let Some(bytes) = store.blob(&layer.digest, limits::COMPONENT)? else { return Ok(None) };
    let warnings = oddities(&parsed, layer, &bytes);
    Ok(Some(Plugin { manifest: *manifest, component: layer.digest, bytes, warnings }))
}

/// What a plugin's manifest says of its component, if the store has the manifest.
///
/// # Errors
/// As [`load`].
pub fn component_in(store: &Store, manifest: &Digest) -> Result<Option<Descriptor>> {
    let Some(parsed) = manifest_in(store, manifest)? else { return Ok(None) };
    component(&parsed).map(|layer| Some(layer.clone())).map_err(|problem| Error::refused(manifest, problem))
}

/// The blobs that a plugin's manifest names; none if the store does not have the manifest.
pub(crate) fn blobs_in(store: &Store, manifest: &Digest) -> Result<Vec<Digest>> {
    let parsed = manifest_in(store, manifest)?;
    Ok(parsed.iter().flat_map(ImageManifest::blobs).map(|blob| blob.digest).collect())
}

fn manifest_in(store: &Store, manifest: &Digest) -> Result<Option<ImageManifest>> {
    let Some(bytes) = store.blob(manifest, limits::MANIFEST)? else { return Ok(None) };
    ImageManifest::parse(&bytes, None).map(Some).map_err(|problem| Error::refused(manifest, problem))
}

/// Pushes a component. The same component gives the same manifest, and so the same digest, whoever pushes it and when.
///
/// # Errors
/// If it is no component, if the registry refuses it, or if it fails.
pub fn push(
    client: &Client,
    reference: &Reference,
    component: &[u8],
    annotations: &BTreeMap<String, String>,
    created: u64,
) -> Result<Pushed> {
    reference.check_whole()?;
    if let Some(digest) = reference.digest() {
        let problem = format!("a plugin is pushed to a tag, and its digest follows from it; leave out @{digest}");
        return Err(Error::input(reference, problem));
    }
    let wrong = |problem: String| Error::input(reference, problem);
    let (manifest, config) = describe(component, annotations, created).map_err(wrong)?;
    let bytes = manifest.to_bytes().map_err(wrong)?;
    let repository = client.repository(reference);
    let about = |error: Error| error.on_the_way_to(reference);
    let was_there = !repository.push_blob(component, None).map_err(about)?;
    repository.push_blob(&config, None).map_err(about)?;
    repository.push_manifest(reference, &bytes, IMAGE_MANIFEST)?;
    Ok(Pushed { reference: reference.pinned(Digest::of(&bytes)), was_there })
}

/// The manifest and the configuration for a component.
fn describe(
    component: &[u8],
    more: &BTreeMap<String, String>,
    created: u64,
) -> Result<(ImageManifest, Vec<u8>), String> {
    let interfaces = interfaces(component).map_err(|error| format!("the component is damaged: {error}"))?;
    let said = PluginManifest::of_component(component).map_err(|error| format!("the plugin's manifest: {error:#}"))?;
    let config = json!({
        "created": rfc3339(created),
        "author": null,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [Digest::of(component)],
        "component": { "exports": interfaces.exports, "imports": interfaces.imports, "target": null },
    })
    .to_string()
    .into_bytes();
    let mut annotations = BTreeMap::new();
    let mut file = "plugin.wasm".to_owned();
    if let Some(said) = said {
        file = format!("{}.wasm", said.name);
        let mut annotate = |key: &str, value: String| annotations.insert(format!("{ANNOTATION}{key}"), value);
        annotate("title", said.name);
        annotate("version", said.version);
        if !said.authors.is_empty() {
            annotate("authors", said.authors.join(", "));
        }
        if let Some(license) = said.license {
            annotate("licenses", license);
        }
        if let Some(description) = said.description {
            annotate("description", description);
        }
    }
    annotations.extend(more.clone());
    let mut layer = Descriptor::of(COMPONENT, component);
    layer.annotations.insert(format!("{ANNOTATION}title"), file);
    let mut manifest = ImageManifest::new(Descriptor::of(CONFIG, &config), vec![layer]);
    manifest.annotations = annotations;
    Ok((manifest, config))
}

/// The component among the parts of a manifest: its only layer. The configuration says nothing that the component does
/// not say better, so other tools may write whatever they like there.
fn component(manifest: &ImageManifest) -> Result<&Descriptor, String> {
    let layer = match manifest.layers.as_slice() {
        [layer] => layer,
        layers => return Err(format!("it has {} layers; a plugin has one, the component", layers.len())),
    };
    match layer.media_type.as_str() {
        COMPONENT | OLD_COMPONENT => Ok(layer),
        other => Err(format!("its layer is `{}`; expected {COMPONENT}", printable(other, 90))),
    }
}

/// What is odd about a plugin, and no reason to refuse it.
fn oddities(manifest: &ImageManifest, layer: &Descriptor, component: &[u8]) -> Vec<String> {
    let mut oddities = vec![];
    if layer.media_type == OLD_COMPONENT {
        oddities.push(format!("its layer is of the old kind {OLD_COMPONENT}; push it again"));
    }
    // A manifest that cannot be read is an error of its own where the component is looked at.
    if let Ok(Some(said)) = PluginManifest::of_component(component) {
        for (key, truth) in [("title", said.name), ("version", said.version)] {
            let annotated = manifest.annotations.get(&format!("{ANNOTATION}{key}")).filter(|text| **text != truth);
            oddities.extend(annotated.map(|text| {
                let (text, truth) = (printable(text, 90), printable(&truth, 90));
                format!("the registry calls its {key} `{text}`; the component says `{truth}`, and that counts")
            }));
        }
    }
    oddities
}

/// A time in seconds since 1970, in UTC: `1970-01-01T00:00:00Z`.
pub fn rfc3339(seconds: u64) -> String {
    // Days since the first of March of the year 0, when leap days stand at the end of years (Howard Hinnant).
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_calendar() {
        // As `date -u -d @N` has them.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn a_component_has_one_description() {
        let said = PluginManifest { name: "mine".into(), version: "1.0.0".into(), ..PluginManifest::default() };
        let component = said.embed(b"\0asm\x0d\0\x01\0".to_vec()).unwrap();
        let (manifest, config) = describe(&component, &BTreeMap::new(), 0).unwrap();
        assert_eq!(describe(&component, &BTreeMap::new(), 0).unwrap(), (manifest.clone(), config.clone()));
        assert_eq!(manifest.annotations["org.opencontainers.image.version"], "1.0.0");
        assert_eq!(manifest.layers[0].annotations["org.opencontainers.image.title"], "mine.wasm");
        assert_eq!(manifest.config.digest, Digest::of(&config));
        assert_eq!(component_of(&manifest), Digest::of(&component));
    }

    fn component_of(manifest: &ImageManifest) -> Digest {
        component(manifest).unwrap().digest
    }
}
