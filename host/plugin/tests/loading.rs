//! What is refused as a plugin, and how it is said.

mod common;

use std::{fs, path::PathBuf};

use brewer::{Adaptor, Fault, PluginError};
use brewer_plugin_host::{Limits, Plugin, PluginAdaptor, PluginOptions, PluginRole};
use common::{batch, component, engine, outputs, student};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, content: &[u8]) -> PathBuf {
        let path = self.0.path().join("plugin.wasm");
        fs::write(&path, content).unwrap();
        path
    }
}

/// Loads a file with this content, which must be refused with a message that holds all of `expected`.
#[track_caller]
fn refused(content: &[u8], expected: &[&str]) {
    let folder = Folder::new();
    let error = Plugin::load(&engine(), folder.file(content), PluginOptions::default()).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    let message = error.to_string();
    assert!(message.contains("plugin.wasm: "), "{message}");
    for part in expected {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[track_caller]
fn refused_text(text: &str, expected: &[&str]) {
    refused(&wat::parse_str(text).unwrap(), expected);
}

fn official() -> Vec<u8> {
    fs::read(component("sequence-classification")).unwrap()
}

/// The official plugin as if it had been built for another version of the contract.
fn for_version(version: &str) -> Vec<u8> {
    let bytes = official();
    let mut changed = bytes.clone();
    for position in 0..bytes.len() - 6 {
        if &bytes[position..position + 6] == b"@0.1.0" {
            changed[position + 1..position + 6].copy_from_slice(version.as_bytes());
        }
    }
    changed
}

#[test]
fn a_plugin_tells_what_it_is() {
    let path = component("sequence-classification");
    let plugin = Plugin::load(&engine(), &path, PluginOptions::default()).unwrap();
    assert_eq!(plugin.name(), "sequence-classification.wasm");
    assert_eq!(plugin.roles(), [PluginRole::Adaptor]);
    assert_eq!(plugin.size(), fs::metadata(&path).unwrap().len());
    assert_eq!(plugin.digest().len(), 64);
    assert_eq!(PluginAdaptor::new(&plugin).unwrap().name(), "plugin sequence-classification.wasm");
}

#[test]
fn what_is_no_component_is_refused_by_name() {
    refused(b"import torch", &["is not WebAssembly"]);
    refused(b"", &["is not WebAssembly"]);
    refused(b"\0asm", &["is damaged or truncated"]);
    refused_text("(module)", &["is a core module, not a component", "brewer-host plugin build"]);
    refused(b"\x7fELF\x02\x01\x01", &["is precompiled machine code, which is never loaded"]);
    let official = official();
    for length in [9, 100, official.len() / 2, official.len() - 1] {
        refused(&official[..length], &["is damaged or truncated"]);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Plugin::load(&engine(), "nowhere/adaptor.wasm", PluginOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("plugin nowhere/adaptor.wasm: cannot be read: "), "{error}");
}

#[test]
fn a_file_above_its_limit_is_refused() {
    let limits = Limits { file_bytes: 1000, ..Limits::default() };
    let options = PluginOptions { limits, ..Default::default() };
    let error = Plugin::load(&engine(), component("sequence-classification"), options).unwrap_err().to_string();
    assert!(error.contains("is larger than 1000 bytes; raise `limits.file_bytes`"), "{error}");
}

#[test]
fn a_component_of_a_hundred_megabytes_is_refused_or_loaded() {
    const HUNDRED_MEGABYTES: usize = 100 << 20;
    // A custom section: a name, and bytes that mean nothing.
    let mut padding = b"\x03pad".to_vec();
    padding.resize(HUNDRED_MEGABYTES, 0);
    let large = with_section(0, &padding);
    refused(&large, &["is larger than 64.0 MiB; raise `limits.file_bytes`"]);
    let limits = Limits { file_bytes: 1 << 30, ..Limits::default() };
    let (folder, options) = (Folder::new(), PluginOptions { limits, ..Default::default() });
    let plugin = Plugin::load(&engine(), folder.file(&large), options).unwrap();
    PluginAdaptor::new(&plugin).unwrap().adapt(&student(0), &batch(), &outputs()).unwrap();
}

/// The official plugin with one more section.
fn with_section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = official();
    bytes.push(id);
    bytes.extend(leb128(content.len()));
    bytes.extend(content);
    bytes
}

/// A number as WebAssembly writes it: seven bits a byte, the lowest first.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = vec![];
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[test]
fn a_component_for_another_contract_is_refused_and_a_later_patch_is_not() {
    refused(&for_version("0.2.0"), &["was built for the contract brewer:plugin@0.2.0", "speaks brewer:plugin@0.1.0"]);
    refused(&for_version("1.0.0"), &["was built for the contract brewer:plugin@1.0.0"]);
    let folder = Folder::new();
    let plugin = Plugin::load(&engine(), folder.file(&for_version("0.1.7")), PluginOptions::default()).unwrap();
    PluginAdaptor::new(&plugin).unwrap().adapt(&student(0), &batch(), &outputs()).unwrap();
}

#[test]
fn a_function_that_this_host_does_not_have_is_named() {
    let newer = r#"(component
        (import "brewer:plugin/tensor@0.1.7" (instance (export "invert-entropy" (func))))
        (instance $adaptor)
        (export "brewer:plugin/adaptor@0.1.7" (instance $adaptor)))"#;
    refused_text(newer, &["does not fit the contract brewer:plugin@0.1.0", "invert-entropy"]);
}

#[test]
fn a_role_with_another_signature_is_refused() {
    let text = r#"(component (instance $adaptor) (export "brewer:plugin/adaptor@0.1.0" (instance $adaptor)))"#;
    refused_text(text, &["does not fit the contract brewer:plugin@0.1.0", "adapt"]);
}

#[test]
fn a_component_without_a_role_is_refused_with_what_it_exports() {
    let text = r#"(component (instance $thing) (export "example:other/thing@1.0.0" (instance $thing)))"#;
    refused_text(text, &["exports no role: it exports `example:other/thing@1.0.0`; roles are `adaptor`"]);
    refused_text("(component)", &["exports no role: it exports nothing"]);
}

#[test]
fn imports_from_elsewhere_are_refused_by_name() {
    refused_text(
        r#"(component (import "env:host/gpu" (instance)))"#,
        &["imports what no plugin is given: `env:host/gpu`"],
    );
    refused_text(
        r#"(component (import "wasi:cli/environment@0.3.0" (instance)) (import "wasi:cli/exit@0.2.6" (instance)))"#,
        &["imports what no plugin is given: `wasi:cli/environment@0.3.0`;", "WASI 0.2, which has no files"],
    );
}

/// The official plugin with a module inside that uses something.
fn with_module(text: &str) -> Vec<u8> {
    with_section(1, &wat::parse_str(text).unwrap())
}

#[test]
fn what_this_host_does_not_run_is_named() {
    let modules = [
        ("(module (memory 1 1 shared))", "threads"),
        ("(module (memory i64 1))", "64-bit memories"),
        ("(module (tag))", "exceptions"),
        ("(module (type (struct (field i32))))", "garbage collection"),
        ("(module (func (param i64 i64) (result i64 i64) local.get 0 local.get 1 i64.mul_wide_s))", "wide arithmetic"),
    ];
    for (text, proposal) in modules {
        let expected = format!("plugin.wasm: uses {proposal} of WebAssembly, which this host does not run");
        refused(&with_module(text), &[&expected]);
    }
    refused(&with_module("(module (memory 1 1 shared) (tag))"), &["uses threads, exceptions of WebAssembly"]);
    // There are more proposals than have a name here; what uses one is not damaged.
    let contexts = wat::parse_str("(component (core func (canon error-context.drop)))").unwrap();
    refused(&with_section(4, &contexts), &["uses a proposal (", "of WebAssembly, which this host does not run"]);
}

#[test]
fn a_part_that_is_too_large_is_named() {
    let locals = format!("(module (func (local {})))", "i32 ".repeat(10_001));
    refused(&with_module(&locals), &["has 10001 locals in one function; at most 10000 are compiled"]);
    let nested = format!("(module (func {}{}))", "block ".repeat(5_001), "end ".repeat(5_001));
    refused(&with_module(&nested), &["has 5001 blocks within each other; at most 5000"]);
    // The names of imports and exports are listed before anything else is done: they are counted before that.
    let mut names = leb128(100_001);
    for number in 0..100_001 {
        let name = format!("n{number}");
        names.extend([&[0, name.len() as u8][..], name.as_bytes(), &[5, 0]].concat());
    }
    refused(&with_section(10, &names), &["imports; at most 100000 are compiled"]);
    let long = format!("(module (func {}))", "i32.const 1000000 drop ".repeat(220_000));
    refused(&with_module(&long), &["bytes in one function; at most 1048576"]);
}

#[test]
fn a_file_that_is_pinned_is_that_file() {
    let path = component("sequence-classification");
    let digest = Plugin::load(&engine(), &path, PluginOptions::default()).unwrap().digest().to_owned();
    let pinned = |sha256: String| {
        Plugin::load(&engine(), &path, PluginOptions { sha256: Some(sha256), ..Default::default() }).map(drop)
    };
    pinned(digest.to_uppercase()).unwrap();
    let other = "0".repeat(64);
    let message = pinned(other.clone()).unwrap_err().to_string();
    assert!(message.contains(&format!("its SHA-256 is {digest}, and `sha256` is {other}")), "{message}");
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    for call_seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = PluginOptions { limits: Limits { call_seconds, ..Limits::default() }, ..Default::default() };
        let error = Plugin::load(&engine(), component("sequence-classification"), options).unwrap_err();
        assert!(error.to_string().contains("the limit `call_seconds` is"), "{error}");
    }
    let error = serde_json::from_str::<Limits>(r#"{ "memory": 5 }"#).unwrap_err().to_string();
    assert!(error.contains("unknown field `memory`") && error.contains("memory_bytes"), "{error}");
    assert_eq!(serde_json::from_str::<Limits>("{}").unwrap(), Limits::default());
}

#[test]
fn a_plugin_that_fails_while_it_starts_is_an_error_of_the_file() {
    let limits = Limits { memory_bytes: 1 << 16, ..Limits::default() };
    let options = PluginOptions { limits, ..Default::default() };
    let plugin = Plugin::load(&engine(), component("sequence-classification"), options).unwrap();
    let error = PluginAdaptor::new(&plugin).err().expect("the plugin started in one page of memory");
    assert_eq!(error.fault(), Fault::Input);
    assert!(error.to_string().contains("`limits.memory_bytes`"), "{error}");
}
