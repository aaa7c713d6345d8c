//! Bundles whose pull and push are killed at every request, and between any two files.

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use brewer_registry::{
    Bundle, Digest, Reference, Store,
    bundle::{self, FileKind},
    limits, plugin,
    signature::Signatures,
};

use crate::bundling::{store, suite};
use crate::server::{Connection, Registry, Reply, Seen, Server};
use crate::world::{client, listing, settings};

const CHILD: &str = "BREWER_TEST_BUNDLE";

/// No test of its own: the process that is killed.
#[test]
fn child() {
    let Ok(arguments) = env::var(CHILD) else { return };
    let words: Vec<&str> = arguments.split(' ').collect();
    let [command, store, reference, index] = words[..] else { panic!("{arguments}") };
    let (store, reference): (_, Reference) = (Store::open(Path::new(store)).unwrap(), reference.parse().unwrap());
    if command == "pull" {
        let pulled = bundle::pull(&client(settings()), &store, &reference).unwrap();
        store.record(&reference, pulled.index, BTreeMap::new()).unwrap();
    } else {
        let made = bundle::open(&store, &index.parse().unwrap()).unwrap();
        bundle::push(&client(settings()), &store, &reference, &made, &Signatures::new()).unwrap();
    }
}

fn start(command: &str, store: &Path, reference: &Reference, index: &Digest) -> Child {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["killing::child", "--exact"]).env(CHILD, format!("{command} {} {reference} {index}", store.display()));
    child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Where the server stops answering.
#[derive(Clone, Copy)]
enum Point {
    /// At the request of this number, which is not done.
    Before(usize),
    /// At the request of this number, which is done; half of the answer is sent.
    After(usize),
}

/// A registry that stops at a point, and says so.
fn stopping(registry: &Arc<Registry>, point: Point) -> (Server, mpsc::Receiver<()>) {
    let (sender, reached) = mpsc::channel();
    let (registry, sender, requests) = (registry.clone(), Mutex::new(sender), AtomicUsize::new(0));
    let server = Server::start(move |seen: &Seen| {
        let number = requests.fetch_add(1, Ordering::SeqCst);
        let half = match point {
            Point::Before(at) if at == number => vec![],
            Point::After(at) if at == number => match registry.answer(seen) {
                Reply::Full { status, body, .. } => {
                    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n", body.len());
                    [head.as_bytes(), &body[..body.len() / 2]].concat()
                }
                Reply::Raw(_) => vec![],
            },
            _ => return registry.answer(seen),
        };
        let sender = sender.lock().unwrap().clone();
        Reply::raw(move |connection: &mut Connection| {
            connection.write(&half);
            // Half an answer is on the disk by then, most times.
            thread::sleep(Duration::from_millis(if half.is_empty() { 0 } else { 5 }));
            sender.send(()).unwrap();
            connection.hang();
        })
    });
    (server, reached)
}

