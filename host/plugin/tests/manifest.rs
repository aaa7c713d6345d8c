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
    let manifest = |key: &str| {
        let mut manifest = json!({ "name": "a", "version": "1.0.0" });
        manifest[key] = json!(["read-values"]);
        with_manifest(manifest)
    };
    let reading = |file: &NamedTempFile, granted: &[Permission]| {
        PluginAdaptor::new(&load(file, json!({ "do": "read" }), granted).unwrap()).unwrap()
    };
    let needing = manifest("permissions");
    reading(&needing, &[Permission::ReadValues]).adapt(&student(0), &batch(), &outputs()).unwrap();
    let message = load(&needing, json!({ "do": "behave" }), &[Permission::Dataset]).unwrap_err();
    assert!(
        message.contains("asks for `read-values` in its manifest and the experiment does not grant it"),
        "{message}"
    );
    assert!(
        message.contains(r#""permissions": ["read-values"]"#) && message.contains("--grant read-values"),
        "{message}"
    );

    let able = manifest("optional_permissions");
    reading(&able, &[Permission::ReadValues]).adapt(&student(0), &batch(), &outputs()).unwrap();
    let message = failure(&mut reading(&able, &[]));
    assert!(message.contains("`read-values`: the experiment can add it to `permissions`"), "{message}");
    let notes = load(&able, json!({ "do": "behave" }), &[Permission::Dataset]).unwrap().permission_notes();
    assert!(notes[0].contains("is granted `dataset` and cannot use it"), "{notes:?}");
    assert!(notes[1].contains("can use `read-values`, which the experiment does not grant"), "{notes:?}");

    let silent = manifest("authors");
    let message = failure(&mut reading(&silent, &[Permission::ReadValues]));
    assert!(message.contains("`read-values`: its manifest does not ask for it"), "{message}");
}

#[test]
fn the_contract_of_a_manifest_is_the_hosts() {
    let with_contract =
        |contract: &str| with_manifest(json!({ "name": "a", "version": "1.0.0", "contract": contract }));
    load(&with_contract("brewer:plugin@0.1.9"), json!({ "do": "behave" }), &[]).unwrap();
    for other in ["brewer:plugin@0.2.0", "another:contract@0.1.0", "brewer:plugin"] {
        let file = with_contract(other);
        let expected = format!("was built for the contract {other}; this host speaks brewer:plugin@0.1.0: rebuild");
        for message in [load(&file, json!({}), &[]).unwrap_err(), inspect(file.path()).unwrap_err().to_string()] {
            assert!(message.contains(&expected), "{message}");
        }
    }
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
    refused(with("config_schema", json!({ "$ref": "file:///etc/passwd" })), "its `$ref` is `file:///etc/passwd`");
    refused(with("permissions", json!(["a\u{202e}\n"])), r"`a\u{202e}\n`, which this host does not know");
    refused(with("config_schema", json!({ "pattern": "(" })), "no JSON Schema");
    refused(json!({ "name": "", "version": "1.0.0" }), "must not be empty");
    // A pattern that takes for ever elsewhere, and a schema that is its own part.
    let pattern = json!({ "properties": { "do": { "pattern": "^(a|a)*(b|b)*$" } } });
    let long = "a".repeat(50_000) + "!";
    assert!(load(&with_manifest(with("config_schema", pattern)), json!({ "do": long }), &[]).is_err());
    refused(with("config_schema", json!({ "$ref": "#" })), "`#` refers to a schema that it is a part of");
    // A schema of two kilobytes that is a million when its references are followed.
    let mut parts = json!({ "20": { "type": "integer" } });
    for step in 0..20 {
        let next = json!({ "$ref": format!("#/$defs/{}", step + 1) });
        parts[step.to_string()] = json!({ "anyOf": [next, next] });
    }
    refused(with("config_schema", json!({ "$ref": "#/$defs/0", "$defs": parts })), "more than 10000 schemas");
    refused(with("config_schema", json!({ "pattern": "^(a{1,500}){1,500}$" })), "no JSON Schema");
}

#[test]
fn a_component_tells_what_it_is() {
    let file = with_manifest(json!({ "name": "mine", "version": "1.2.3", "license": "MIT" }));
    let inspected = inspect(file.path()).unwrap();
    assert_eq!(inspected.contract, "brewer:plugin@0.1.0");
    assert_eq!(inspected.manifest.unwrap().license.as_deref(), Some("MIT"));
    assert!(inspect(&component("guest-misbehaving")).unwrap().manifest.is_none());
}
