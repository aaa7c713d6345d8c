//! Connections that break, stall, trickle, and answers that never end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use brewer_registry::{Digest, Settings};

use crate::server::{Connection, Registry, Reply, Seen, Server};
use crate::world::{World, component, hasty, settings};

/// Counts how often something was asked for.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    /// The number of this time, from 0.
    fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

fn is_component(seen: &Seen) -> bool {
    seen.is_blob(&Digest::of(&component(300 << 10)))
}

/// What a good registry would answer, cut off after `length` bytes of the body.
fn cut(seen: &Seen, registry: &Registry, length: usize) -> Option<Reply> {
    let Reply::Full { status, headers, body } = registry.answer(seen) else { return None };
    Some(Reply::raw(move |connection| {
        head(connection, status, body.len(), &headers);
        connection.write(&body[..length.min(body.len())]);
    }))
}

fn head(connection: &mut Connection, status: u16, length: usize, headers: &[(&'static str, String)]) {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    connection.write(format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n{headers}\r\n").as_bytes());
}

#[test]
fn a_transfer_that_breaks_off_continues_from_its_byte() {
    let times = Count::default();
    let world = World::new(move |seen, registry| {
        (is_component(seen) && times.next() == 0).then(|| cut(seen, registry, 100 << 10)).flatten()
    });
    world.arrives();
    let ranges =
        world.server.seen().iter().filter_map(|seen| seen.header("range").map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(ranges, ["bytes=102400-"]);
}

#[test]
fn what_always_breaks_off_is_an_error_and_the_next_pull_continues() {
    let is_broken = Count::default();
    let tries = is_broken.clone();
    let world = World::new(move |seen, registry| {
        let is_broken = is_component(seen) && tries.0.load(Ordering::SeqCst) < 3;
        if is_broken {
            tries.next();
        }
        is_broken.then(|| cut(seen, registry, if seen.header("range").is_some() { 0 } else { 1000 })).flatten()
    });
    world.refuses(settings(), &["(3 tries)", "1000 of 307", "the next pull continues there"]);
    world.arrives();
    let last = world.server.seen().iter().rev().find_map(|seen| seen.header("range").map(str::to_owned));
    assert_eq!(last.as_deref(), Some("bytes=1000-"));
}

#[test]
fn a_registry_that_knows_no_ranges_sends_it_again() {
    for answer in ["all", "wrong range", "416"] {
        let times = Count::default();
        let world = World::new(move |seen, registry| {
            if !is_component(seen) {
                return None;
            }
            let whole = registry.blobs.lock().unwrap()[&Digest::of(&component(300 << 10)).to_string()].clone();
            match (times.next(), answer) {
                (0, _) => cut(seen, registry, 5_000),
                (1, "all") => Some(Reply::new(200, whole)),
                (1, "416") => Some(Reply::new(416, "")),
                (1, _) => Some(Reply::new(206, whole).with("content-range", "bytes 0-99/100")),
                _ => None,
            }
        });
        world.arrives();
    }
}

#[test]
fn a_bit_that_flipped_is_found() {
    let world = World::new(|seen, registry| {
        let Reply::Full { status, headers, mut body } = registry.answer(seen) else { return None };
        is_component(seen).then(|| {
            body[1_000] ^= 1;
            Reply::Full { status, headers, body }
        })
    });
    world.refuses(settings(), &["team/mine:1.0.0", "must have 307", "its bytes have another digest"]);
}

#[test]
fn silence_ends_a_request() {
    let world = World::new(|_, _| Some(Reply::raw(Connection::hang)));
    world.refuses(hasty(), &["timeout", "(3 tries)"]);
    assert_eq!(world.server.seen().len(), 3);
}

#[test]
fn silence_in_the_middle_ends_a_transfer() {
    let world = World::new(|seen, registry| {
        let Reply::Full { body, headers, .. } = registry.answer(seen) else { return None };
        is_component(seen).then(|| {
            Reply::raw(move |connection| {
                head(connection, 200, body.len(), &headers);
                connection.write(&body[..100]);
                connection.hang();
            })
        })
    });
    world.refuses(hasty(), &["timeout", "(3 tries)"]);
}

#[test]
fn a_trickle_ends_too() {
    let world = World::new(|seen, registry| {
        let Reply::Full { body, headers, .. } = registry.answer(seen) else { return None };
        is_component(seen).then(|| {
            Reply::raw(move |connection| {
                head(connection, 200, body.len(), &headers);
                // Each byte comes long before silence would be one.
                while connection.write(b"x") {
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
        })
    });
    let mut settings = hasty();
    settings.timing.silence = Duration::from_millis(400);
    world.refuses(settings, &["timeout", "(3 tries)"]);
}

#[test]
fn a_registry_that_hangs_up_is_asked_three_times() {
    let world = World::new(|_, _| Some(Reply::raw(|_| {})));
    world.refuses(settings(), &["(3 tries)"]);
    assert_eq!(world.server.seen().len(), 3);
}

#[test]
fn a_registry_says_how_long_to_wait() {
    let times = Count::default();
    let world = World::new(move |_, _| (times.next() == 0).then(|| Reply::new(429, "").with("retry-after", "1")));
    let start = Instant::now();
    world.arrives();
    assert!(start.elapsed() >= Duration::from_secs(1));

    let world = World::new(|_, _| Some(Reply::new(429, "slow down").with("retry-after", "1000000000")));
    world.refuses(settings(), &["it asks to wait 1000000000 s, which is more than 30 s"]);
    assert_eq!(world.server.seen().len(), 1);
    let world = World::new(|_, _| Some(Reply::new(429, "slow down")));
    world.refuses(settings(), &["it answers 429: slow down (3 tries)"]);
}

#[test]
fn trouble_that_passes_is_waited_for_and_trouble_that_stays_is_named() {
    let times = Count::default();
    let world = World::new(move |_, _| (times.next() == 0).then(|| Reply::new(503, "")));
    world.arrives();
    let world = World::new(|_, _| Some(Reply::new(500, r#"{"errors":[{"code":"UNKNOWN","message":"disk"}]}"#)));
    world.refuses(settings(), &["it answers 500: UNKNOWN disk (3 tries)"]);
}

#[test]
fn an_error_page_is_short_and_plain_when_it_is_shown() {
    let world = World::new(|_, _| {
        Some(Reply::raw(|connection| {
            connection.write(b"HTTP/1.1 418 Said\r\nconnection: close\r\n\r\n\x1b[2Kgone \xff\xfe\n");
            connection.flood(&[b'y'; 64 << 10]);
        }))
    });
    world.refuses(settings(), &["it answers 418: \\u{1b}[2Kgone"]);
    assert!(world.server.sent() < 16 << 20);
}

#[test]
fn headers_end_and_nothing_is_unpacked() {
    let world = World::new(|_, _| {
        Some(Reply::raw(|connection| {
            connection.write(b"HTTP/1.1 200 OK\r\n");
            connection.flood(format!("x-more: {}\r\n", "y".repeat(1000)).as_bytes());
        }))
    });
    world.refuses(settings(), &[]);
    assert!(world.server.sent() < 16 << 20);
    let world = World::new(|seen, registry| match registry.answer(seen) {
        Reply::Full { status, headers, body } => {
            Some(Reply::Full { status, headers, body }.with("content-encoding", "gzip"))
        }
        raw => Some(raw),
    });
    world.refuses(settings(), &["the encoding `gzip`, which was not asked for"]);
}

#[test]
fn redirects_end_and_lead_nowhere_unsafe() {
    let world = World::new(|seen, _| Some(Reply::new(307, "").with("location", seen.path.clone())));
    world.refuses(settings(), &["it redirects more than 5 times"]);
    assert_eq!(world.server.seen().len(), 6);
    let leads = |location: &'static str, expected: &str| {
        let world = World::new(move |_, _| Some(Reply::new(302, "").with("location", location)));
        world.refuses(settings(), &["it redirects, but", expected]);
    };
    leads("http://elsewhere.example/x", "http://elsewhere.example is plain http");
    leads("file:///etc/passwd", "is no http or https URL");
    leads("https://alice:secret@elsewhere.example/", "is no http or https URL");
    leads("", "is no http or https URL");
}

#[test]
fn another_host_sees_no_credentials() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{ "auths": { "HOST": { "auth": "YWxpY2U6c2VjcmV0" } } }"#)
        .unwrap();
    let blob = component(300 << 10);
    let elsewhere = Server::start(move |_| Reply::new(200, blob.clone()));
    let place = format!("http://{}/blob", elsewhere.host);
    let world = World::new(move |seen, _| match seen.header("authorization") {
        None => Some(Reply::new(401, "").with("www-authenticate", "Basic realm=\"x\"")),
        Some(_) if is_component(seen) => Some(Reply::new(307, "").with("location", place.clone())),
        Some(_) => None,
    });
    let config = folder.path().join("config.json");
    let text = std::fs::read_to_string(&config).unwrap().replace("HOST", &world.server.host);
    std::fs::write(&config, text).unwrap();
    world.pull_as(Settings { docker_config: Some(folder.path().to_owned()), ..settings() }).unwrap();
    let seen = elsewhere.seen();
    assert!(seen.len() == 1 && seen[0].header("authorization").is_none(), "{seen:?}");
    assert!(world.server.seen().iter().any(|seen| seen.header("authorization") == Some("Basic YWxpY2U6c2VjcmV0")));
}
