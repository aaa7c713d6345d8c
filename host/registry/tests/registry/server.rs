//! A registry in memory, whose answers a test can spoil.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use brewer_registry::Digest;
use serde_json::{Value, json};

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
