//! References to what a registry holds: `oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:…][#PLUGIN]`.

use std::{fmt, str::FromStr};

use crate::{Digest, Error, Result};

/// Where an artefact lies in a registry.
///
/// The host is obligatory and must look like one (a dot, a port, or `localhost`): there is no default registry and no
/// list that is searched, so nobody can put a plugin of the same name before the one that was meant. A reference without
/// tag and digest means the tag `latest`, and is written so. `#PLUGIN` names one plugin of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
    plugin: Option<String>,
}

/// What every reference begins with.
const SCHEME: &str = "oci://";

const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;

impl Reference {
    /// Whether `text` is meant as a reference, so that a mistake in it is one and not a file's name.
    pub fn is_meant(text: &str) -> bool {
        text.contains("://")
    }

    /// The registry: host, and port if there is one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository, without the host.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The manifest's digest, or that of a bundle's index, if the reference is pinned to one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The name of the plugin that is meant, of those in the bundle that the rest of the reference names.
    pub fn plugin(&self) -> Option<&str> {
        self.plugin.as_deref()
    }

    /// The bundle alone, where one plugin of it is meant.
    pub fn whole(&self) -> Self {
        Self { plugin: None, ..self.clone() }
    }

    /// Refuses the name of a plugin where all of an artefact is meant.
    pub(crate) fn check_whole(&self) -> Result<()> {
        match &self.plugin {
            Some(name) => {
                let problem = format!("`#{name}` is one plugin of a bundle, and this is for all of it; leave it out");
                Err(Error::input(self, problem))
            }
            None => Ok(()),
        }
    }

    /// What to ask the registry for: the digest if there is one, else the tag.
    pub(crate) fn target(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            // `from_str` sets one of the two.
            (None, None) => "latest".to_owned(),
        }
    }

    /// Another tag or digest of the same repository.
    pub(crate) fn at(&self, tag: Option<String>, digest: Option<Digest>) -> Self {
        Self { tag, digest, ..self.whole() }
    }

    /// The same reference by its tag alone; as it is if it has none.
    pub fn by_tag(&self) -> Self {
        Self { digest: self.digest.filter(|_| self.tag.is_none()), ..self.clone() }
    }

    /// The same reference, pinned.
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = |problem: String| Error::input(format!("`{}`", crate::printable(text, 300)), problem);
        let Some(rest) = text.strip_prefix(SCHEME) else {
            let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
            return Err(refused(format!("a reference is written {SCHEME}{}", crate::printable(rest, 300))));
        };
        let (rest, plugin) = match rest.split_once('#') {
            Some((_, name)) if !is_name(name) => {
                return Err(refused(format!("`#{}` is no name of a plugin in a bundle", crate::printable(name, 60))));
            }
            Some((rest, name)) => (rest, Some(name.to_owned())),
            None => (rest, None),
        };
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>().map_err(refused)?)),
            None => (rest, None),
        };
        let Some((host, path)) = rest.split_once('/') else {
            return Err(refused(format!("it names no repository; expected {SCHEME}HOST/REPOSITORY:TAG")));
        };
        check_host(host).map_err(refused)?;
        let (repository, tag) = match path.split_once(':') {
            // Versions have a `+` that tags must not have; everybody writes `_` for it.
            Some((repository, tag)) => (repository, Some(tag.replace('+', "_"))),
            None => (path, None),
        };
        check_repository(repository).map_err(refused)?;
        if let Some(tag) = &tag {
            check_tag(tag).map_err(refused)?;
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { host: host.to_owned(), repository: repository.to_owned(), tag, digest, plugin })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SCHEME}{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        if let Some(plugin) = &self.plugin {
            write!(formatter, "#{plugin}")?;
        }
        Ok(())
    }
}

/// Refuses what is no host of a registry, and says why.
pub(crate) fn check_host(host: &str) -> Result<(), String> {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let is_address =
                !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
            if !is_address || !(port.is_empty() || port.starts_with(':')) {
                return Err(format!("`{host}` is no host"));
            }
            (address, port.strip_prefix(':'))
        }
        None if host.starts_with('[') => return Err(format!("`{host}` is no host")),
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if let Some(port) = port.filter(|port| !is_port(port)) {
        return Err(format!("`{port}` is no port"));
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("a host is lower-case: {}", host.to_lowercase()));
    }
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_bracketed = host.starts_with('[');
    if !is_bracketed && !name.split('.').all(is_label) {
        return Err(format!("`{host}` is no host"));
    }
    if !is_bracketed && port.is_none() && !name.contains('.') && name != "localhost" {
        return Err(format!(
            "it does not say in which registry: `{host}` is no host; write for example ghcr.io/{host}/…"
        ));
    }
    Ok(())
}

