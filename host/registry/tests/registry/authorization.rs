//! Challenges, tokens, and who gets to see a password.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use brewer_registry::{Settings, limits};
use tempfile::TempDir;

use crate::server::{Reply, Seen, Server};
use crate::world::{World, settings};

/// `alice:secret`
const ALICE: &str = "YWxpY2U6c2VjcmV0";

/// Docker's configuration with one entry for a registry.
fn config(host: &str, entry: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), format!(r#"{{ "auths": {{ "{host}": {entry} }} }}"#)).unwrap();
    folder
}

fn with_alice(host: &str) -> TempDir {
    config(host, &format!(r#"{{ "auth": "{ALICE}" }}"#))
}

fn known(folder: &Path) -> Settings {
    Settings { docker_config: Some(folder.to_owned()), ..settings() }
}

/// A registry that wants the token `good` of the service at `realm`.
fn asks_for_token(realm: String) -> World {
    World::new(move |seen, _| {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"registry\",scope=\"repository:evil:pull\"");
        let is_known = seen.header("authorization") == Some("Bearer good");
        (!is_known).then(|| Reply::new(401, "").with("www-authenticate", challenge))
    })
}

/// A token service on the registry's host.
fn service(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Server, World) {
    let service = Server::start(answer);
    let world = asks_for_token(format!("http://{}/token?from=realm", service.host));
    (service, world)
}

#[test]
fn a_registry_that_does_not_say_how_to_log_in_is_named() {
    let world = World::new(|_, _| Some(Reply::new(401, "")));
    world.refuses(settings(), &[&world.server.host, "it answers 401 and does not say how to log in"]);
}

#[test]
fn a_missing_or_wrong_password_is_said_with_its_source() {
    let world = World::new(|_, _| Some(Reply::new(401, "").with("www-authenticate", "Basic realm=\"x\"")));
    let login = format!("`brewer-host plugin login {}`", world.server.host);
    world.refuses(settings(), &["there are no credentials for it in /nowhere/config.json", &login]);
    let folder = with_alice(&world.server.host);
    let source = format!("those of alice from {}/config.json", folder.path().display());
    let error = world.refuses(known(folder.path()), &["it answers 401", &source]);
    assert!(!error.contains("secret") && !error.contains(ALICE), "{error}");
}

#[test]
fn a_token_is_asked_for_with_the_scope_of_the_request_and_kept() {
    let (service, world) = service(|_| Reply::new(200, r#"{"token":"good"}"#));
    let folder = with_alice(&world.server.host);
    world.pull_as(known(folder.path())).unwrap();
    let seen = service.seen();
    assert_eq!(seen.len(), 1, "one token for all requests");
    assert_eq!(seen[0].path, "/token?from=realm&service=registry&scope=repository%3Ateam%2Fmine%3Apull");
    assert_eq!(seen[0].header("authorization"), Some(format!("Basic {ALICE}").as_str()));
}

#[test]
fn anonymous_tokens_and_their_other_name_are_taken() {
    let (service, world) = service(|_| Reply::new(200, r#"{"access_token":"good"}"#));
    world.arrives();
    assert_eq!(service.seen()[0].header("authorization"), None);
}

#[test]
fn an_identity_token_is_exchanged() {
    let (service, world) = service(|_| Reply::new(200, r#"{"access_token":"good"}"#));
    let folder = config(&world.server.host, r#"{ "auth": "AA==", "identitytoken": "id/1" }"#);
    world.pull_as(known(folder.path())).unwrap();
    let seen = &service.seen()[0];
    assert_eq!((seen.method.as_str(), seen.header("authorization")), ("POST", None));
    let form = "service=registry&scope=repository%3Ateam%2Fmine%3Apull&grant_type=refresh_token&client_id=brewer&\
                refresh_token=id%2F1";
    assert_eq!(String::from_utf8_lossy(&seen.body), form);
}

#[test]
fn a_token_that_expires_between_two_blobs_is_renewed() {
    let requests = Arc::new(AtomicUsize::new(0));
    let service = Server::start(|_| Reply::new(200, r#"{"token":"good"}"#));
    let realm = format!("http://{}/token", service.host);
    let world = World::new(move |seen, _| {
        // Each token is good for one request.
        let is_known =
            seen.header("authorization").is_some() && requests.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        (!is_known).then(|| Reply::new(401, "").with("www-authenticate", format!("Bearer realm=\"{realm}\"")))
    });
    world.arrives();
    assert!(service.seen().len() > 1);
}

#[test]
fn credentials_go_nowhere_else() {
    let elsewhere = Server::start(|_| Reply::new(200, r#"{"token":"good"}"#));
    // Another name for this machine: another host, which plain http must not reach with a password.
    let world = asks_for_token(format!("http://localhost:{}/token", elsewhere.host.rsplit_once(':').unwrap().1));
    let folder = with_alice(&world.server.host);
    world.refuses(known(folder.path()), &["for tokens it names http://localhost:", "no credentials are sent there"]);
    assert!(elsewhere.seen().is_empty());

    let place = format!("http://{}/token", elsewhere.host);
    let (_, world) = service(move |_| Reply::new(307, "").with("location", place.clone()));
    let folder = with_alice(&world.server.host);
    world.refuses(known(folder.path()), &["its token service", "redirects; that is not followed"]);
    assert!(elsewhere.seen().is_empty());

    let world = asks_for_token("ftp://x/".to_owned());
    world.refuses(settings(), &["for tokens it names `ftp://x/` is no http or https URL"]);
}

#[test]
fn an_answer_without_a_token_is_said_to_be_none() {
    let refused = |answer: fn(&Seen) -> Reply, expected: &str| {
        let (service, world) = service(answer);
        world.refuses(settings(), &["its token service", expected]);
        service
    };
    refused(|_| Reply::new(200, "{}"), "neither `token` nor `access_token`");
    refused(|_| Reply::new(200, r#"{"token":""}"#), "neither `token` nor `access_token`");
    refused(|_| Reply::new(200, "token"), "no JSON of that kind");
    refused(|_| Reply::new(200, "{\"token\":\"a\\r\\nx: y\"}"), "characters that no token has");
    refused(|_| Reply::new(403, r#"{"details":"no"}"#), "refuses: it answers 403");
    let flood = refused(
        |_| {
            Reply::raw(|connection| {
                connection.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
                connection.flood(&[b' '; 64 << 10]);
            })
        },
        "more than 65536 bytes",
    );
    assert!(flood.sent() < (16 << 20) + limits::TOKEN);
}

#[test]
fn what_is_not_allowed_is_refused_by_its_reason() {
    let world = World::new(|_, _| Some(Reply::new(403, r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#)));
    world.refuses(settings(), &["it answers 403: DENIED not yours"]);
}
