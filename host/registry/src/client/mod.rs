//! The client of registries: the distribution protocol, bounded in time, memory and trust.
//!
//! It is written here, on `ureq`, since the usual crate, `oci-client`, does not keep what Brewer promises. Its 0.18 reads
//! answers of any size into memory, never compares a layer's size with its descriptor's, puts a digest from a manifest
//! into a URL unchecked, sends passwords over plain http to whatever host a challenge names, waits without end, and
//! loses what an interrupted transfer brought. Here
//!
//! * every answer has a limit ([`crate::limits`]), and a blob has the size that its descriptor says, to the byte;
//! * silence ends a request, and so does a trickle; what may pass is tried again, as the registry asks, within bounds;
//! * a blob that was interrupted is continued;
//! * credentials go to the registry, and to the token service that it names if nobody can listen there, and nowhere else.

mod authorization;
mod http;
mod pull;
mod push;
mod url;

use std::{cell::RefCell, collections::HashMap, fmt, path::PathBuf, rc::Rc, thread, time::Duration};

use ureq::http::Method;

use crate::{Credential, Credentials, Error, ErrorKind, Reference, Result, limits};
use http::{Answer, Call, Failure, Http};
use url::Origin;

pub use pull::Manifest;

/// How registries are reached.
#[derive(Clone, Default)]
pub struct Settings {
    /// Registries, HOST or HOST:PORT, that are spoken to without TLS. One on this machine's loopback is anyway.
    pub plain_http: Vec<String>,
    /// PEM certificates to trust beside the system's. With it, loopback is spoken to with TLS as well.
    pub ca_file: Option<PathBuf>,
    /// The folder of Docker's `config.json` [default: as Docker and podman find theirs].
    pub docker_config: Option<PathBuf>,
    /// How long a request may take, and how often it is tried.
    pub timing: Timing,
    /// Hears of what is on its way.
    pub progress: Option<Progress>,
}

/// How long things may take, and how often they are tried.
#[derive(Debug, Clone)]
pub struct Timing {
    /// For the look-up of a name, and for a connection.
    pub connect: Duration,
    /// The longest silence.
    pub silence: Duration,
    /// Tries of a request that may succeed the next time.
    pub tries: u32,
    /// Before the second try; then twice as long each time.
    pub pause: Duration,
    /// The longest pause that a registry can ask for.
    pub longest_pause: Duration,
    /// Bytes a second that are too few.
    pub slowest: u64,
    /// For a credential helper.
    pub helper: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            tries: 3,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            slowest: 4 << 10,
            helper: Duration::from_secs(30),
        }
    }
}

/// Hears of blobs on their way.
pub type Progress = Rc<dyn Fn(&Transfer)>;

/// A blob on its way.
#[derive(Debug)]
pub struct Transfer {
    /// Bytes that are there.
    pub done: u64,
    /// Bytes of the whole.
    pub total: u64,
}

/// Speaks with registries, and remembers what they gave it leave to do.
pub struct Client {
    http: Http,
    credentials: Credentials,
    settings: Settings,
    /// The `Authorization` for each registry and scope.
    authorizations: RefCell<HashMap<(String, String), String>>,
    /// The credential that is tried in place of stored ones.
    tried: Option<Credential>,
}

/// What a request does, so what a token must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access<'a> {
    /// No more than to be known.
    None,
    Pull,
    Push,
    /// To push, and to read in this repository of the same registry.
    Mount(&'a str),
}

/// One repository of a registry.
#[derive(Debug)]
pub struct Repository<'c> {
    client: &'c Client,
    /// As the reference has it.
    host: String,
    name: String,
    origin: Origin,
}

impl Client {
    /// # Errors
    /// If the CA file or the configuration of credentials cannot be read.
    pub fn new(settings: Settings) -> Result<Self> {
        for host in &settings.plain_http {
            crate::reference::check_host(host).map_err(|problem| Error::input("--plain-http", problem))?;
        }
        let http = Http::new(settings.ca_file.as_deref(), &settings.timing)?;
        let credentials = Credentials::new(settings.docker_config.as_deref(), settings.timing.helper);
        Ok(Self { http, credentials, settings, authorizations: RefCell::default(), tried: None })
    }

