//! Files that are no plugin for this host, and what an experiment may not say about one.

use std::fs;

use serde_json::json;

use crate::support::plugin;
use crate::workspace::Workspace;

/// A run with a plugin of this content is refused.
#[track_caller]
fn refuses(content: &[u8], expected: &[&str]) {
    let workspace = Workspace::new();
    workspace.write("adaptor.wasm", content);
    workspace.refuses_to(&["run", "--plugin", "adaptor.wasm"], &[&["plugin ", "adaptor.wasm: "], expected].concat());
    workspace.refuses_to(&["check", "--plugin", "adaptor.wasm"], expected);
}

#[test]
fn a_missing_plugin_is_named() {
    Workspace::new().refuses_to(&["run", "--plugin", "nowhere.wasm"], &["plugin ", "nowhere.wasm: cannot be read"]);
    let plugins = json!({ "adaptor": { "path": "nowhere.wasm" } });
    Workspace::new().with("plugins", plugins).refuses(&["plugin ", "nowhere.wasm: cannot be read"]);
}

#[test]
fn what_is_no_component_is_named() {
    refuses(b"def adaptor(batch, outputs):", &["is not WebAssembly; expected a component"]);
    refuses(b"\0asm\x01\0\0\0", &["is a core module, not a component", "wasm-tools component new"]);
    refuses(b"\x7fELF\x02\x01\x01", &["is precompiled machine code"]);
    let whole = fs::read(plugin("sequence-classification")).unwrap();
    refuses(&whole[..whole.len() / 2], &["is damaged or truncated"]);
}

#[test]
fn a_component_without_a_role_is_refused() {
    refuses(b"\0asm\x0d\0\x01\0", &["exports no role: it exports nothing", "`adaptor`"]);
}

#[test]
fn a_plugin_for_another_contract_says_for_which() {
    let text = fs::read(plugin("sequence-classification")).unwrap();
    let mut changed = text.clone();
    for (position, _) in text.windows(6).enumerate().filter(|(_, window)| window == b"@0.1.0") {
        changed[position..position + 6].copy_from_slice(b"@0.2.0");
    }
    refuses(&changed, &["was built for the contract brewer:plugin@0.2.0", "this host speaks brewer:plugin@0.1."]);
}

#[test]
fn limits_and_permissions_are_known_ones() {
    let specs = [
        (
            json!({ "limits": { "call_second": 1 } }),
            "limits.call_second: unknown key `call_second` (did you mean `call_seconds`?)",
        ),
        (
            json!({ "limits": { "call_seconds": "long" } }),
            "limits.call_seconds: found string \"long\"; expected a number",
        ),
        (json!({ "limits": { "call_seconds": 0 } }), "`call_seconds` is 0; expected more than 0"),
        (json!({ "permissions": ["everything"] }), "unknown value `everything`"),
        (json!({ "limit": {} }), "unknown key `limit` (did you mean `limits`?)"),
    ];
    for (mut spec, expected) in specs {
        spec["path"] = json!(plugin("sequence-classification"));
        Workspace::new().with("plugins", json!({ "adaptor": spec })).refuses(&[expected]);
    }
}

#[test]
fn the_header_names_the_plugin_and_its_digest() {
    let path = plugin("sequence-classification");
    let finished = Workspace::new().start(&["check", "--plugin", path.to_str().unwrap()]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains("plugin sequence-classification.wasm"), "{}", finished.stderr);
}
