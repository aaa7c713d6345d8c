//! Plugins of registries in a run, the lock, and bundles of runs, against Debian's `docker-registry`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use brewer_plugin_kit::manifest::Manifest;
use serde_json::{Value, json};

use crate::authoring::finished;
use crate::debian_registry::Running;
use crate::support::{brewer_host, plugin, read_json, read_lines};
use crate::workspace::{Finished, Workspace, contents, copy_folder};

/// A colleague's machine: a folder with a store, keys and a configuration of its own.
pub struct Machine<'r> {
    pub folder: PathBuf,
    registry: &'r Running,
}

impl<'r> Machine<'r> {
    pub fn new(registry: &'r Running, name: &str) -> Self {
        let folder = registry.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        Self { folder, registry }
    }

    pub fn reference(&self, path: &str) -> String {
        format!("oci://{}/{path}", self.registry.host)
    }

    /// A command of this machine's user, run in `folder`.
    pub fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = brewer_host(folder);
        command.args(arguments).env("HOME", &self.folder).env("BREWER_STORE", self.folder.join("store"));
        command.env("DOCKER_CONFIG", self.folder.join("docker")).env("COSIGN_PASSWORD", "pass");
        for name in ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE"] {
            command.env_remove(name);
        }
        command
    }

    pub fn start(&self, folder: &Path, arguments: &[&str]) -> Finished {
        finished(&mut self.command(folder, arguments))
    }

    /// What a command that succeeds prints.
    #[track_caller]
    pub fn run(&self, folder: &Path, arguments: &[&str]) -> String {
        let finished = self.start(folder, arguments);
        assert_eq!(finished.code, 0, "{arguments:?}: {}", finished.stderr);
        finished.stdout
    }

    #[track_caller]
    pub fn push(&self, file: &Path, reference: &str, more: &[&str]) -> String {
        let push = [&["plugin", "push", file.to_str().unwrap(), reference], more].concat();
        self.run(&self.folder, &push).trim().to_owned()
    }
}

/// An experiment with an adaptor of a registry, written to its folder.
pub fn experiment(adaptor: &Value) -> Workspace {
    let workspace = Workspace::new().with("plugins", json!({ "adaptor": adaptor }));
    workspace.command(&[]);
    workspace
}

