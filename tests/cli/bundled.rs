//! One plugin out of a bundle, what an experiment asks of signatures, and a store that cannot be written, against Debian's
//! `docker-registry`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::authoring::finished;
use crate::debian_registry::Running;
use crate::sharing::{Machine, experiment};
use crate::support::{plugin, read_json};
use crate::workspace::under;

/// A bundle of two plugins in the registry; its reference with the digest.
pub fn push_suite(machine: &Machine<'_>, reference: &str) -> String {
    let (adaptor, stopping) = (plugin("sequence-classification"), plugin("early-stopping"));
    let create = ["bundle", "create", adaptor.to_str().unwrap(), stopping.to_str().unwrap(), "-o", "suite.tar"];
    machine.run(&machine.folder, &create);
    machine.run(&machine.folder, &["bundle", "push", "suite.tar", reference]).trim().to_owned()
}

#[test]
fn a_run_takes_one_plugin_out_of_a_bundle() {
    let registry = Running::start("", |_| {});
    let (author, me) = (Machine::new(&registry, "author"), Machine::new(&registry, "me"));
    let suite = author.reference("team/suite:3");
    let pinned = push_suite(&author, &suite);
    let named = format!("{suite}#sequence-classification");
    let workspace = experiment(&json!({ "oci": named }));
    let here = workspace.path("");
    me.run(&here, &["run"]);
    let lock = read_json(&workspace.path("brewer.lock"));
    assert_eq!(lock["plugins"][&named]["bundle"], pinned.rsplit_once('@').unwrap().1);
    assert_eq!(lock["plugins"][&named]["name"], "sequence-classification");
    let provenance = read_json(&workspace.path("out/provenance.json"));
    let uri = &provenance["predicate"]["buildDefinition"]["resolvedDependencies"][0]["uri"];
    assert_eq!(*uri, format!("{pinned}#sequence-classification"));
    me.run(&here, &["check", "--locked", "--offline"]);

    let shown = me.run(&here, &["plugin", "pull", &named, "-o", "mine.wasm"]);
    assert!(shown.contains("name         sequence-classification"), "{shown}");
    assert_eq!(fs::read(workspace.path("mine.wasm")).unwrap(), fs::read(plugin("sequence-classification")).unwrap());
    let missing = me.start(&here, &["plugin", "pull", &format!("{suite}#absent")]);
    missing.check_failure(2, &["the bundle has no plugin `absent`; it has early-stopping, sequence-classification"]);
    me.start(&here, &["run", "--bundle", &named]).check_failure(2, &["is one plugin of a bundle", "leave it out"]);
    me.run(&here, &["check", "--plugin", &named]);
}

#[test]
fn an_experiment_can_ask_for_more_signatures_and_not_for_fewer() {
    let registry = Running::start("", |_| {});
    let me = Machine::new(&registry, "me");
    let reference = me.reference("team/mine:1");
    me.run(&me.folder, &["plugin", "keygen", "--output-key-prefix", "team"]);
    me.push(&plugin("sequence-classification"), &reference, &[]);
    let mut workspace = experiment(&json!({ "oci": reference }));
    workspace.set("trust", json!("trust.json"));
    workspace.command(&[]);
    let here = workspace.path("");
    let policy = |file: &Path, demand: &str, value: serde_json::Value| {
        let text = json!({
            "version": 1, "default": "refuse", "keys": { "team": { "file": me.folder.join("team.pub") } },
            "rules": [{ "scope": format!("{}/team/*", registry.host), demand: value }],
        });
        fs::write(file, text.to_string()).unwrap();
    };
    let (own, users) = (workspace.path("trust.json"), me.folder.join("users.json"));
    let check = ["check", "--trust", users.to_str().unwrap()];
    me.start(&here, &["check"]).check_failure(2, &["trust.json", "cannot be read"]);
    policy(&own, "any_of", json!(["team"]));
    policy(&users, "accept", json!("unsigned"));
    for arguments in [&["check"][..], &check] {
        me.start(&here, arguments).check_failure(2, &["it is not signed; the rule", "asks for team, by", "trust.json"]);
    }
    policy(&own, "accept", json!("unsigned"));
    me.run(&here, &check);
    policy(&users, "any_of", json!(["team"]));
    me.start(&here, &check).check_failure(2, &["it is not signed; the rule", "users.json"]);
    policy(&own, "any_of", json!(["team"]));
    me.run(&me.folder, &["plugin", "sign", &reference, "--key", "team.key"]);
    me.run(&here, &["run", "--trust", users.to_str().unwrap()]);
    // Who takes the bundle of that run asks for the bundle's signature, and has no such file.
    me.run(&here, &["bundle", "create", "--from", "out", "-o", "run.tar", "--trust", users.to_str().unwrap()]);
    fs::remove_file(&own).unwrap();
    me.run(&here, &["run", "--bundle", "run.tar", "--output-dir", "again"]);
}

/// Takes from the superuser, if that runs the tests, what no permission of a file can.
const WITHOUT_PRIVILEGES: &str =
    "[ $(id -u) != 0 ] || set -- setpriv --bounding-set=-all --inh-caps=-all \"$@\"; exec \"$@\"";

#[test]
fn a_run_needs_to_write_no_store_that_has_its_plugins() {
    let registry = Running::start("", |_| {});
    let me = Machine::new(&registry, "me");
    let (reference, other) = (me.reference("team/mine:1"), me.reference("team/other:1"));
    me.push(&plugin("sequence-classification"), &reference, &[]);
    me.push(&plugin("early-stopping"), &other, &[]);
    let workspace = experiment(&json!({ "oci": reference }));
    let here = workspace.path("");
    me.run(&here, &["lock"]);
    let folders = ["blobs/sha256", "blobs", "refs", "ingest", "locks", ""];
    let permit = |mode: u32| {
        let folders: Vec<PathBuf> = folders.iter().map(|folder| me.folder.join("store").join(folder)).collect();
        folders.iter().for_each(|folder| fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap());
    };
    permit(0o555);
    let start = |arguments: &[&str]| finished(&mut under(WITHOUT_PRIVILEGES, &me.command(&here, arguments)));
    let ran = start(&["run", "--locked"]);
    let listed = start(&["plugin", "list"]);
    let refused = start(&["plugin", "pull", &other]);
    let pruned = start(&["plugin", "prune"]);
    permit(0o700);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(listed.stdout.contains(&reference), "{}", listed.stderr);
    refused.check_failure(1, &["the store cannot be written, and sha256:", "BREWER_STORE names another folder"]);
    pruned.check_failure(1, &["the store cannot be written, so nothing can be removed from it"]);
}
