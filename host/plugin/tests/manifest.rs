//! What a component says of itself, and what follows for what it may do.

mod common;

use std::fs;

use brewer::Adaptor;
use brewer_plugin_host::{Permission, Plugin, PluginAdaptor, PluginOptions, inspect};
use brewer_plugin_kit::manifest::Manifest;
use common::{batch, component, engine, failure, outputs, silent, student};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// The guest of many faces with a manifest.
fn with_manifest(manifest: Value) -> NamedTempFile {
    let manifest: Manifest = serde_json::from_value(manifest).unwrap();
    let component = manifest.embed(fs::read(component("guest-misbehaving")).unwrap()).unwrap();
    let file = NamedTempFile::with_suffix(".wasm").unwrap();
    fs::write(&file, component).unwrap();
    file
}

fn load(file: &NamedTempFile, config: Value, granted: &[Permission]) -> Result<Plugin, String> {
    let permissions = granted.iter().copied().collect();
    let options = PluginOptions { config: Some(config), permissions, log: silent(), ..Default::default() };
    Plugin::load(&engine(), file.path(), options).map_err(|error| error.to_string())
}

#[test]
fn a_plugin_may_do_what_it_asks_for_and_is_granted() {
    let asking = with_manifest(json!({ "name": "a", "version": "1.0.0", "permissions": ["read-values"] }));
    let silent = with_manifest(json!({ "name": "a", "version": "1.0.0" }));
    let reading = |file: &NamedTempFile, granted: &[Permission]| {
        PluginAdaptor::new(&load(file, json!({ "do": "read" }), granted).unwrap()).unwrap()
    };
    reading(&asking, &[Permission::ReadValues]).adapt(&student(0), &batch(), &outputs()).unwrap();
    let message = failure(&mut reading(&asking, &[]));
    assert!(message.contains("`read-values`: the experiment can add it to `permissions`"), "{message}");
    let message = failure(&mut reading(&silent, &[Permission::ReadValues]));
    assert!(message.contains("`read-values`: its manifest does not ask for it"), "{message}");
}

#[test]
fn a_configuration_fits_its_schema() {
    let schema = json!({
        "type": "object",
        "properties": { "do": { "enum": ["behave", "count"] }, "rate": { "type": "number", "maximum": 1 } },
        "required": ["do"],
    });
    let file = with_manifest(json!({ "name": "a", "version": "1.0.0", "config_schema": schema }));
    load(&file, json!({ "do": "behave", "rate": 0.5 }), &[]).unwrap();
    let message = load(&file, json!({ "do": "behave", "rate": 2 }), &[]).unwrap_err();
    assert!(message.contains("cannot be given this `config`: rate: "), "{message}");
    let message = load(&file, json!({}), &[]).unwrap_err();
    assert!(message.contains("\"do\" is a required property"), "{message}");
}

#[test]
fn a_manifest_of_a_stranger_cannot_do_harm() {
    let refused = |manifest: Value, expected: &str| {
        let message = load(&with_manifest(manifest), json!({ "do": "behave" }), &[]).unwrap_err();
        assert!(message.contains("has a broken manifest") && message.contains(expected), "{message}");
    };
    let with = |key: &str, value: Value| {
        let mut manifest = json!({ "name": "a", "version": "1.0.0" });
        manifest[key] = value;
        manifest
    };
    refused(with("permissions", json!(["everything"])), "`everything`, which this host does not know");
    refused(with("config_schema", json!({ "type": "nothing" })), "no JSON Schema");
    refused(with("config_schema", json!({ "$ref": "file:///etc/passwd" })), "no JSON Schema");
    refused(with("config_schema", json!({ "pattern": "(" })), "no JSON Schema");
    refused(json!({ "name": "", "version": "1.0.0" }), "must not be empty");
    // A pattern that takes for ever elsewhere, and a schema that is its own part.
    let pattern = json!({ "properties": { "do": { "pattern": "^(a|a)*(b|b)*$" } } });
    let long = "a".repeat(50_000) + "!";
    assert!(load(&with_manifest(with("config_schema", pattern)), json!({ "do": long }), &[]).is_err());
    let endless = json!({ "$ref": "#" });
    let _ = load(&with_manifest(with("config_schema", endless)), json!({ "do": "behave" }), &[]);
}

#[test]
fn a_component_tells_what_it_is() {
    let file = with_manifest(json!({ "name": "mine", "version": "1.2.3", "license": "MIT" }));
    let inspected = inspect(file.path()).unwrap();
    assert_eq!(inspected.contract, "brewer:plugin@0.1.0");
    assert_eq!(inspected.manifest.unwrap().license.as_deref(), Some("MIT"));
    assert!(inspect(&component("guest-misbehaving")).unwrap().manifest.is_none());
}
