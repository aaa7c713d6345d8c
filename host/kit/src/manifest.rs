//! What a plugin says of itself: `plugin.json` beside its source, and a custom section inside the component.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasm_encoder::{ComponentSection, CustomSection, Encode};
use wasmparser::{Parser, Payload};

/// The custom section's name.
pub const SECTION: &str = "brewer:plugin-manifest";

/// More than any manifest needs.
const LARGEST: usize = 256 << 10;

/// A plugin's manifest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What people call it.
    pub name: String,
    /// A semantic version, such as `1.0.0`.
    pub version: String,
    /// Names, or names with addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// An SPDX expression, such as `Apache-2.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// One sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The contract that the component was built for, such as `brewer:plugin@0.1.0`. The build puts it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// What it needs beyond computing with handles: `read-values`, `dataset`, `parameters`. It is not run where the
    /// experiment does not grant all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// What it uses where the experiment grants it, and does without elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional_permissions: Vec<String>,
    /// A JSON Schema of its `config`. `"format": "metric-name"` marks the name of a number that is reported at
    /// checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Value>,
}

impl Manifest {
    /// Reads `plugin.json`, whose keys beside the manifest's are the project's.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let manifest: Self = serde_json::from_slice(text)?;
        if manifest.name.is_empty() || manifest.version.is_empty() {
            bail!("`name` and `version` must not be empty");
        }
        Ok(manifest)
    }

    /// The component with this manifest in it; one that was there is not looked at.
    pub fn embed(&self, mut component: Vec<u8>) -> Result<Vec<u8>> {
        let data = serde_json::to_vec(self).context("the manifest cannot be written")?;
        if data.len() > LARGEST {
            bail!("the manifest has {} bytes; at most {LARGEST} are allowed", data.len());
        }
        let section = CustomSection { name: SECTION.into(), data: data.into() };
        component.push(section.id());
        section.encode(&mut component);
        Ok(component)
    }

    /// The manifest in a component, if there is one.
    ///
    /// # Errors
    /// If there are several, or if it cannot be read.
    pub fn of_component(component: &[u8]) -> Result<Option<Self>> {
        let mut found = None;
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                    if section.data().len() > LARGEST {
                        bail!("it has {} bytes; at most {LARGEST} are allowed", section.data().len());
                    }
                    if found.replace(Self::parse(section.data())?).is_some() {
                        bail!("there are several");
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            name: "mine".into(),
            version: "1.2.3".into(),
            authors: vec!["A. U. Thor".into()],
            ..Default::default()
        }
    }

    #[test]
    fn what_is_embedded_comes_out() {
        let empty = b"\0asm\x0d\0\x01\0".to_vec();
        assert_eq!(Manifest::of_component(&empty).unwrap(), None);
        let component = manifest().embed(empty).unwrap();
        assert_eq!(Manifest::of_component(&component).unwrap(), Some(manifest()));
        let twice = manifest().embed(component).unwrap();
        assert!(Manifest::of_component(&twice).unwrap_err().to_string().contains("several"));
    }

    #[test]
    fn a_manifest_inside_a_module_is_not_the_components() {
        let module = b"\0asm\x01\0\0\0".to_vec();
        let mut module = manifest().embed(module).unwrap();
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.push(1);
        module.len().encode(&mut component);
        component.append(&mut module);
        assert_eq!(Manifest::of_component(&component).unwrap(), None);
    }

    #[test]
    fn keys_are_known_ones() {
        let error = Manifest::parse(br#"{ "name": "a", "version": "1", "licence": "MIT" }"#).unwrap_err();
        assert!(error.to_string().contains("licence"), "{error}");
        assert!(Manifest::parse(br#"{ "name": "", "version": "1" }"#).is_err());
    }
}