fn check_repository(repository: &str) -> Result<(), String> {
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("a repository is lower-case: {}", repository.to_lowercase()));
    }
    if repository.len() > LONGEST_REPOSITORY || !repository.split('/').all(is_component) {
        return Err(format!("`{repository}` is no repository: parts of a-z and 0-9, joined by `.`, `_`, `__` or `-`"));
    }
    Ok(())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = component.split(|character: char| character.is_ascii() && is_inner(character as u8));
    let ends = [component.bytes().next(), component.bytes().next_back()];
    ends.iter().all(|end| end.is_some_and(is_inner))
        && separators
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

fn check_tag(tag: &str) -> Result<(), String> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if tag.is_empty() || tag.len() > LONGEST_TAG || !tag.bytes().all(is_inner) || tag.starts_with(['.', '-']) {
        return Err(format!("`{tag}` is no tag: up to {LONGEST_TAG} of A-Z, a-z, 0-9, `_`, `.` and `-`"));
    }
    Ok(())
}

/// Whether a part of a bundle can have this name: a file's wherever it is written, and not hidden.
pub(crate) fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=128).contains(&name.len()) && name.bytes().all(is_inner) && !name.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_written_out() {
        let digest = Digest::of(b"");
        for (text, written) in [
            ("oci://ghcr.io/team-a/minilm:1.2.0", "oci://ghcr.io/team-a/minilm:1.2.0".to_owned()),
            ("oci://localhost/a/b_c/d__e/f--g", "oci://localhost/a/b_c/d__e/f--g:latest".to_owned()),
            ("oci://127.0.0.1:5000/a:1.0.0+cpu", "oci://127.0.0.1:5000/a:1.0.0_cpu".to_owned()),
            ("oci://[::1]:5000/a:1", "oci://[::1]:5000/a:1".to_owned()),
            (format!("oci://a.b/c@{digest}").as_str(), format!("oci://a.b/c@{digest}")),
            (format!("oci://a.b/c:1@{digest}").as_str(), format!("oci://a.b/c:1@{digest}")),
            ("oci://a.b/c#x-y.z", "oci://a.b/c:latest#x-y.z".to_owned()),
            (format!("oci://a.b/c@{digest}#x").as_str(), format!("oci://a.b/c@{digest}#x")),
        ] {
            assert_eq!(text.parse::<Reference>().map(|reference| reference.to_string()), Ok(written));
        }
    }

    #[test]
    fn a_mistake_is_named_with_the_right_spelling() {
        for (text, expected) in [
            ("docker://ghcr.io/a/b:1", "a reference is written oci://ghcr.io/a/b:1"),
            ("ghcr.io/a/b:1", "a reference is written oci://ghcr.io/a/b:1"),
            ("oci://team-a/minilm", "`team-a` is no host; write for example ghcr.io/team-a/…"),
            ("oci://ghcr.io", "names no repository"),
            ("oci://GHCR.io/a", "a host is lower-case: ghcr.io"),
            ("oci://ghcr.io/Team/a", "a repository is lower-case: team/a"),
            ("oci://ghcr.io/../a", "`../a` is no repository"),
            ("oci://ghcr.io/a//b", "is no repository"),
            ("oci://ghcr.io/a?b=c", "is no repository"),
            ("oci://alice@ghcr.io/a", "is no sha256 digest"),
            ("oci://ghcr.io:0/a", "`0` is no port"),
            ("oci://ghcr.io:99999/a", "`99999` is no port"),
            ("oci://ghcr.io/a:", "`` is no tag"),
            ("oci://ghcr.io/a:b/c", "`b/c` is no tag"),
            ("oci://ghcr.io/a@sha256:abc", "`sha256:abc` is no sha256 digest"),
            ("oci://ghcr.io/a:1#", "`#` is no name of a plugin in a bundle"),
            ("oci://ghcr.io/a:1#../x", "`#../x` is no name of a plugin in a bundle"),
            ("oci://[::1/a", "is no host"),
            ("oci://ghcr..io/a", "is no host"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
