//! A registry in memory, whose answers a test can spoil.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use brewer_plugin_kit::manifest::Manifest as PluginManifest;
use brewer_registry::{
    Client, Digest, Reference, Result, Settings, Store, Timing,
    plugin::{self, Plugin},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn is_manifest(&self) -> bool {
        self.path.contains("/manifests/")
    }

    pub fn is_blob(&self, digest: &Digest) -> bool {
        self.method == "GET" && self.path.ends_with(&digest.to_string())
    }
}

/// An answer.
pub enum Reply {
    Full {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Whatever the test writes; the connection is closed after it.
    Raw(Box<dyn FnOnce(&mut Connection) + Send>),
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Full { status, headers: vec![], body: body.into() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Full { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    pub fn raw(write: impl FnOnce(&mut Connection) + Send + 'static) -> Self {
        Self::Raw(Box::new(write))
    }
}

/// The client's end of a connection, as the server sees it.
pub struct Connection {
    stream: TcpStream,
    sent: Arc<AtomicU64>,
}

impl Connection {
    /// Writes bytes; returns whether the client still takes them.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        let is_taken = self.stream.write_all(bytes).is_ok();
        if is_taken {
            self.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        }
        is_taken
    }

    /// Writes the same bytes until the client has enough.
    pub fn flood(&mut self, bytes: &[u8]) {
        while self.write(bytes) {}
    }

    /// Waits until the client leaves.
    pub fn hang(&mut self) {
        let _ = self.stream.read(&mut [0]);
    }
}

/// A server on a port of its own, as long as the test runs.
#[derive(Clone)]
pub struct Server {
    pub host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    sent: Arc<AtomicU64>,
}

impl Server {
    pub fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = Self { host, seen: Arc::default(), sent: Arc::default() };
        let (accepting, answer) = (server.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), server, answer) = (stream, accepting.clone(), answer.clone()) else { return };
                thread::spawn(move || server.serve(stream, &*answer));
            }
        });
        server
    }

    fn serve(&self, stream: TcpStream, answer: &(impl Fn(&Seen) -> Reply + ?Sized)) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let Some(seen) = read_request(&mut reader) else { return };
        self.seen.lock().unwrap().push(seen.clone());
        let mut connection = Connection { stream, sent: self.sent.clone() };
        match answer(&seen) {
            Reply::Raw(write) => write(&mut connection),
            Reply::Full { status, headers, body } => {
                let mut head =
                    format!("HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head += &format!("{name}: {value}\r\n");
                }
                connection.write(format!("{head}\r\n").as_bytes());
                if seen.method != "HEAD" {
                    connection.write(&body);
                }
            }
        }
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Bytes that clients took so far: what lies between here and their memory is a few socket buffers.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, path, headers, body })
}

/// What a well-behaved registry holds.
#[derive(Default)]
pub struct Registry {
    /// By repository and tag or digest.
    pub manifests: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    pub blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    uploads: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Whether it keeps who refers to whom.
    pub has_referrers: AtomicBool,
}

impl Registry {
    pub fn answer(&self, seen: &Seen) -> Reply {
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let Some(rest) = path.strip_prefix("/v2/") else { return Reply::new(404, "") };
        if rest.is_empty() {
            Reply::new(200, "{}")
        } else if let Some((repository, target)) = rest.split_once("/manifests/") {
            self.manifest(seen, repository, target)
        } else if let Some((repository, subject)) = rest.split_once("/referrers/") {
            self.referrers(repository, subject)
        } else if let Some((_, upload)) = rest.split_once("/blobs/uploads/") {
            self.upload(seen, path, upload, query)
        } else if let Some((_, digest)) = rest.split_once("/blobs/") {
            self.blob(seen, digest)
        } else {
            Reply::new(404, "")
        }
    }

    fn manifest(&self, seen: &Seen, repository: &str, target: &str) -> Reply {
        let mut manifests = self.manifests.lock().unwrap();
        if seen.method == "PUT" {
            let manifest = (seen.header("content-type").unwrap().to_owned(), seen.body.clone());
            manifests.insert(format!("{repository}:{}", Digest::of(&seen.body)), manifest.clone());
            manifests.insert(format!("{repository}:{target}"), manifest);
            return match subject(&seen.body).filter(|_| self.has_referrers.load(Ordering::SeqCst)) {
                Some(subject) => Reply::new(201, "").with("oci-subject", subject),
                None => Reply::new(201, ""),
            };
        }
        match manifests.get(&format!("{repository}:{target}")) {
            Some((content_type, bytes)) => Reply::new(200, bytes.clone()).with("content-type", content_type),
            None => Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
        }
    }