#[test]
fn a_run_takes_what_its_lock_has() {
    let registry = Running::start("", |_| {});
    let me = Machine::new(&registry, "me");
    let file = plugin("sequence-classification");
    let reference = me.reference("team/classification:1");
    let pinned = me.push(&file, &reference, &[]);
    let workspace = experiment(&json!({ "oci": reference }));
    let here = workspace.path("");
    me.start(&here, &["run", "--locked"])
        .check_failure(2, &[&reference, "the lock does not have it", "brewer-host lock"]);
    me.start(&here, &["run", "--offline"]).check_failure(2, &[&reference, "without --offline"]);
    assert!(!workspace.path("brewer.lock").exists() && !workspace.path("out/student").exists());

    let first = me.start(&here, &["run"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    for said in ["1 plugin added to brewer.lock", "not verified: there is no trust policy"] {
        assert!(first.stderr.contains(said), "{}", first.stderr);
    }
    let lock = read_json(&workspace.path("brewer.lock"));
    let manifest = pinned.rsplit_once('@').unwrap().1;
    assert_eq!(lock["plugins"][&reference]["manifest"], manifest);
    let component = lock["plugins"][&reference]["component"].as_str().unwrap();
    let resolved = read_json(&workspace.path("out/experiment.resolved.json"));
    assert_eq!(format!("sha256:{}", resolved["plugins"]["adaptor"]["sha256"].as_str().unwrap()), component);
    assert_eq!(read_json(&workspace.path("out/brewer.lock")), lock);
    let whole = contents(&workspace.path("out"));

    // The tag moves; the run does not, nor does it need the registry.
    let moved = me.push(&file, &reference, &["--annotation", "team=b"]);
    assert_ne!(moved, pinned);
    me.run(&here, &["run", "--locked", "--offline"]);
    fs::remove_dir_all(workspace.path("out/earlier")).unwrap();
    assert!(contents(&workspace.path("out")) == whole);
    me.run(&here, &["lock", "--check"]);
    // Another machine gets the locked one too.
    let other = Machine::new(&registry, "other");
    other.run(&here, &["check", "--locked"]);
    // The resolved experiment lies beside its own lock.
    other.run(&here, &["check", "--locked", "--offline", "--config", "out/experiment.resolved.json"]);

    let shown = me.run(&here, &["lock", "--update"]);
    assert!(shown.starts_with(&format!("{reference}\n")) && shown.contains("manifest  sha256:"), "{shown}");
    let lock = read_json(&workspace.path("brewer.lock"));
    assert_eq!(lock["plugins"][&reference]["manifest"], moved.rsplit_once('@').unwrap().1);
    // A bundle of the run has what the run used, though the store has the same component under the moved tag, too.
    me.run(&here, &["bundle", "create", "--from", "out", "-o", "run.tar"]);
    let bundled = json_of(&me.run(&here, &["bundle", "inspect", "run.tar", "--json"]));
    assert_eq!(bundled["plugins"][0]["manifest"], manifest);
    let unchanged = me.run(&here, &["lock", "--update", &reference]);
    assert!(unchanged.contains("brewer.lock has all that the experiment names"), "{unchanged}");
    me.start(&here, &["lock", "--update", "oci://a.b/c"]).check_failure(2, &["the experiment does not name it"]);

    // A lock from somebody who wants more than the plugin says.
    let text = fs::read_to_string(workspace.path("brewer.lock")).unwrap();
    fs::write(workspace.path("brewer.lock"), text.replace("\"permissions\": []", "\"permissions\": [\"dataset\"]"))
        .unwrap();
    let altered = me.start(&here, &["run"]);
    altered.check_failure(2, &[&reference, "its list of permissions is dataset, but it is none"]);
    fs::remove_file(workspace.path("brewer.lock")).unwrap();
    me.start(&here, &["lock", "--check"]).check_failure(2, &["brewer.lock lacks", &reference]);
    assert!(me.run(&here, &["lock", "--json"]).contains("\"before\":null"));
}

#[test]
fn a_plugin_is_named_by_its_digest_or_on_the_command_line() {
    let registry = Running::start("", |_| {});
    let me = Machine::new(&registry, "me");
    let reference = me.reference("team/classification:1");
    me.push(&plugin("sequence-classification"), &reference, &[]);
    let workspace = Workspace::new();
    workspace.command(&[]);
    let here = workspace.path("");
    me.run(&here, &["run", "--plugin", &reference]);
    let resolved = read_json(&workspace.path("out/experiment.resolved.json"));
    assert_eq!(resolved["plugins"]["adaptor"]["oci"], reference);
    let sha256 = resolved["plugins"]["adaptor"]["sha256"].clone();
    let by_digest = experiment(&json!({ "sha256": sha256 }));
    me.run(&by_digest.path(""), &["check"]);
    let unknown = experiment(&json!({ "sha256": "0".repeat(64) }));
    me.start(&unknown.path(""), &["check"]).check_failure(2, &["the store has no such plugin", "plugin list"]);
    for (adaptor, expected) in [
        (json!({}), "plugins.adaptor: it has neither `path` nor `oci`"),
        (json!({ "path": "a.wasm", "oci": reference }), "has both `path` and `oci`"),
        (json!({ "oci": "ghcr.io/team/x:1" }), "it is written oci://HOST/REPOSITORY:TAG"),
        (json!({ "oci": "oci://team/x:1" }), "`team` is no host"),
    ] {
        let workspace = experiment(&adaptor);
        me.start(&workspace.path(""), &["check"]).check_failure(2, &[expected]);
    }
}

fn json_of(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap()
}

/// A component without a manifest of its own, that says this.
fn versioned(folder: &Path, version: &str, permissions: &[&str]) -> PathBuf {
    let permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
    let said = Manifest { name: "roles".into(), version: version.into(), permissions, ..Manifest::default() };
    let file = folder.join(format!("roles-{version}.wasm"));
    fs::write(&file, said.embed(fs::read(plugin("guest-roles")).unwrap()).unwrap()).unwrap();
    file
}

#[test]
fn an_update_shows_new_permissions_first_and_takes_no_lower_version_unasked() {
    let registry = Running::start("", |_| {});
    let me = Machine::new(&registry, "me");
    let reference = me.reference("team/roles:stable");
    me.push(&versioned(&me.folder, "1.1.0", &[]), &reference, &[]);
    let workspace = Workspace::new().with("plugins", json!({ "callbacks": [{ "oci": reference }] }));
    workspace.command(&[]);
    let here = workspace.path("");
    me.run(&here, &["lock"]);
    let pull = ["plugin", "pull", &reference, "--json"];
    assert_eq!(json_of(&me.run(&here, &pull))["locked"], Value::Null);
    me.push(&versioned(&me.folder, "1.2.0", &["read-values"]), &reference, &[]);
    // It is shown, and nothing that runs has moved.
    let before = fs::read(workspace.path("brewer.lock")).unwrap();
    let pulled = me.start(&here, &pull[..3]);
    assert!(pulled.stderr.contains("has moved: it was sha256:"), "{}", pulled.stderr);
    let new = "`brewer-host lock --update` takes this one:\n";
    let (_, new) = pulled.stdout.split_once(new).unwrap_or_else(|| panic!("{}", pulled.stdout));
    let lines: Vec<&str> = new.lines().collect();
    assert_eq!(lines[..3], [reference.as_str(), "  + asks for read-values", "    version   1.1.0 -> 1.2.0"], "{new}");
    assert_eq!(json_of(&me.run(&here, &pull))["locked"]["plugin_version"], "1.1.0");
    assert!(!me.run(&me.folder, &pull[..3]).contains("brewer.lock"), "there is none");
    assert!(fs::read(workspace.path("brewer.lock")).unwrap() == before);
    let shown = me.run(&here, &["lock", "--update"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[..3], [reference.as_str(), "  + asks for read-values", "    version   1.1.0 -> 1.2.0"], "{shown}");
    // It is not granted by being locked.
    me.start(&here, &["check"]).check_failure(2, &["asks for `read-values` in its manifest", "does not grant it"]);

    assert_eq!(json_of(&me.run(&here, &pull))["locked"], Value::Null);

    me.push(&versioned(&me.folder, "1.0.0", &[]), &reference, &[]);
    let before = fs::read(workspace.path("brewer.lock")).unwrap();
    let lower = me.start(&here, &["lock", "--update"]);
    lower.check_failure(2, &["the version 1.0.0 now, which is lower than the 1.2.0 in the lock", "--allow-downgrade"]);
    assert!(fs::read(workspace.path("brewer.lock")).unwrap() == before);
    let taken = me.run(&here, &["lock", "--update", "--allow-downgrade"]);
    assert!(taken.contains("  - no longer asks for read-values"), "{taken}");
}

#[test]
fn a_trust_policy_holds_for_runs() {
    let registry = Running::start("", |_| {});
    let me = Machine::new(&registry, "me");
    let file = plugin("sequence-classification");
    let (signed, unsigned) = (me.reference("team/signed:1"), me.reference("team/unsigned:1"));
    me.run(&me.folder, &["plugin", "keygen", "--output-key-prefix", "team"]);
    me.push(&file, &signed, &["--sign", "team.key"]);
    me.push(&file, &unsigned, &["--annotation", "team=b"]);
    let trust = me.folder.join("trust.json");
    let policy = |local: &str| {
        let scope = format!("{}/team/*", registry.host);
        let text = json!({
            "version": 1, "default": "refuse", "local": local, "keys": { "team-a": { "file": "team.pub" } },
            "rules": [{ "scope": scope, "any_of": ["team-a"] }],
        });
        fs::write(&trust, text.to_string()).unwrap();
    };
    policy("refuse");
    let trust = trust.to_str().unwrap();
    let workspace = experiment(&json!({ "oci": signed }));
    me.run(&workspace.path(""), &["run", "--trust", trust, "--sign", me.folder.join("team.key").to_str().unwrap()]);
    let statement = read_json(&workspace.path("out/provenance.json"));
    let dependencies = statement["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap().clone();
    let adaptor = &dependencies[0];
    assert!(adaptor["uri"].as_str().unwrap().starts_with(&format!("{signed}@sha256:")), "{adaptor}");
    assert_eq!(adaptor["annotations"]["signedBy"], json!(["team-a"]));
    let names: Vec<&str> = dependencies.iter().filter_map(|entry| entry["name"].as_str()).collect();
    let expected = [
        "data.train/train.jsonl",
        "student.model/config.json",
        "student.model/model.safetensors",
        "teacher.model/config.json",
        "teacher.model/model.safetensors",
        "brewer.lock",
    ];
    assert_eq!(names, expected);
    assert!(statement["subject"].as_array().unwrap().iter().any(|file| file["name"] == "student/model.safetensors"));
    let bundle = read_json(&workspace.path("out/provenance.sigstore.json"));
    assert_eq!(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    // The signature is of that statement, and of no later one.
    let longer = ["run", "--trust", trust, "--resume", "--set", "training.num_epochs=2"];
    me.run(&workspace.path(""), &longer);
    assert_ne!(read_json(&workspace.path("out/provenance.json")), statement);
    assert!(!workspace.path("out/provenance.sigstore.json").exists());

    let other = experiment(&json!({ "oci": unsigned }));
    let refused = me.start(&other.path(""), &["run", "--trust", trust]);
    refused.check_failure(2, &[&unsigned, "it is not signed; the rule", "asks for team-a"]);
    assert!(!other.path("out").join("student").exists() && !other.path("brewer.lock").exists());
    let local = experiment(&json!({ "path": file }));
    me.start(&local.path(""), &["check", "--trust", trust])
        .check_failure(2, &["it is a file", "\"local\": \"refuse\""]);
    policy("accept");
    me.run(&local.path(""), &["check", "--trust", trust]);
}

#[test]
fn a_bundle_of_a_run_gives_the_same_numbers_elsewhere() {
    let registry = Running::start("", |_| {});
    let (me, other) = (Machine::new(&registry, "me"), Machine::new(&registry, "other"));
    let plugins = json!({
        "adaptor": { "path": plugin("sequence-classification") },
        "callbacks": [{ "path": plugin("early-stopping"), "config": { "metric": "dev_loss", "patience": 9 } }],
    });
    let mut workspace = Workspace::new().with("plugins", plugins);
    fs::copy(workspace.path("train.jsonl"), workspace.path("dev.jsonl")).unwrap();
    workspace.set("data.dev", json!("dev.jsonl"));
    // Random weights: a file of its own, where the teacher is a folder.
    workspace.set("student", json!({ "config": "student/config.json" }));
    workspace.command(&[]);
    let here = workspace.path("");
    me.run(&here, &["run"]);
    let card = fs::read_to_string(workspace.path("out/student/README.md")).unwrap();
    for part in ["---\ndatasets:\n- \"train.jsonl\"\n", "library_name: transformers", "model-index: [{", "| dev_loss |"]
    {
        assert!(card.contains(part), "`{part}` is not in: {card}");
    }
    me.start(&here, &["bundle", "create", "--from", "student", "-o", "x"])
        .check_failure(2, &["is no run that has ended"]);
    me.start(&here, &["bundle", "create", "-o", "x"]).check_failure(2, &["there is nothing to put in"]);
    let digest = me.run(&here, &["bundle", "create", "--from", "out", "-o", "movie.tar", "--bundle-version", "1.0"]);
    let reference = me.reference("team/movie:1");
    me.run(&me.folder, &["plugin", "keygen", "--output-key-prefix", "team"]);
    let key = me.folder.join("team.key");
    let pushed = me.run(&here, &["bundle", "push", "movie.tar", &reference, "--sign", key.to_str().unwrap()]);
    assert_eq!(pushed.trim(), format!("{reference}@{}", digest.trim()));

    // The colleague has the same data and teacher, elsewhere and under other names.
    let theirs = other.folder.join("theirs");
    fs::create_dir(&theirs).unwrap();
    copy_folder(&workspace.path("teacher"), &theirs.join("big"));
    fs::copy(workspace.path("student/config.json"), theirs.join("small.json")).unwrap();
    fs::copy(workspace.path("train.jsonl"), theirs.join("reviews.jsonl")).unwrap();
    for gone in ["teacher", "student"] {
        fs::rename(workspace.path(gone), workspace.path(&format!("{gone}-of-the-author"))).unwrap();
    }
    fs::rename(workspace.path("train.jsonl"), workspace.path("changed.jsonl")).unwrap();
    fs::write(workspace.path("dev.jsonl"), "{}\n").unwrap();
    let scope = format!("{}/team/*", registry.host);
    let policy = json!({
        "version": 1, "default": "refuse", "keys": { "team": { "file": me.folder.join("team.pub") } },
        "rules": [{ "scope": scope, "any_of": ["team"] }],
    });
    fs::write(other.folder.join("trust.json"), policy.to_string()).unwrap();
    let there = other.folder.as_path();
    let missing = other.start(there, &["run", "--bundle", &reference, "--trust", "trust.json"]);
    let all = [
        "data.train: ",
        "data.dev: ",
        "teacher.model: ",
        "student.config: ",
        "name a folder that has them with --data",
    ];
    missing.check_failure(2, &all);
    let run = ["run", "--bundle", &reference, "--trust", "trust.json", "--data", "theirs"];
    other.run(there, &run);
    let metrics = |path: &Path| fs::read(path.join("metrics.jsonl")).unwrap();
    assert!(metrics(&there.join("runs/movie")) == metrics(&workspace.path("out")), "the same numbers");

    let compared = other.run(there, &["bundle", "compare", &reference, "runs/movie"]);
    assert!(compared.starts_with("the same: 10 lines"), "{compared}");
    let mut lines = read_lines(&there.join("runs/movie/metrics.jsonl"));
    lines[4]["total_loss"] = json!(0.5);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(there.join("runs/movie/metrics.jsonl"), text).unwrap();
    let differs = other.start(there, &["bundle", "compare", &reference, "runs/movie"]);
    assert_eq!(differs.code, 1, "{}", differs.stderr);
    assert!(
        differs.stdout.starts_with("line 5 of metrics.jsonl (step 3) differs first: total_loss is"),
        "{}",
        differs.stdout
    );

    let shown = other.run(there, &["bundle", "pull", &reference, "--trust", "trust.json", "-o", "movie"]);
    for row in [
        "title       movie 1.0",
        "early-stopping 0.1.0: callback",
        "experiment  experiment.resolved.json",
        "signed by   team",
    ] {
        assert!(shown.contains(row), "`{row}` is not in: {shown}");
    }
    let inspected = json_of(&other.run(there, &["bundle", "inspect", "movie", "--json"]));
    assert_eq!(inspected["digest"], digest.trim());
    let verified =
        other.run(there, &["bundle", "verify", &reference, "--key", me.folder.join("team.pub").to_str().unwrap()]);
    assert!(verified.contains("Sigstore bundle") && verified.contains("cosign's tag"), "{verified}");
    assert!(other.run(there, &["plugin", "list"]).contains("2 plugins, "));
    // Without the network, from the store alone.
    let offline = [&run[..], &["--offline", "--output-dir", "again"]].concat();
    other.run(there, &offline);
    assert!(metrics(&there.join("again")) == metrics(&workspace.path("out")));
}

#[test]
fn an_experiment_goes_with_its_plugins() {
    let registry = Running::start("", |_| {});
    let (me, other) = (Machine::new(&registry, "me"), Machine::new(&registry, "other"));
    let reference = me.reference("team/classification:1");
    me.push(&plugin("sequence-classification"), &reference, &[]);
    let workspace = experiment(&json!({ "oci": reference }));
    let here = workspace.path("");
    fs::write(workspace.path("GUIDE.md"), "# How\n").unwrap();
    let stopping = plugin("early-stopping");
    let create =
        ["bundle", "create", stopping.to_str().unwrap(), "--experiment", "experiment.json", "--readme", "GUIDE.md"];
    me.run(&here, &[&create[..], &["--output", "suite"]].concat());
    let shown = json_of(&me.run(&here, &["bundle", "inspect", "suite", "--json"]));
    let names: Vec<&str> =
        shown["plugins"].as_array().unwrap().iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["early-stopping", "sequence-classification"]);
    // Its paths are relative to where it is run.
    let bundle = workspace.path("suite");
    other.run(&here, &["run", "--bundle", bundle.to_str().unwrap(), "--offline", "--output-dir", "theirs"]);
    me.run(&here, &["run"]);
    other.run(&here, &["bundle", "compare", "out", "theirs"]);
    let wrong = other.start(&here, &["run", "--bundle", "suite", "--experiment", "b.json"]);
    wrong.check_failure(2, &["it has no experiment `b.json`; it has experiment.json"]);
}
