//! What a registry describes artefacts with: manifests, as the OCI image specification has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, limits, printable};

/// The media type of a manifest of one artefact.
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index, which names several manifests.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A blob or manifest that another one names. Fields stand in the order in which Go writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of thing it is, such as `application/wasm`.
    pub media_type: String,
    /// What names it.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// What is said of it, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Of a manifest: the kind of the artefact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// Several manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageIndex {
    pub schema_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a reference can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Document {
    Manifest(Box<ImageManifest>),
    Index(ImageIndex),
}

/// The manifest of one artefact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// 2 in all that there are.
    pub schema_version: u64,
    /// [`IMAGE_MANIFEST`], where it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The kind of the artefact; where it is not said, `config.media_type` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The blob with the configuration of the artefact.
    pub config: Descriptor,
    /// The blobs with its content.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about: what a signature signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// What is said of it, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What tells the kinds of documents apart, read before anything else of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<String>,
    layers: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
}

/// The media type of a document, which it must say itself: in the store nobody else does. `content_type` is what the
/// registry called it; a document that says something else of itself is refused, since two readers could take the same
/// bytes, and the same digest, for two things.
fn media_type(bytes: &[u8], content_type: Option<&str>) -> Result<String, String> {
    let kind: Kind = serde_json::from_slice(bytes).map_err(|error| format!("its manifest is no JSON: {error}"))?;
    if kind.layers.is_some() && kind.manifests.is_some() {
        return Err("its manifest has both `layers` and `manifests`".to_owned());
    }
    let media_type = kind.media_type.ok_or("its manifest does not say what it is: it has no `mediaType`")?;
    // A parameter such as a charset says nothing about the kind.
    let content_type = content_type.map(|text| text.split(';').next().unwrap_or(text).trim());
    if let Some(called) = content_type.filter(|called| *called != media_type) {
        let (called, media_type) = (printable(called, 90), printable(&media_type, 90));
        return Err(format!("the registry calls its manifest {called}, but it calls itself {media_type}"));
    }
    Ok(media_type)
}

impl Document {
    /// Reads a manifest or an index. `content_type` is what the registry called it, if it did.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, String> {
        match media_type(bytes, content_type)?.as_str() {
            IMAGE_INDEX => ImageIndex::parse(bytes, content_type).map(Self::Index),
            _ => ImageManifest::parse(bytes, content_type).map(|manifest| Self::Manifest(Box::new(manifest))),
        }
    }

    /// What it calls itself.
    pub fn media_type(&self) -> &'static str {
        match self {
            Self::Manifest(_) => IMAGE_MANIFEST,
            Self::Index(_) => IMAGE_INDEX,
        }
    }
}

impl Descriptor {
    /// Names these bytes.
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }
}

impl ImageIndex {
    pub(crate) fn new(manifests: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: Some(IMAGE_INDEX.to_owned()), manifests, annotations: BTreeMap::new() }
    }

    /// Reads an index, as [`ImageManifest::parse`] reads a manifest.
    pub(crate) fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, String> {
        let media_type = media_type(bytes, content_type)?;
        if media_type != IMAGE_INDEX {
            return Err(format!("it is `{}`; expected {IMAGE_INDEX}", printable(&media_type, 90)));
        }
        let index: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("the index is not as it must be: {error}"))?;
        let of_manifests = index.manifests.iter().map(|manifest| &manifest.annotations);
        let annotations = of_manifests.chain([&index.annotations]).flatten();
        if annotations.map(|(key, value)| key.len() + value.len()).sum::<usize>() > limits::ANNOTATIONS {
            return Err(format!("its annotations have more than {} bytes", limits::ANNOTATIONS));
        }
        Ok(index)
    }

    /// The bytes that are pushed, as Go's JSON encoder writes them: tools that are written in Go parse an index and
    /// write it again when they copy it, and only bytes of this form keep their digest.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let text = serde_json::to_string(self).map_err(|error| format!("the index cannot be written: {error}"))?;
        // Outside of strings JSON has none of these.
        let escaped =
            [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")];
        Ok(escaped.into_iter().fold(text, |text, (character, code)| text.replace(character, code)).into_bytes())
    }
}

impl ImageManifest {
    pub(crate) fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(IMAGE_MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Reads the manifest of an artefact. `content_type` is what the registry called it, if it did.
    pub(crate) fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, String> {
        match media_type(bytes, content_type)?.as_str() {
            IMAGE_MANIFEST => {}
            IMAGE_INDEX => return Err("it is an index of several artefacts; expected one plugin".to_owned()),
            "application/vnd.docker.distribution.manifest.v2+json" => {
                return Err("it is a Docker image; expected a plugin".to_owned());
            }
            other => return Err(format!("its manifest is `{}`; expected {IMAGE_MANIFEST}", printable(other, 90))),
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("its manifest is not as it must be: {error}"))?;
        if manifest.schema_version != 2 {
            return Err(format!("its manifest has schemaVersion {}; expected 2", manifest.schema_version));
        }
        let of_blobs = manifest.blobs().map(|part| &part.annotations);
        let annotations = of_blobs.chain([&manifest.annotations]).flatten();
        if annotations.map(|(key, value)| key.len() + value.len()).sum::<usize>() > limits::ANNOTATIONS {
            return Err(format!("its annotations have more than {} bytes", limits::ANNOTATIONS));
        }
        Ok(manifest)
    }

    /// The blobs that it consists of.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.layers.iter().chain([&self.config])
    }

    /// The bytes that are pushed; the same manifest gives the same bytes.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| format!("its manifest cannot be written: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> ImageManifest {
        let part = |media_type: &str| Descriptor::of(media_type, b"");
        ImageManifest::new(part("application/vnd.wasm.config.v0+json"), vec![part("application/wasm")])
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = manifest().to_bytes().unwrap();
        assert_eq!(ImageManifest::parse(&bytes, Some("application/vnd.oci.image.manifest.v1+json")), Ok(manifest()));
        assert_eq!(ImageManifest::parse(&bytes, None), Ok(manifest()));
    }

    #[test]
    fn an_index_is_written_as_go_writes_it() {
        let mut index = ImageIndex::new(vec![Descriptor::of(IMAGE_MANIFEST, b"")]);
        index.annotations.insert("title".to_owned(), "a<b> & c".to_owned());
        // Go's `json.Marshal` escapes what HTML would take for a tag.
        let expected = "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[{\"mediaType\":\
                        \"application/vnd.oci.image.manifest.v1+json\",\"digest\":\
                        \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":0}],\"annotations\":\
                        {\"title\":\"a\\u003cb\\u003e \\u0026 c\"}}";
        let bytes = index.to_bytes().unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
        assert_eq!(Document::parse(&bytes, Some(IMAGE_INDEX)), Ok(Document::Index(index)));
    }

    #[test]
    fn a_document_of_two_kinds_is_refused() {
        let text = String::from_utf8(manifest().to_bytes().unwrap()).unwrap();
        let both = text.replacen('{', r#"{"manifests":[],"#, 1);
        let problem = ImageManifest::parse(both.as_bytes(), None).unwrap_err();
        assert!(problem.contains("both `layers` and `manifests`"), "{problem}");
        let problem = ImageManifest::parse(text.as_bytes(), Some(IMAGE_INDEX)).unwrap_err();
        assert!(problem.contains("calls itself application/vnd.oci.image.manifest.v1+json"), "{problem}");
        let problem = ImageManifest::parse(text.replace(":0", ":-1").as_bytes(), None).unwrap_err();
        assert!(problem.contains("not as it must be"), "{problem}");
    }
}
