//! Programs that keep credentials, and how they fail.

use std::{
    env, fs,
    path::Path,
    sync::Once,
    time::{Duration, Instant},
};

use brewer_registry::{Credential, Credentials, Result, Secret};

/// Puts the helpers beside this file on the `PATH` of this process, once. Returns where one of them keeps what it is
/// told to.
fn helpers() -> &'static Path {
    static ON_PATH: Once = Once::new();
    let kept = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/kept-credentials"));
    ON_PATH.call_once(|| {
        fs::create_dir_all(kept).unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/registry/helpers");
        let path = format!("{folder}:{}", env::var("PATH").unwrap());
        // SAFETY: it happens once, and what other threads read of the environment here goes through std's lock.
        unsafe {
            env::set_var("PATH", path);
            env::set_var("BREWER_TEST_KEPT", kept);
        }
    });
    kept
}

fn credentials(config: &str) -> (tempfile::TempDir, Credentials) {
    helpers();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config).unwrap();
    let credentials = Credentials::new(Some(folder.path()), Duration::from_secs(10));
    (folder, credentials)
}

fn found(config: &str, host: &str) -> Result<Option<Credential>> {
    credentials(config).1.find(host, "team/mine")
}

fn failure(config: &str) -> String {
    found(config, "a.b:5000").unwrap_err().to_string()
}

#[test]
fn a_helper_answers_for_all_registries_or_for_one() {
    for config in
        [r#"{ "credsStore": "good" }"#, r#"{ "credHelpers": { "a.b:5000": "good" }, "credsStore": "locked" }"#]
    {
        let credential = found(config, "a.b:5000").unwrap().unwrap();
        assert!(credential.secret == Secret::Password { user: "alice".into(), password: "secret".into() });
        assert!(credential.source.starts_with("docker-credential-good (in "), "{}", credential.source);
    }
    assert!(found(r#"{ "credsStore": "good" }"#, "c.d").unwrap().is_none(), "not found is no failure");
    let token = found(r#"{ "credsStore": "token" }"#, "a.b").unwrap().unwrap();
    assert!(token.secret == Secret::IdentityToken("id".into()));
}

#[test]
fn a_helper_that_fails_is_named_with_its_file() {
    let absent = failure(r#"{ "credsStore": "absent" }"#);
    assert!(
        absent.contains("docker-credential-absent of /") && absent.contains("no such program on the PATH"),
        "{absent}"
    );
    let locked = failure(r#"{ "credsStore": "locked" }"#);
    assert!(locked.contains("it says: the keychain is locked"), "{locked}");
    let rubbish = failure(r#"{ "credsStore": "rubbish" }"#);
    assert!(
        rubbish.contains("no JSON with `Username` and `Secret`") && !rubbish.contains("secret rubbish"),
        "{rubbish}"
    );
    let path = failure(r#"{ "credsStore": "../../bin/sh" }"#);
    assert!(path.contains("`../../bin/sh` is no name of a credential helper"), "{path}");
    assert!(failure(r#"{ "credsStore": 1 }"#).contains("must be text"));
}

#[test]
fn a_helper_that_hangs_is_ended() {
    helpers();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), r#"{ "credsStore": "hangs" }"#).unwrap();
    let start = Instant::now();
    let credentials = Credentials::new(Some(folder.path()), Duration::from_millis(200));
    let error = credentials.find("a.b", "x").unwrap_err().to_string();
    assert!(error.contains("it did not answer within 0.2 s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(25), "it was not waited for");
}

#[test]
fn a_password_goes_to_the_helper_and_not_into_the_file() {
    let (folder, credentials) = credentials(r#"{ "credsStore": "keeps" }"#);
    let place = credentials.store("a.b", "alice", "secret").unwrap();
    assert!(place.starts_with("docker-credential-keeps"), "{place}");
    let kept = fs::read_to_string(helpers().join("store")).unwrap();
    assert_eq!(kept, r#"{"ServerURL":"a.b","Username":"alice","Secret":"secret"}"#);
    assert!(!fs::read_to_string(folder.path().join("config.json")).unwrap().contains("alice"));
}
