//! Uploads: what is there already, what breaks off, and where the bytes may go.

use std::{
    collections::BTreeMap,
    env,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use brewer_registry::{
    Digest, Reference, Result, Settings, Store, bundle,
    plugin::{self, Pushed},
    signature::Signatures,
};

use crate::server::{Connection, Registry, Reply, Seen, Server};
use crate::world::{client, component, settings};

/// A push to a registry that is spoiled by a fault.
struct Push {
    registry: Arc<Registry>,
    server: Server,
    reference: Reference,
}

impl Push {
    fn new(fault: impl Fn(&Seen, &Registry) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let registry = Arc::new(Registry::default());
        let spoiled = registry.clone();
        let server = Server::start(move |seen| fault(seen, &spoiled).unwrap_or_else(|| spoiled.answer(seen)));
        let reference = format!("oci://{}/team/mine:1.0.0", server.host).parse().unwrap();
        Self { registry, server, reference }
    }

    fn push(&self, component: &[u8]) -> Result<Pushed> {
        plugin::push(&client(settings()), &self.reference, component, &BTreeMap::new(), 0)
    }

    /// The push fails so, and leaves no tag.
    #[track_caller]
    fn refuses(&self, component: &[u8], expected: &str) {
        let error = self.push(component).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(self.registry.manifests.lock().unwrap().is_empty());
    }

    fn methods(&self) -> Vec<String> {
        self.server.seen().iter().map(|seen| seen.method.clone()).collect()
    }
}

fn count() -> impl Fn() -> usize + Send + Sync {
    let count = AtomicUsize::new(0);
    move || count.fetch_add(1, Ordering::SeqCst)
}

#[test]
fn the_tag_comes_last_and_the_digest_is_the_same_for_all() {
    let component = component(1000);
    let first = Push::new(|_, _| None);
    let pushed = first.push(&component).unwrap();
    assert!(!pushed.was_there);
    assert_eq!(first.methods(), ["HEAD", "POST", "PUT", "HEAD", "POST", "PUT", "PUT"]);
    assert!(first.server.seen().last().unwrap().is_manifest());
    let again = first.push(&component).unwrap();
    assert!(again.was_there && again.reference == pushed.reference);
    let other = Push::new(|_, _| None);
    assert_eq!(other.push(&component).unwrap().reference.digest(), pushed.reference.digest());
    let pinned = plugin::push(&client(settings()), &pushed.reference, &component, &BTreeMap::new(), 0).unwrap_err();
    assert!(pinned.is_input() && pinned.to_string().contains("leave out @sha256:"), "{pinned}");
}

#[test]
fn large_components_go_in_pieces_and_the_registry_says_how_far() {
    let large = component(9 << 20);
    let whole = Push::new(|_, _| None);
    whole.push(&large).unwrap();
    let pieces: Vec<usize> =
        whole.server.seen().iter().filter(|seen| seen.method == "PATCH").map(|seen| seen.body.len()).collect();
    assert_eq!(pieces, [4 << 20, 4 << 20, large.len() - (8 << 20)]);
    assert_eq!(whole.registry.blobs.lock().unwrap()[&Digest::of(&large).to_string()], large);

    // It keeps the first half of the second piece, and says so.
    let times = count();
    let half = Push::new(move |seen, registry| {
        if seen.method != "PATCH" || times() != 1 {
            return None;
        }
        let mut half = seen.clone();
        half.body.truncate(2 << 20);
        Some(registry.answer(&half))
    });
    half.push(&large).unwrap();
    assert_eq!(half.registry.blobs.lock().unwrap()[&Digest::of(&large).to_string()], large);

    // It loses a connection after it took the piece: the piece comes again, and it says what it has.
    let times = count();
    let lost = Push::new(move |seen, registry| {
        if seen.method != "PATCH" {
            return None;
        }
        match times() {
            1 => {
                registry.answer(seen);
                Some(Reply::raw(|_| {}))
            }
            2 => Some(Reply::new(416, "").with("range", format!("0-{}", (8 << 20) - 1))),
            _ => None,
        }
    });
    lost.push(&large).unwrap();
    assert_eq!(lost.registry.blobs.lock().unwrap()[&Digest::of(&large).to_string()], large);

    // As Docker's registry has it, which then refuses the piece: all of it comes again.
    let times = count();
    let stale = Push::new(move |seen, registry| {
        if seen.method != "PATCH" {
            return None;
        }
        match times() {
            1 => {
                registry.answer(seen);
                Some(Reply::raw(|_| {}))
            }
            2 => {
                Some(Reply::new(404, r#"{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob upload invalid"}]}"#))
            }
            _ => None,
        }
    });
    stale.push(&large).unwrap();
    assert_eq!(stale.registry.blobs.lock().unwrap()[&Digest::of(&large).to_string()], large);
}

#[test]
fn a_registry_that_takes_nothing_is_given_up() {
    let large = component(5 << 20);
    let nothing = Push::new(|seen, _| {
        let location = seen.path.clone();
        (seen.method == "PATCH").then(|| Reply::new(202, "").with("location", location).with("range", "0-0"))
    });
    nothing.refuses(&large, "it took nothing of the piece from byte 0 on (3 tries)");
    let more = Push::new(|seen, _| {
        let location = seen.path.clone();
        (seen.method == "PATCH").then(|| Reply::new(202, "").with("location", location).with("range", "0-99999999"))
    });
    more.refuses(&large, "it says that it has 100000000 bytes of");
}

#[test]
fn a_push_that_is_refused_leaves_no_tag() {
    let denied = Push::new(|seen, _| {
        let said = r#"{"errors":[{"code":"DENIED","message":"read only"}]}"#;
        (seen.method == "POST").then(|| Reply::new(405, said))
    });
    denied.refuses(&component(10), "it answers 405: DENIED read only");
    let lost = Push::new(|seen, _| (seen.method == "PUT" && !seen.is_manifest()).then(|| Reply::new(404, "gone")));
    lost.refuses(&component(10), "it answers 404: gone");
    let no_component = Push::new(|_, _| None);
    no_component.refuses(b"\0asm\x0d\0\x01\0\x01", "the component is damaged");
    assert!(no_component.server.seen().is_empty());
}

#[test]
fn an_upload_elsewhere_gets_the_bytes_and_no_password() {
    let elsewhere = Server::start(|_| Reply::new(201, ""));
    let place = format!("http://{}/upload?x=y", elsewhere.host);
    let push = Push::new(move |seen, _| match seen.header("authorization") {
        None => Some(Reply::new(401, "").with("www-authenticate", "Basic realm=\"x\"")),
        Some(_) if seen.method == "POST" => Some(Reply::new(202, "").with("location", place.clone())),
        Some(_) => None,
    });
    let folder = tempfile::tempdir().unwrap();
    let config = format!(r#"{{ "auths": {{ "{}": {{ "auth": "YWxpY2U6c2VjcmV0" }} }} }}"#, push.server.host);
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let client = client(Settings { docker_config: Some(folder.path().to_owned()), ..settings() });
    plugin::push(&client, &push.reference, &component(10), &BTreeMap::new(), 0).unwrap();
    let seen = elsewhere.seen();
    assert_eq!(seen.len(), 2);
    assert!(
        seen.iter().all(|seen| seen.header("authorization").is_none() && seen.path.starts_with("/upload?x=y&digest="))
    );

    let unsafe_place = Push::new(|seen, _| {
        (seen.method == "POST").then(|| Reply::new(202, "").with("location", "http://elsewhere.example/upload"))
    });
    unsafe_place.refuses(&component(10), "it wants the upload elsewhere, but http://elsewhere.example is plain http");
}

#[test]
fn what_another_repository_has_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let component = component(1000);
    let digest = Digest::of(&component).to_string();
    // How a registry answers the wish: by status, and whether the component is sent after it.
    for (status, is_sent) in [(201, false), (202, true), (404, true), (403, true)] {
        let (mine, mounted) = (digest.clone(), AtomicUsize::new(0));
        let push = Push::new(move |seen, registry| {
            if seen.method == "POST" && seen.path.contains("mount=") {
                mounted.fetch_add(usize::from(status == 201), Ordering::SeqCst);
                let mut plain = seen.clone();
                plain.path.truncate(seen.path.find('?').unwrap());
                return Some(if status == 202 { registry.answer(&plain) } else { Reply::new(status, "") });
            }
            // Blobs are of a repository.
            let is_head = seen.method == "HEAD" && seen.path == format!("/v2/team/suite/blobs/{mine}");
            (is_head && mounted.load(Ordering::SeqCst) == 0).then(|| Reply::new(404, ""))
        });
        let pushed = push.push(&component).unwrap();
        let store = Store::open(&folder.path().join(status.to_string())).unwrap();
        let pulled = plugin::pull(&client(settings()), &store, &pushed.reference).unwrap();
        store.record(&push.reference, pulled.manifest, BTreeMap::new()).unwrap();
        let plugins = [("mine".to_owned(), pulled.manifest)].into();
        let made = bundle::create(&store, "t", None, &plugins, vec![]).unwrap();
        let suite = format!("oci://{}/team/suite:1", push.server.host).parse().unwrap();
        bundle::push(&client(settings()), &store, &suite, &made, &Signatures::new()).unwrap();
        let seen = push.server.seen();
        let wish = format!("/v2/team/suite/blobs/uploads/?mount={}&from=team%2Fmine", digest.replace(':', "%3A"));
        assert!(seen.iter().any(|seen| seen.path == wish), "{seen:?}");
        let mut sent = seen.iter().filter(|seen| seen.path.starts_with("/v2/team/suite/blobs/uploads/"));
        assert_eq!(sent.any(|seen| seen.body == component), is_sent, "{status}");
    }
}

const CHILD: &str = "BREWER_TEST_PUSH";

/// No test of its own: the push that is killed.
#[test]
fn child() {
    let Ok(reference) = env::var(CHILD) else { return };
    plugin::push(&client(settings()), &reference.parse().unwrap(), &component(9 << 20), &BTreeMap::new(), 0).unwrap();
}

#[test]
fn a_push_that_is_killed_anywhere_leaves_no_tag_and_is_done_again() {
    // Before and after the registry does what each of the requests of a push asks for.
    const REQUESTS: usize = 10;
    for point in 0..2 * REQUESTS {
        let (reached, at_the_point) = mpsc::channel();
        let (reached, times) = (Mutex::new(reached), count());
        let push = Push::new(move |seen, registry| {
            if times() != point / 2 {
                return None;
            }
            if point % 2 == 1 {
                registry.answer(seen);
            }
            reached.lock().unwrap().send(()).unwrap();
            Some(Reply::raw(Connection::hang))
        });
        let mut pushing = Command::new(env::current_exe().unwrap());
        pushing.args(["pushing::child", "--exact"]).env(CHILD, push.reference.to_string()).stdout(Stdio::null());
        let mut pushing = pushing.spawn().unwrap();
        at_the_point.recv().unwrap();
        pushing.kill().unwrap();
        pushing.wait().unwrap();
        let is_last = point == 2 * REQUESTS - 1;
        assert_eq!(push.registry.manifests.lock().unwrap().is_empty(), !is_last, "point {point}");
        let pushed = push.push(&component(9 << 20)).unwrap();
        let (_, manifest) = push.registry.manifests.lock().unwrap()["team/mine:1.0.0"].clone();
        assert_eq!(pushed.reference.digest(), Some(Digest::of(&manifest)));
    }
}
