//! Files that are no plugin for this host, and what an experiment may not say about one.

use std::fs;

use brewer_plugin_kit::manifest::Manifest;
use serde_json::{Value, json};

use crate::support::{brewer_host, names_in, plugin, read_json};
use crate::workspace::{Finished, Workspace};

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
        (json!({ "limits": { "call_seconds": "long" } }), "limits.call_seconds: the text \"long\"; expected a number"),
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

#[test]
fn a_plugin_is_known_by_its_bytes() {
    let path = plugin("sequence-classification");
    let mut workspace = Workspace::new().with("plugins", json!({ "adaptor": { "path": path } }));
    workspace.run();
    let inspected = workspace.start(&["plugin", "inspect", path.to_str().unwrap(), "--json"]);
    let digest = serde_json::from_str::<Value>(&inspected.stdout).unwrap()["sha256"].clone();
    let resolved = read_json(&workspace.path("out/experiment.resolved.json"));
    assert_eq!(resolved["plugins"]["adaptor"]["sha256"], digest);

    workspace.set("plugins.adaptor.sha256", digest.clone());
    workspace.run();
    let other = "0123456789abcdef".repeat(4);
    workspace.set("plugins.adaptor.sha256", json!(other));
    let digest = digest.as_str().unwrap();
    workspace.refuses(&["sequence-classification.wasm: is another file", digest, &other]);
    workspace.refuses_to(&["check"], &[digest, &other]);
    workspace.set("plugins.adaptor.sha256", json!("0123"));
    workspace.refuses(&["plugins.adaptor.sha256: \"0123\" is no SHA-256; expected 64 hexadecimal digits"]);
}

#[test]
fn what_a_plugin_needs_and_does_not_get_is_said_before_the_run() {
    let workspace = Workspace::new();
    let manifest = |key: &str| {
        let manifest = json!({ "name": "a", "version": "1.0.0", key: ["read-values"] });
        let manifest: Manifest = serde_json::from_value(manifest).unwrap();
        manifest.embed(fs::read(plugin("guest-misbehaving")).unwrap()).unwrap()
    };
    let mine = ["--plugin", "mine.wasm", "--plugin-config", r#"{ "do": "behave" }"#];
    workspace.write("mine.wasm", manifest("permissions"));
    let expected = ["mine.wasm: asks for `read-values`", "--grant read-values"];
    workspace.refuses_to(&[&["check"], &mine[..]].concat(), &expected);
    workspace.refuses_to(&[&["run"], &mine[..]].concat(), &expected);
    workspace.write("mine.wasm", manifest("optional_permissions"));
    let finished = workspace.start(&[&["check"], &mine[..], &["--grant", "dataset"]].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    for note in ["mine.wasm can use `read-values`", "mine.wasm is granted `dataset` and cannot use it"] {
        assert!(finished.stderr.contains(note), "`{note}`: {}", finished.stderr);
    }
}

#[test]
fn what_a_plugin_says_of_itself_moves_nothing_on_the_screen() {
    let workspace = Workspace::new();
    let manifest = json!({
        "name": "good\u{202e}", "version": "1\r0", "authors": ["a\nsha256  0000"], "description": "\u{1b}[2Jclear",
        "license": "MIT\u{200b}", "config_schema": { "title": "\u{2066}" },
    });
    let manifest: Manifest = serde_json::from_value(manifest).unwrap();
    let component = manifest.embed(fs::read(plugin("guest-misbehaving")).unwrap()).unwrap();
    workspace.write("odd\n\u{202e}.wasm", component);
    let inspected = workspace.start(&["plugin", "inspect", "odd\n\u{202e}.wasm"]);
    let expected =
        [r"good\u{202e} 1\r0", r"a\nsha256  0000", r"\u{1b}[2Jclear", r"MIT\u{200b}", r#""title": "\u2066""#];
    for shown in expected {
        assert!(inspected.stdout.contains(shown), "`{shown}`: {}", inspected.stdout);
    }
    let is_plain = |text: &str| text.chars().all(|symbol| symbol == '\n' || !symbol.is_control() && symbol.is_ascii());
    let json = workspace.start(&["plugin", "inspect", "odd\n\u{202e}.wasm", "--json"]);
    assert!(is_plain(&inspected.stdout) && is_plain(&json.stdout), "{}{}", inspected.stdout, json.stdout);
    assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap()["manifest"]["name"], "good\u{202e}");
    workspace.write("odd\n\u{202e}.wasm", "nothing");
    workspace.refuses_to(&["run", "--plugin", "odd\n\u{202e}.wasm"], &[r"odd\n\u{202e}.wasm: is not WebAssembly"]);
}

/// The official adaptor with a function inside that takes long to compile: many locals that live through many branches.
fn slow_to_compile() -> Vec<u8> {
    let locals = 5_000;
    let mut body = String::new();
    for branch in 0..40_000 {
        let [condition, from, to] = [7, 13, 29].map(|factor| branch * factor % locals);
        body.push_str(&format!("local.get {condition} if local.get {from} local.set {to} end "));
    }
    let locals = "i32 ".repeat(locals);
    let module = wat::parse_str(format!("(module (func (export \"f\") (local {locals}) {body}))")).unwrap();
    let mut bytes = fs::read(plugin("sequence-classification")).unwrap();
    bytes.push(1);
    let mut length = module.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(module);
    bytes
}

#[test]
fn compiling_takes_no_more_than_its_limits() {
    let workspace = Workspace::new();
    workspace.write("slow.wasm", slow_to_compile());
    let limited = |limit: &str, expected: &[&str]| {
        let arguments = ["check", "--plugin", "slow.wasm", "--plugin-limit", limit];
        workspace.refuses_to(&arguments, expected);
    };
    limited("compile_seconds=1", &["slow.wasm: cannot be compiled: it takes too long", "`limits.compile_seconds`"]);
    limited(
        "compile_bytes=60000000",
        &["slow.wasm: cannot be compiled: it takes too much memory", "`limits.compile_bytes`"],
    );
}

#[test]
fn compiled_code_can_be_looked_at_and_removed() {
    let workspace = Workspace::new();
    let start = |arguments: &[&str]| {
        workspace.write("experiment.json", workspace.experiment.to_string());
        let mut command = brewer_host(&workspace.path(""));
        let finished =
            Finished::new(command.args(arguments).env("BREWER_CACHE_DIR", workspace.path("cache")).output().unwrap());
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        finished
    };
    assert!(start(&["plugin", "cache"]).stdout.contains("in 0 entries in cache/plugins"));
    let path = plugin("early-stopping");
    let inspected: Value =
        serde_json::from_str(&start(&["plugin", "inspect", path.to_str().unwrap(), "--json"]).stdout).unwrap();
    workspace.write("cases.json", json!({ "cases": [] }).to_string());
    start(&["plugin", "test", path.to_str().unwrap(), "--cases", "cases.json"]);
    let shown = start(&["plugin", "cache"]).stdout;
    assert!(shown.contains(inspected["sha256"].as_str().unwrap()) && shown.contains("in 1 entry"), "{shown}");
    assert!(start(&["plugin", "cache", "--clear"]).stdout.contains("in 1 entry removed from cache/plugins"));
    assert!(names_in(&workspace.path("cache/plugins")).is_empty());
}