/// A registry with a bundle, the bundle, and the number of requests that a push and a pull of it take.
struct Shelf {
    folder: tempfile::TempDir,
    registry: Arc<Registry>,
    made: Bundle,
    pushes: usize,
    pulls: usize,
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Arc::new(Registry::default());
        let author = store(folder.path(), "author");
        let made = suite(&author);
        let (server, _) = stopping(&registry, Point::Before(usize::MAX));
        let reference = reference(&server);
        bundle::push(&client(settings()), &author, &reference, &made, &Signatures::new()).unwrap();
        let pushes = server.seen().len();
        bundle::pull(&client(settings()), &store(folder.path(), "reader"), &reference).unwrap();
        let pulls = server.seen().len() - pushes;
        Self { folder, registry, made, pushes, pulls }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("mine")
    }

    /// What a killed pull left is used by nobody, and the next one brings all of it.
    #[track_caller]
    fn check_pulled(&self) {
        let path = self.path();
        if path.exists() {
            let store = Store::open(&path).unwrap();
            for name in listing(&path).iter().filter(|name| !name.ends_with(".json")) {
                let digest: Digest = format!("sha256:{name}").parse().unwrap();
                assert!(store.blob(&digest, limits::COMPONENT).unwrap().is_some(), "{name} is half");
            }
            if let Some(found) = bundle::find(&store, &self.made.index).unwrap() {
                self.check_whole(&store, &found);
            }
            for record in store.records().unwrap() {
                assert!(bundle::find(&store, &record.manifest).unwrap().is_some(), "it is recorded, and not there");
            }
        }
        let (server, _) = stopping(&self.registry, Point::Before(usize::MAX));
        let store = Store::open(&path).unwrap();
        let pulled = bundle::pull(&client(settings()), &store, &reference(&server)).unwrap();
        self.check_whole(&store, &pulled);
        let left =
            path.join("ingest").read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // A record on its way has a name that no blob has; prune removes it.
        let left: Vec<String> = left.filter(|name| !name.starts_with('.')).collect();
        assert!(left.is_empty(), "{left:?}");
        drop(store);
        fs::remove_dir_all(path).unwrap();
    }

    #[track_caller]
    fn check_whole(&self, store: &Store, found: &Bundle) {
        assert_eq!(*found, self.made);
        for manifest in found.plugins.values() {
            assert!(plugin::load(store, manifest).unwrap().is_some());
        }
        for name in found.files_of(FileKind::Experiment) {
            found.file(store, name).unwrap();
        }
    }
}

fn reference(server: &Server) -> Reference {
    format!("oci://{}/team/suite:1", server.host).parse().unwrap()
}

#[test]
fn a_bundle_whose_pull_is_killed_anywhere_is_not_there_until_it_is_whole() {
    let shelf = Shelf::new();
    let points = (0..shelf.pulls).flat_map(|number| [Point::Before(number), Point::After(number)]);
    let points: Vec<Point> = points.collect();
    assert!(points.len() >= 20, "{}", points.len());
    for point in points {
        let (server, reached) = stopping(&shelf.registry, point);
        let child = start("pull", &shelf.path(), &reference(&server), &shelf.made.index);
        reached.recv().unwrap();
        kill(child);
        shelf.check_pulled();
    }
    // All has arrived, and comes to its place file by file.
    for files in 1..12 {
        let (server, _) = stopping(&shelf.registry, Point::Before(usize::MAX));
        let mut child = start("pull", &shelf.path(), &reference(&server), &shelf.made.index);
        while listing(&shelf.path()).len() < files && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(100));
        }
        kill(child);
        shelf.check_pulled();
    }
}

#[test]
fn a_bundle_whose_push_is_killed_anywhere_has_no_tag_until_it_is_whole() {
    let shelf = Shelf::new();
    assert!(shelf.pushes >= 20, "{}", shelf.pushes);
    for number in 0..shelf.pushes {
        let registry = Arc::new(Registry::default());
        let point = if number.is_multiple_of(2) { Point::Before(number) } else { Point::After(number) };
        let (server, reached) = stopping(&registry, point);
        let author = shelf.folder.path().join("author");
        let child = start("push", &author, &reference(&server), &shelf.made.index);
        reached.recv().unwrap();
        kill(child);
        let has_tag = registry.manifests.lock().unwrap().contains_key("team/suite:1");
        assert_eq!(has_tag, number + 1 == shelf.pushes && matches!(point, Point::After(_)), "request {number}");

        let (server, _) = stopping(&registry, Point::Before(usize::MAX));
        let author = Store::open(&author).unwrap();
        bundle::push(&client(settings()), &author, &reference(&server), &shelf.made, &Signatures::new()).unwrap();
        let fresh = shelf.folder.path().join("fresh");
        let pulled = bundle::pull(&client(settings()), &Store::open(&fresh).unwrap(), &reference(&server)).unwrap();
        shelf.check_whole(&Store::open(&fresh).unwrap(), &pulled);
        fs::remove_dir_all(fresh).unwrap();
    }
}
