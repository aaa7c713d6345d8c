//! Plugins in a registry: `plugin push`, `pull`, `inspect`, `list`, `prune`, `login` and `logout`, against Debian's
//! `docker-registry`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::authoring::finished;
use crate::debian_registry::{HTPASSWD, Running};
use crate::support::{brewer_host, plugin};
use crate::workspace::Finished;

/// `brewer-host plugin …` with a store and credentials of the test's own.
fn plugin_command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = brewer_host(folder);
    command.arg("plugin").args(arguments);
    command.env("BREWER_STORE", folder.join("store")).env("DOCKER_CONFIG", folder.join("docker"));
    command
        .env("HOME", folder)
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("REGISTRY_AUTH_FILE");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    finished(&mut plugin_command(folder, arguments))
}

/// What `--json` prints: one object on one line, and nothing else.
#[track_caller]
fn one_object(finished: &Finished) -> Value {
    assert_eq!((finished.code, finished.stdout.lines().count()), (0, 1), "{}\n{}", finished.stdout, finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap()
}

fn login(folder: &Path, host: &str, password: &str) -> Finished {
    let mut command = plugin_command(folder, &["login", host, "--username", "alice", "--password-stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    Finished::new(child.wait_with_output().unwrap())
}

#[test]
fn a_plugin_goes_to_a_registry_and_comes_back() {
    let registry = Running::start("auth: { htpasswd: { realm: test, path: FOLDER/htpasswd } }\n", |folder| {
        fs::write(folder.join("htpasswd"), HTPASSWD).unwrap();
    });
    let (host, folder) = (registry.host.as_str(), registry.folder.path());
    let file = plugin("sequence-classification");
    let reference = format!("oci://{host}/team/classification:0.1.0+cpu");
    let push = ["push", file.to_str().unwrap(), &reference];

    let denied = run(folder, &push);
    let login_command = format!("`brewer-host plugin login {host}`");
    denied.check_failure(2, &[host, "there are no credentials for it in", "docker/config.json", &login_command]);
    login(folder, host, "wrong").check_failure(2, &["it answers 401", "those of alice from this log-in"]);
    assert!(!folder.join("docker/config.json").exists(), "a password that is wrong is not kept");
    let known = login(folder, host, "secret");
    assert_eq!(known.code, 0, "{}", known.stderr);
    assert!(known.stdout.contains("docker/config.json") && !known.stdout.contains("secret"), "{}", known.stdout);

    let pushed = run(folder, &push);
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);
    let pinned = pushed.stdout.trim().to_owned();
    assert!(pinned.starts_with(&format!("oci://{host}/team/classification:0.1.0_cpu@sha256:")), "{pinned}");
    assert_eq!(run(folder, &push).stdout.trim(), pinned, "the same component has the same digest");

    let pulled = run(folder, &["pull", &reference, "--output", "mine.wasm"]);
    assert_eq!(pulled.code, 0, "{}", pulled.stderr);
    for row in [
        "reference    oci://",
        "name         sequence-classification",
        "roles        adaptor",
        "permissions  asks for none",
    ] {
        assert!(pulled.stdout.contains(row), "`{row}` is not in: {}", pulled.stdout);
    }
    assert_eq!(fs::read(folder.join("mine.wasm")).unwrap(), fs::read(&file).unwrap());

    let listed = one_object(&run(folder, &["list", "--json"]));
    assert_eq!(listed["command"], "plugin list");
    let listed = &listed["plugins"][0];
    assert_eq!(listed["reference"], format!("oci://{host}/team/classification:0.1.0_cpu"));
    assert_eq!(pinned.rsplit_once('@').unwrap().1, listed["manifest"]);
    // By either digest, without asking the registry.
    for digest in ["manifest", "component"] {
        let digest = &listed[digest].as_str().unwrap()[..19];
        let inspected = run(folder, &["inspect", digest]);
        assert!(inspected.stdout.contains("sequence-classification"), "{}", inspected.stderr);
    }
    run(folder, &["inspect", "sha256:000000000000"]).check_failure(2, &["the store has no such plugin"]);
    run(folder, &["inspect", "sha256:abc"]).check_failure(2, &["12 to 64 lower-case hexadecimal digits"]);

    let kept = run(folder, &["prune", "--unused-for", "90d"]);
    assert!(kept.stdout.contains("0 references, 0 files"), "{}", kept.stdout);
    let gone = run(folder, &["logout", host]);
    assert!(gone.stdout.contains("is removed"), "{}", gone.stdout);
    assert!(!fs::read_to_string(folder.join("docker/config.json")).unwrap().contains(host));
}

#[test]
fn mistakes_are_named_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = plugin("sequence-classification");
    let file = file.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["pull", "docker://ghcr.io/team/x:1"], "a reference is written oci://ghcr.io/team/x:1"),
        (vec!["push", file, "oci://team/x:1"], "`team` is no host; write for example ghcr.io/team/…"),
        (vec!["inspect", "oci://ghcr.io/Team/x"], "a repository is lower-case: team/x"),
        (vec!["push", "absent.wasm", "oci://localhost:1/x:1"], "absent.wasm"),
        (vec!["push", "text.wasm", "oci://localhost:1/x:1"], "text.wasm"),
        (vec!["pull", "oci://localhost:1/x", "--ca-file", "text.wasm"], "there is no certificate in it"),
        (vec!["pull", "oci://localhost:1/x", "--plain-http", "http://x"], "is no"),
    ] {
        fs::write(folder.path().join("text.wasm"), "no component").unwrap();
        run(folder.path(), &arguments).check_failure(2, &[expected]);
    }
}

