//! Disks that fill while signatures, the lock or a bundle is written: one error that names the file, nothing that is half
//! written, and what was there as it was.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::authoring::finished;
use crate::bundled::push_suite;
use crate::debian_registry::Running;
use crate::sharing::{Machine, experiment};
use crate::support::{names_in, plugin};
use crate::workspace::{contents, under};

/// The command fails where no file may grow beyond so many blocks, of 512 or 1024 bytes by the shell, and says this of
/// the file. What is in `folder` stays as it is.
#[track_caller]
fn fails(machine: &Machine<'_>, folder: &Path, blocks: u32, arguments: &[&str], file: &str) {
    let (names, before) = (names_in(folder), contents(folder));
    let script = format!(r#"trap "" XFSZ; ulimit -f {blocks}; exec "$@""#);
    let refused = finished(&mut under(&script, &machine.command(folder, arguments)));
    refused.check_failure(1, &[file, "File too large"]);
    let last = refused.stderr.lines().last().unwrap();
    assert!(last.starts_with("error: ") && last.matches("File too large").count() == 1, "{}", refused.stderr);
    assert!(!refused.stderr.contains(" at path "), "a temporary file is nobody's matter: {}", refused.stderr);
    assert_eq!(names_in(folder), names);
    assert!(contents(folder) == before);
}

#[test]
fn signatures_without_room_are_not_half_kept() {
    let registry = Running::start("", |_| {});
    let me = Machine::new(&registry, "me");
    let reference = me.reference("team/mine:1");
    me.run(&me.folder, &["plugin", "keygen", "--output-key-prefix", "team"]);
    let pinned = me.push(&plugin("sequence-classification"), &reference, &["--sign", "team.key"]);
    let manifest = pinned.rsplit_once('@').unwrap().1;
    let here = me.folder.join("here");
    fs::create_dir(&here).unwrap();
    let policy = json!({
        "version": 1, "default": "refuse", "keys": { "team": { "file": me.folder.join("team.pub") } },
        "rules": [{ "scope": format!("{}/team/*", registry.host), "any_of": ["team"] }],
    });
    fs::write(here.join("trust.json"), policy.to_string()).unwrap();
    me.run(&here, &["plugin", "pull", &reference]);
    let records = contents(&me.folder.join("store/refs"));
    let pull = ["plugin", "pull", &reference, "--trust", "trust.json"];
    let inspect = ["plugin", "inspect", manifest, "--trust", "trust.json"];
    // No room for the first part of a signature, and room for some parts.
    for blocks in [0, 1] {
        fails(&me, &here, blocks, &pull, "it cannot be written");
        assert!(contents(&me.folder.join("store/refs")) == records);
        me.start(&here, &inspect).check_failure(2, &["it is not signed", "asks for team"]);
    }
    me.run(&here, &pull);
    let shown = me.run(&here, &inspect);
    assert!(shown.contains("signed by    team"), "{shown}");
}

#[test]
fn a_lock_without_room_stays_as_it_was() {
    let registry = Running::start("", |_| {});
    let me = Machine::new(&registry, "me");
    let adaptor = me.reference("team/mine:1");
    me.push(&plugin("sequence-classification"), &adaptor, &[]);
    let callbacks = ["1", "2"].map(|tag| me.reference(&format!("team/stopping:{tag}")));
    callbacks.iter().for_each(|callback| drop(me.push(&plugin("early-stopping"), callback, &[])));
    let mut workspace = experiment(&json!({ "oci": adaptor }));
    workspace.set("plugins.callbacks", json!(callbacks.each_ref().map(|callback| json!({ "oci": callback }))));
    workspace.command(&[]);
    let here = workspace.path("");
    for reference in callbacks.iter().chain([&adaptor]) {
        me.run(&here, &["plugin", "pull", reference]);
    }
    // Room for the store's record of a reference, and not for three entries.
    let said = "brewer.lock: it cannot be written";
    fails(&me, &here, 1, &["lock"], said);
    workspace.write("brewer.lock", "{ \"version\": 1, \"plugins\": {} }\n");
    fails(&me, &here, 1, &["lock"], said);
    me.run(&here, &["lock"]);
    me.run(&here, &["lock", "--check"]);
}

#[test]
fn an_output_without_room_is_not_half_there() {
    let registry = Running::start("", |_| {});
    let me = Machine::new(&registry, "me");
    let here = me.folder.join("here");
    fs::create_dir(&here).unwrap();
    let (mine, suite) = (me.reference("team/mine:1"), me.reference("team/suite:3"));
    me.push(&plugin("sequence-classification"), &mine, &[]);
    push_suite(&me, &suite);
    me.run(&here, &["plugin", "pull", &mine]);
    me.run(&here, &["bundle", "pull", &suite]);
    fs::write(here.join("mine.wasm"), "the former one").unwrap();
    // Less than a component.
    fails(&me, &here, 8, &["plugin", "pull", &mine, "-o", "mine.wasm"], "cannot write mine.wasm");
    for output in ["suite", "suite.tar"] {
        let said = format!("{output}: it cannot be written");
        fails(&me, &here, 8, &["bundle", "pull", &suite, "-o", output], &said);
        fails(&me, &here, 8, &["bundle", "create", &mine, "-o", output], &said);
        me.run(&here, &["bundle", "pull", &suite, "-o", output]);
        me.run(&here, &["bundle", "inspect", output]);
    }
}
