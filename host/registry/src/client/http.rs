//! One request and its answer, within bounds of time and size.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    time::Duration,
};

use ureq::{
    Agent, BodyReader,
    http::{HeaderMap, Method, Request},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::{Timing, url::Url};
use crate::{Error, Result, limits, printable};

/// Sends requests; follows no redirects and repeats nothing.
#[derive(Debug)]
pub struct Http {
    agent: Agent,
    timing: Timing,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<&'a [u8]>,
    /// How many bytes the answer may have; a slow one gets time in proportion.
    pub expected: u64,
}

/// The answer to a request; its body is not read yet.
pub struct Answer {
    pub status: u16,
    /// Who gave it: not the registry, after a redirect.
    pub url: Url,
    headers: HeaderMap,
    body: BodyReader<'static>,
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Failure {
    /// It may succeed at the next try.
    Passing(String),
    /// It will fail again.
    Lasting(String),
}

impl Failure {
    /// What happened.
    pub fn problem(&self) -> &str {
        let (Self::Passing(problem) | Self::Lasting(problem)) = self;
        problem
    }
}

impl Http {
    /// Trusts the system's certificates (`SSL_CERT_FILE` names others), and those in `ca_file`.
    pub fn new(ca_file: Option<&Path>, timing: &Timing) -> Result<Self> {
        let tls = TlsConfig::builder().root_certs(root_certificates(ca_file)?).build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(limits::HEADERS)
            // Digests are of what comes, and a compressed answer could have any size.
            .accept_encoding("identity")
            .user_agent(concat!("brewer/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(timing.connect))
            .timeout_connect(Some(timing.connect))
            .timeout_send_request(Some(timing.silence))
            .timeout_recv_response(Some(timing.silence))
            .timeout_per_read(Some(timing.silence))
            .timeout_per_write(Some(timing.silence))
            .build()
            .new_agent();
        Ok(Self { agent, timing: timing.clone() })
    }

    /// Sends a request, and returns as soon as the answer's headers are there.
    pub fn send(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(call.method.clone()).uri(call.url.to_string());
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let wrong = |error: ureq::http::Error| Failure::Lasting(format!("the request cannot be written: {error}"));
        let received = match call.body {
            Some(body) => {
                let request = request.body(body).map_err(wrong)?;
                let time = self.time_for(body.len() as u64);
                let request = self.agent.configure_request(request).timeout_send_body(Some(time));
                self.agent.run(request.timeout_recv_body(Some(self.time_for(call.expected))).build())
            }
            None => {
                let request = request.body(()).map_err(wrong)?;
                let request = self.agent.configure_request(request);
                self.agent.run(request.timeout_recv_body(Some(self.time_for(call.expected))).build())
            }
        };
        let (parts, body) = received.map_err(failure)?.into_parts();
        let answer = Answer {
            status: parts.status.as_u16(),
            url: call.url.clone(),
            headers: parts.headers,
            body: body.into_reader(),
        };
        match answer.header("content-encoding") {
            Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
                let encoding = printable(encoding, 40);
                Err(Failure::Lasting(format!("it answers in the encoding `{encoding}`, which was not asked for")))
            }
            _ => Ok(answer),
        }
    }

    /// How long so many bytes may take.
    fn time_for(&self, bytes: u64) -> Duration {
        self.timing.silence + Duration::from_secs(bytes / self.timing.slowest.max(1))
    }
}

impl Answer {
    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers of one name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// The bytes of the body that are there next; none at its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        self.body.read(buffer).map_err(|error| failure(error.into()))
    }

    /// The whole body, unless it has more than `limit` bytes.
    pub fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, Failure> {
        let bytes = self.some(limit + 1)?;
        if bytes.len() as u64 > limit {
            return Err(Failure::Lasting(format!("it answers with more than {limit} bytes")));
        }
        Ok(bytes)
    }

    /// What an answer that says an error says, to be shown: the registry's own words, or the status alone.
    pub fn problem(&mut self) -> String {
        let status = format!("it answers {}", self.status);
        let text = self.some(limits::ERROR_TEXT).unwrap_or_default();
        let said = match serde_json::from_slice::<serde_json::Value>(&text) {
            Ok(value) => {
                let error = value.pointer("/errors/0").unwrap_or(&value);
                let part = |key: &str| error.get(key).and_then(|part| part.as_str()).unwrap_or("").to_owned();
                format!("{} {}", part("code"), part("message"))
            }
            Err(_) => String::from_utf8_lossy(&text).into_owned(),
        };
        let said = printable(&said, 200);
        if said.is_empty() { status } else { format!("{status}: {said}") }
    }

    fn some(&mut self, limit: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![];
        let read = (&mut self.body).take(limit).read_to_end(&mut bytes);
        read.map_err(|error| failure(error.into()))?;
        Ok(bytes)
    }
}

/// Sorts what the HTTP library says into what a second try may mend and what it will not.
fn failure(error: ureq::Error) -> Failure {
    match error {
        // How rustls's errors arrive: a certificate does not become right by asking again.
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => Failure::Lasting(error.to_string()),
        ureq::Error::Io(error) => Failure::Passing(error.to_string()),
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed | ureq::Error::BodyStalled => {
            Failure::Passing(error.to_string())
        }
        ureq::Error::LargeResponseHeader(..) => {
            Failure::Lasting(format!("it answers with more than {} bytes of headers", limits::HEADERS))
        }
        _ => Failure::Lasting(printable(&error.to_string(), 200)),
    }
}

fn root_certificates(ca_file: Option<&Path>) -> Result<RootCerts> {
    // What of the system's cannot be read is not trusted; a server that needs it is refused by name.
    let system = rustls_native_certs::load_native_certs().certs;
    let mut certificates: Vec<_> =
        system.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    if let Some(path) = ca_file {
        let text = fs::read(path).map_err(|error| Error::input(path.display(), error))?;
        let before = certificates.len();
        for item in parse_pem(&text) {
            let item = item.map_err(|error| Error::input(path.display(), format!("its PEM is damaged: {error}")))?;
            if let PemItem::Certificate(certificate) = item {
                certificates.push(certificate);
            }
        }
        if certificates.len() == before {
            return Err(Error::input(path.display(), "there is no certificate in it; expected PEM"));
        }
    }
    // A machine without certificates of its own: those that Mozilla trusts.
    Ok(if certificates.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&certificates) })
}