    /// Where credentials are found and stored.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The repository that a reference names.
    pub fn repository(&self, reference: &Reference) -> Repository<'_> {
        self.repository_at(reference.host(), reference.repository())
    }

    fn repository_at(&self, host: &str, name: &str) -> Repository<'_> {
        Repository { client: self, host: host.to_owned(), name: name.to_owned(), origin: self.origin(host) }
    }

    /// Whether the registry knows a user by this password.
    ///
    /// # Errors
    /// If it does not, or cannot be asked.
    pub fn check_login(&mut self, host: &str, credential: Credential) -> Result<()> {
        crate::reference::check_host(host).map_err(|problem| Error::input(format!("`{host}`"), problem))?;
        self.tried = Some(credential);
        self.authorizations.borrow_mut().clear();
        let registry = self.repository_at(host, "");
        let answer = registry.send(&registry.call(Method::GET, "/v2/", limits::ERROR_TEXT), Access::None);
        let status = answer?.status;
        if status == 200 {
            Ok(())
        } else {
            Err(registry.failed(format!("`GET /v2/` answers {status}; is it a registry?")))
        }
    }

    /// Where a registry is reached.
    fn origin(&self, host: &str) -> Origin {
        // What people write is not where Docker Hub answers.
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        let (name, port) = split_port(host);
        let is_https = !self.is_plain(name, port);
        Origin { is_https, host: name.to_owned(), port: port.unwrap_or(if is_https { 443 } else { 80 }) }
    }

    /// Whether a host may be spoken to without TLS.
    fn is_plain(&self, name: &str, port: Option<u16>) -> bool {
        let is_named = |plain: &String| {
            let (plain_name, plain_port) = split_port(plain);
            plain_name == name && (plain_port.is_none() || plain_port == port)
        };
        let is_loopback = name == "localhost"
            || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || name == "[::1]";
        self.settings.plain_http.iter().any(is_named) || (is_loopback && self.settings.ca_file.is_none())
    }

    /// Refuses to go where an answer of `from` points, if anybody can listen there: never from https to plain http, and to
    /// plain http only where the user allows it.
    fn check_hop(&self, from: &Origin, to: &Origin) -> Result<(), String> {
        if to.is_https || (!from.is_https && self.is_plain(&to.host, Some(to.port))) {
            return Ok(());
        }
        Err(format!("{to} is plain http, where anybody can listen and answer"))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Authorizations are secrets.
        formatter.debug_struct("Client").field("http", &self.http).finish_non_exhaustive()
    }
}

fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, None),
    }
}

impl Repository<'_> {
    /// A request to the registry.
    fn call(&self, method: Method, path: &str, expected: u64) -> Call<'static> {
        Call { method, url: self.origin.url(path), headers: vec![], body: None, expected }
    }

    /// Sends a request, with the authorization that it needs, where redirects lead, and again if that may help. The
    /// answer is not one that says to try again or to authenticate.
    fn send(&self, call: &Call<'_>, access: Access<'_>) -> Result<Answer> {
        let mut tries = Tries::new(&self.client.settings.timing);
        let mut is_renewed = false;
        loop {
            let failure = match self.follow(call, access) {
                Ok(answer) if answer.status == 401 && answer.url.origin() == &self.origin && !is_renewed => {
                    is_renewed = true;
                    self.authorize(&answer, access)?;
                    continue;
                }
                Ok(mut answer) if matches!(answer.status, 401 | 403) => return Err(self.denied(&mut answer)),
                Ok(mut answer) if is_passing(answer.status) => {
                    tries.ask(answer.header("retry-after")).map_err(|problem| self.failed(problem))?;
                    Failure::Passing(answer.problem())
                }
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            tries.again(failure).map_err(|problem| self.failed(problem))?;
        }
    }

    /// Sends a request and follows redirects, to whom no credentials are shown but the registry.
    fn follow(&self, call: &Call<'_>, access: Access<'_>) -> Result<Answer, Failure> {
        let mut call = call.clone();
        let mut redirects = 0;
        loop {
            let is_own = call.url.origin() == &self.origin;
            let authorization = if is_own { self.authorization(access) } else { None };
            let mut sent = call.clone();
            sent.headers.extend(authorization.map(|authorization| ("authorization", authorization)));
            let answer = self.client.http.send(&sent)?;
            let is_redirect = matches!(answer.status, 301 | 302 | 303 | 307 | 308);
            if !is_redirect || !matches!(call.method, Method::GET | Method::HEAD) {
                return Ok(answer);
            }
            redirects += 1;
            if redirects > limits::REDIRECTS {
                return Err(Failure::Lasting(format!("it redirects more than {} times", limits::REDIRECTS)));
            }
            let location = answer.header("location").unwrap_or("");
            let refused = |problem: String| Failure::Lasting(format!("it redirects, but {problem}"));
            let url = call.url.join(location).map_err(refused)?;
            self.client.check_hop(call.url.origin(), url.origin()).map_err(refused)?;
            call.url = url;
        }
    }

    /// An error of this registry, or of the way to it.
    fn failed(&self, problem: impl fmt::Display) -> Error {
        Error::network(&self.host, problem)
    }

    /// An answer that no request can have.
    fn unexpected(&self, answer: &mut Answer) -> Error {
        self.failed(answer.problem())
    }

    fn missing(&self, what: impl fmt::Display, answer: &mut Answer) -> Error {
        Error::new(ErrorKind::NotFound, what, format!("{} has no such thing: {}", self.host, answer.problem()))
    }
}

fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// The tries of one request.
struct Tries<'t> {
    timing: &'t Timing,
    made: u32,
    asked: Option<Duration>,
}

impl<'t> Tries<'t> {
    fn new(timing: &'t Timing) -> Self {
        Self { timing, made: 0, asked: None }
    }

    /// Takes the pause that the registry asks for; what is no number of seconds asks for none.
    fn ask(&mut self, retry_after: Option<&str>) -> Result<(), String> {
        self.asked = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        match self.asked {
            Some(asked) if asked > self.timing.longest_pause => Err(format!(
                "it asks to wait {} s, which is more than {} s; try again later",
                asked.as_secs(),
                self.timing.longest_pause.as_secs()
            )),
            _ => Ok(()),
        }
    }

    /// Waits for the next try, unless there is none or it would not help.
    fn again(&mut self, failure: Failure) -> Result<(), String> {
        self.made += 1;
        match failure {
            Failure::Lasting(problem) => Err(problem),
            Failure::Passing(problem) if self.made >= self.timing.tries => {
                Err(format!("{problem} ({} tries)", self.made))
            }
            Failure::Passing(_) => {
                let usual = self.timing.pause.saturating_mul(1 << (self.made - 1).min(16));
                thread::sleep(self.asked.take().unwrap_or(usual).min(self.timing.longest_pause));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(settings: Settings) -> Client {
        Client::new(settings).unwrap()
    }

    #[test]
    fn plain_http_is_for_loopback_and_for_hosts_that_are_named() {
        let plain_http = vec!["intranet:5000".to_owned(), "other.lan".to_owned()];
        let client = client(Settings { plain_http, ..Settings::default() });
        for (host, url) in [
            ("ghcr.io", "https://ghcr.io"),
            ("docker.io", "https://registry-1.docker.io"),
            ("localhost:5000", "http://localhost:5000"),
            ("127.0.0.9", "http://127.0.0.9"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("intranet:5000", "http://intranet:5000"),
            ("intranet:5001", "https://intranet:5001"),
            ("other.lan:1", "http://other.lan:1"),
            ("127.0.0.1.evil.com", "https://127.0.0.1.evil.com"),
        ] {
            assert_eq!(client.origin(host).to_string(), url);
        }
    }

    #[test]
    fn nothing_leads_from_https_to_plain_http() {
        let client = client(Settings { plain_http: vec!["named.lan".to_owned()], ..Settings::default() });
        let origin = |url: &str| url::Url::parse(url).unwrap().origin().clone();
        let leads = |from: &str, to: &str| client.check_hop(&origin(from), &origin(to)).is_ok();
        assert!(leads("https://a.b", "https://c.d") && leads("http://localhost", "https://c.d"));
        assert!(leads("http://localhost", "http://named.lan") && leads("http://localhost", "http://127.0.0.1:9"));
        assert!(!leads("http://localhost", "http://c.d"));
        assert!(!leads("https://a.b", "http://named.lan") && !leads("https://a.b", "http://a.b"));
    }
}
