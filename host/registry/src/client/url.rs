//! URLs of a registry and of what it points to, and where credentials may go.

use std::fmt;

use ureq::http::Uri;

/// An absolute URL, http or https.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    origin: Origin,
    /// Path and query, beginning with `/`.
    path: String,
}

/// Who answers for a URL. Credentials of one origin never go to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub is_https: bool,
    /// Without the port.
    pub host: String,
    pub port: u16,
}

impl Url {
    /// Reads an absolute URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || format!("`{}` is no http or https URL", crate::printable(text, 200));
        let uri: Uri = text.parse().map_err(|_| refused())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refused()),
        };
        // A name and a password in a URL would be sent as credentials.
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(refused());
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(refused)?.to_lowercase();
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { origin: Origin { is_https, host, port }, path })
    }

    /// What a `Location` means that was sent in answer to this URL.
    pub fn join(&self, location: &str) -> Result<Self, String> {
        if let Some(rest) = location.strip_prefix("//") {
            let scheme = if self.origin.is_https { "https" } else { "http" };
            Self::parse(&format!("{scheme}://{rest}"))
        } else if location.starts_with('/') {
            Self::parse(&format!("{}{location}", self.origin))
        } else {
            Self::parse(location)
        }
    }

    /// The URL with one more parameter; `value` needs no escaping beyond `:`.
    pub fn with_query(&self, key: &str, value: &str) -> Self {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        Self { origin: self.origin.clone(), path: format!("{}{separator}{key}={}", self.path, escaped(value)) }
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl Origin {
    pub fn url(&self, path: &str) -> Url {
        Url { origin: self.clone(), path: path.to_owned() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.origin, self.path)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.is_https { ("https", 443) } else { ("http", 80) };
        write!(formatter, "{scheme}://{}", self.host)?;
        if self.port != usual {
            write!(formatter, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// Text as it stands in a query or a form.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte as char),
            _ => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_what_it_says_in_answer_to_its_url() {
        let url = Url::parse("https://a.b:5000/v2/x/blobs/uploads/?y=1").unwrap();
        for (location, meant) in [
            ("/v2/z?s=t", "https://a.b:5000/v2/z?s=t"),
            ("http://c.d/e", "http://c.d/e"),
            ("//c.d:443/e", "https://c.d/e"),
        ] {
            assert_eq!(url.join(location).map(|url| url.to_string()), Ok(meant.to_owned()));
        }
        assert_eq!(url.with_query("digest", "sha256:0").to_string(), format!("{url}&digest=sha256%3A0"));
        for wrong in ["v2/z", "", "ftp://a.b/", "https://alice:secret@a.b/", "https:///a", "https://a.b/\n"] {
            assert!(url.join(wrong).unwrap_err().contains("is no http or https URL"), "{wrong}");
        }
    }
}