    fn referrers(&self, repository: &str, of: &str) -> Reply {
        if !self.has_referrers.load(Ordering::SeqCst) {
            return Reply::new(404, "404 page not found");
        }
        let manifests = self.manifests.lock().unwrap();
        let mine = manifests.iter().filter(|(name, _)| name.starts_with(&format!("{repository}:sha256:")));
        let referring = mine.filter(|(_, (_, bytes))| subject(bytes).as_deref() == Some(of));
        let entries: Vec<Value> = referring
            .map(|(_, (kind, bytes))| json!({ "mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len() }))
            .collect();
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": entries });
        Reply::new(200, index.to_string()).with("content-type", kind)
    }

    fn blob(&self, seen: &Seen, digest: &str) -> Reply {
        let blobs = self.blobs.lock().unwrap();
        let Some(blob) = blobs.get(digest) else { return Reply::new(404, "") };
        match seen
            .header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
        {
            Some(from) if from < blob.len() => {
                let range = format!("bytes {from}-{}/{}", blob.len() - 1, blob.len());
                Reply::new(206, &blob[from..]).with("content-range", range)
            }
            Some(_) => Reply::new(416, ""),
            None => Reply::new(200, blob.clone()),
        }
    }

    fn upload(&self, seen: &Seen, path: &str, upload: &str, query: &str) -> Reply {
        let mut uploads = self.uploads.lock().unwrap();
        if seen.method == "POST" {
            let name = uploads.len().to_string();
            uploads.insert(name.clone(), vec![]);
            return Reply::new(202, "").with("location", format!("{path}{name}"));
        }
        let Some(bytes) = uploads.get_mut(upload) else { return Reply::new(404, "") };
        bytes.extend(&seen.body);
        if seen.method == "PATCH" {
            return Reply::new(202, "").with("location", path).with("range", format!("0-{}", bytes.len() - 1));
        }
        let digest = Digest::of(bytes).to_string();
        if query != format!("digest={}", digest.replace(':', "%3A")) {
            return Reply::new(
                400,
                r#"{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match"}]}"#,
            );
        }
        self.blobs.lock().unwrap().insert(digest, bytes.clone());
        Reply::new(201, "")
    }
}

/// What a manifest refers to.
fn subject(manifest: &[u8]) -> Option<String> {
    let manifest: Value = serde_json::from_slice(manifest).ok()?;
    Some(manifest.pointer("/subject/digest")?.as_str()?.to_owned())
}

/// A registry that holds one plugin and whose answers are spoiled by a fault; and a store.
pub struct World {
    pub folder: TempDir,
    pub registry: Arc<Registry>,
    pub server: Server,
    pub reference: Reference,
    pub component: Vec<u8>,
}

impl World {
    /// `fault` answers what it spoils, and `None` otherwise.
    pub fn new(fault: impl Fn(&Seen, &Registry) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::with_component(component(300 << 10), fault)
    }

    pub fn with_component(
        component: Vec<u8>,
        fault: impl Fn(&Seen, &Registry) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let registry = Arc::new(Registry::default());
        let (good, spoiled) = (registry.clone(), registry.clone());
        let good = Server::start(move |seen| good.answer(seen));
        let pushed = format!("oci://{}/team/mine:1.0.0", good.host).parse().unwrap();
        plugin::push(&client(settings()), &pushed, &component, &BTreeMap::new(), 0).unwrap();
        let server = Server::start(move |seen| fault(seen, &spoiled).unwrap_or_else(|| spoiled.answer(seen)));
        let reference = format!("oci://{}/team/mine:1.0.0", server.host).parse().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), registry, server, reference, component }
    }

    pub fn store_path(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub fn store(&self) -> Store {
        Store::open(&self.store_path()).unwrap()
    }

    pub fn pull(&self) -> Result<Plugin> {
        self.pull_as(settings())
    }

    pub fn pull_as(&self, settings: Settings) -> Result<Plugin> {
        plugin::pull(&client(settings), &self.store(), &self.reference)
    }

    /// The component arrives.
    #[track_caller]
    pub fn arrives(&self) {
        let pulled = self.pull().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(pulled.component, Digest::of(&self.component));
        assert!(pulled.bytes == self.component);
    }

    /// A pull ends with one message that has all of `expected` in it, and the store is what it was.
    #[track_caller]
    pub fn refuses(&self, settings: Settings, expected: &[&str]) -> String {
        let before = listing(&self.store_path());
        let error = self.pull_as(settings).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
        assert!(error.len() < 700 && !error.contains(['\n', '\x1b']), "no clear line: {error}");
        assert_eq!(listing(&self.store_path()), before);
        error
    }

    /// The manifest as it lies in the registry, changed.
    pub fn change_manifest(&self, change: impl Fn(String) -> String) {
        for (_, bytes) in self.registry.manifests.lock().unwrap().values_mut() {
            *bytes = change(String::from_utf8(bytes.clone()).unwrap()).into_bytes();
        }
    }
}

/// What is in the store for good: names of blobs and records.
pub fn listing(store: &Path) -> Vec<String> {
    let mut names = vec![];
    for folder in ["blobs/sha256", "refs"] {
        if let Ok(entries) = store.join(folder).read_dir() {
            names.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
        }
    }
    names.sort();
    names
}

/// Everything at its usual value but the pauses between tries; no credentials of whoever runs the tests.
pub fn settings() -> Settings {
    let timing = Timing { pause: Duration::from_millis(1), ..Timing::default() };
    Settings { docker_config: Some("/nowhere".into()), timing, ..Settings::default() }
}

/// As [`settings`], with no patience for silence.
pub fn hasty() -> Settings {
    let mut settings = settings();
    settings.timing.silence = Duration::from_millis(150);
    settings.timing.slowest = 1 << 30;
    settings
}

pub fn client(settings: Settings) -> Client {
    Client::new(settings).unwrap()
}

/// A component with a manifest, and so many bytes of nothing in it.
pub fn component(padding: usize) -> Vec<u8> {
    named_component("mine", padding)
}

/// The same of a plugin of another name.
pub fn named_component(name: &str, padding: usize) -> Vec<u8> {
    plugin_component(
        PluginManifest { name: name.into(), version: "1.0.0".into(), ..PluginManifest::default() },
        padding,
    )
}

/// A component that says this of itself.
pub fn plugin_component(said: PluginManifest, padding: usize) -> Vec<u8> {
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    let section = [&[4][..], b"fill", &vec![7; padding]].concat();
    component.push(0);
    let mut length = section.len();
    while length >= 0x80 {
        component.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    component.push(length as u8);
    component.extend(section);
    said.embed(component).unwrap()
}