#[test]
fn a_signed_plugin_is_trusted_by_the_policy_and_no_other_is() {
    let registry = Running::start("", |_| {});
    let (host, folder) = (registry.host.as_str(), registry.folder.path());
    let file = plugin("sequence-classification");
    let file = file.to_str().unwrap();
    let signed = format!("oci://{host}/team/signed:1");
    let unsigned = format!("oci://{host}/team/unsigned:1");
    let run = |arguments: &[&str]| finished(plugin_command(folder, arguments).env("COSIGN_PASSWORD", "pass"));
    assert_eq!(run(&["keygen", "--output-key-prefix", "team"]).code, 0);
    assert_eq!(run(&["keygen", "--output-key-prefix", "other"]).code, 0);
    run(&["keygen", "--output-key-prefix", "team"]).check_failure(2, &["team.key exists already"]);
    let mut wrong = plugin_command(folder, &["push", file, &signed, "--sign", "team.key"]);
    let wrong = finished(wrong.env("COSIGN_PASSWORD", "wrong"));
    wrong.check_failure(2, &["team.key: the password is not the key's"]);

    let pushed = run(&["push", file, &signed, "--sign", "team.key"]);
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);
    assert_eq!(run(&["push", file, &unsigned, "--annotation", "team=b"]).code, 0);

    let verified = run(&["verify", &signed, "--key", "team.pub"]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    for form in ["signed by team.pub (Sigstore bundle)", "signed by team.pub (cosign's tag)"] {
        assert!(verified.stdout.contains(form), "{}", verified.stdout);
    }
    let verified = one_object(&run(&["verify", &signed, "--key", "team.pub", "--json"]));
    assert_eq!(verified["command"], "plugin verify");
    let pinned = verified["reference"].as_str().unwrap();
    assert!(pinned.starts_with(&format!("{signed}@sha256:")), "{pinned}");
    let signatures = verified["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), 2, "{verified}");
    assert!(signatures.iter().all(|found| found["signer"] == "team.pub"), "{verified}");
    run(&["verify", &signed, "--key", "other.pub"])
        .check_failure(2, &["none of its signatures is by that key", "other.pub"]);
    run(&["verify", &unsigned, "--key", "team.pub"]).check_failure(2, &["it is not signed; asked for team.pub"]);

    let policy = format!(
        r#"{{ "version": 1, "default": "refuse", "keys": {{ "team-a": {{ "file": "team.pub" }} }},
             "rules": [{{ "scope": "{host}/team/*", "any_of": ["team-a"] }}] }}"#
    );
    fs::write(folder.join("trust.json"), policy).unwrap();
    let pulled = run(&["pull", &signed, "--trust", "trust.json"]);
    assert!(pulled.stdout.contains("signed by    team-a"), "{}\n{}", pulled.stdout, pulled.stderr);
    let refused = run(&["pull", &unsigned, "--trust", "trust.json"]);
    let rule = format!("the rule {host}/team/* asks for team-a");
    refused.check_failure(2, &[&unsigned, "it is not signed", &rule]);
    let listed = run(&["list"]);
    assert!(listed.stdout.contains("team/signed:1") && !listed.stdout.contains("team/unsigned"), "{}", listed.stdout);
    let pulled = run(&["pull", &unsigned]);
    assert!(pulled.code == 0 && pulled.stderr.contains("not verified: there is no trust policy"), "{}", pulled.stderr);
}

#[test]
fn credentials_of_podman_are_taken_and_a_file_that_cannot_be_read_is_named() {
    let registry = Running::start("auth: { htpasswd: { realm: test, path: FOLDER/htpasswd } }\n", |folder| {
        fs::write(folder.join("htpasswd"), HTPASSWD).unwrap();
    });
    let (host, folder) = (registry.host.as_str(), registry.folder.path());
    let file = plugin("sequence-classification");
    let push = ["push", file.to_str().unwrap(), &format!("oci://{host}/team/x:1")];
    let runtime = folder.join("runtime");
    fs::create_dir_all(runtime.join("containers")).unwrap();
    // `alice:secret`
    let auth = format!(r#"{{ "auths": {{ "{host}": {{ "auth": "YWxpY2U6c2VjcmV0" }} }} }}"#);
    fs::write(runtime.join("containers/auth.json"), auth).unwrap();
    let mut command = plugin_command(folder, &push);
    let pushed = finished(command.env_remove("DOCKER_CONFIG").env("XDG_RUNTIME_DIR", &runtime));
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);
    assert!(!pushed.stderr.contains("secret") && !pushed.stderr.contains("YWxpY2U6"), "{}", pushed.stderr);

    fs::create_dir_all(folder.join("docker/config.json")).unwrap();
    run(folder, &push).check_failure(2, &["docker/config.json: it cannot be read"]);
}

#[test]
fn a_password_is_shown_to_nobody_but_the_registry_and_the_helper() {
    let registry = Running::start("auth: { htpasswd: { realm: test, path: FOLDER/htpasswd } }\n", |folder| {
        fs::write(folder.join("htpasswd"), HTPASSWD).unwrap();
    });
    let (host, folder) = (registry.host.as_str(), registry.folder.path());
    // A helper that keeps what it is told, and notes the arguments and variables of whoever calls it, and its own.
    let helper = folder.join("docker-credential-watches");
    let script = "#!/bin/sh\ncat /proc/$PPID/cmdline /proc/$PPID/environ /proc/$$/cmdline >> $HOME/seen\n\
                  [ $1 = store ] && cat > $HOME/kept || cat $HOME/kept\n";
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(folder.join("docker")).unwrap();
    fs::write(folder.join("docker/config.json"), r#"{ "credsStore": "watches" }"#).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let loud = |arguments: &[&str]| {
        let mut command = plugin_command(folder, arguments);
        command.env("PATH", &path).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
        command
    };
    let mut child = loud(&["login", host, "--username", "alice", "--password-stdin"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "secret").unwrap();
    let file = plugin("sequence-classification");
    let push = ["push", file.to_str().unwrap(), &format!("oci://{host}/team/x:1")];
    let denied = plugin_command(folder, &["login", host, "--username", "alice", "--password", "secret"]);
    for (finished, code) in [
        (Finished::new(child.wait_with_output().unwrap()), 0),
        (finished(&mut loud(&push)), 0),
        // There is no option for it, since the list of processes is everybody's.
        (finished(&mut { denied }), 2),
    ] {
        assert_eq!(finished.code, code, "{}", finished.stderr);
        let printed = finished.stdout + &finished.stderr;
        assert!(!printed.contains("secret") && !printed.contains("YWxpY2U6"), "{printed}");
    }
    let seen = String::from_utf8_lossy(&fs::read(folder.join("seen")).unwrap()).into_owned();
    assert!(seen.contains("--password-stdin") && !seen.contains("YWxpY2U6"), "it saw nothing");
    assert!(!seen.split('\0').any(|argument| argument == "secret"));
    assert!(fs::read_to_string(folder.join("kept")).unwrap().contains("secret"));
}
