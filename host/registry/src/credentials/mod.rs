//! Credentials of registries, where Docker and podman have them.
//!
//! Docker's `config.json` (in `DOCKER_CONFIG`, or `.docker` of the home folder) names a helper, one for all registries or
//! one for each, or holds the passwords itself; podman's `auth.json` has the same form. What is found first counts.

mod helper;

use std::{
    env, fs, io,
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use crate::{Error, Result, limits, printable};
use helper::Helper;

/// What proves to a registry who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A name and a password, or a token in its place.
    Password {
        /// The name to log in with.
        user: String,
        /// The password of that name.
        password: String,
    },
    /// What a log-in in the browser left; the token service takes it in place of a password.
    IdentityToken(String),
}

/// A secret, and where it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// What is shown to the registry.
    pub secret: Secret,
    /// A file or a helper, for messages.
    pub source: String,
}

/// Finds and stores credentials.
#[derive(Debug)]
pub struct Credentials {
    /// Where they are looked for, in this order. The first is Docker's, and is where they are stored.
    files: Vec<PathBuf>,
    /// How long a helper may take.
    helper_time: Duration,
}

/// As the files call Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

impl Credentials {
    /// Those in Docker's configuration `folder`, or where Docker and podman have theirs. A helper has `helper_time`.
    pub fn new(folder: Option<&Path>, helper_time: Duration) -> Self {
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = directories::BaseDirs::new().map(|folders| folders.home_dir().to_owned());
        let files = match folder {
            Some(folder) => vec![folder.join("config.json")],
            None => {
                let docker = variable("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
                let podman = variable("REGISTRY_AUTH_FILE");
                let runtime = variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json"));
                let own = home.map(|home| home.join(".config/containers/auth.json"));
                let docker = docker.map(|folder| folder.join("config.json"));
                [docker, podman, runtime, own].into_iter().flatten().collect()
            }
        };
        Self { files, helper_time }
    }

    /// The files that are searched, for messages.
    pub fn searched(&self) -> String {
        self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The credential for a repository of a registry, if there is one.
    ///
    /// # Errors
    /// If a file that is there cannot be read, or if a helper that it names fails.
    pub fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        for file in &self.files {
            let Some(config) = read(file)? else { continue };
            if let Some(helper) = self.helper(file, &config, host)? {
                let found = helper.get(key(host))?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            // Podman's entries may be for a part of a registry; the closest counts.
            let path = format!("{host}/{repository}");
            let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
            let mut keys: Vec<&str> = ends.map(|end| &path[..end]).collect();
            keys.reverse();
            for name in keys.into_iter().chain([key(host)]) {
                if let Some(entry) = entry(&config, name) {
                    return stored(file, name, entry).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Stores a password with the helper that is in charge, or else in Docker's file. Returns where it is.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub fn store(&self, host: &str, user: &str, password: &str) -> Result<String> {
        let (file, mut config) = self.docker_file()?;
        if let Some(helper) = self.helper(file, &config, host)? {
            helper.store(key(host), user, password)?;
            return Ok(helper.to_string());
        }
        let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let auths = config.entry("auths").or_insert_with(|| json!({}));
        let auths = auths.as_object_mut().ok_or_else(|| Error::input(file.display(), "`auths` is no object"))?;
        auths.insert(key(host).to_owned(), json!({ "auth": auth }));
        write(file, &config)?;
        Ok(file.display().to_string())
    }

    /// Removes what is stored for a registry. Returns whether there was something.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn erase(&self, host: &str) -> Result<bool> {
        let (file, mut config) = self.docker_file()?;
        let mut is_found = false;
        if let Some(helper) = self.helper(file, &config, host)?
            && helper.get(key(host))?.is_some()
        {
            helper.erase(key(host))?;
            is_found = true;
        }
        let auths = config.get_mut("auths").and_then(Value::as_object_mut);
        if auths.is_some_and(|auths| auths.shift_remove(key(host)).is_some()) {
            write(file, &config)?;
            is_found = true;
        }
        Ok(is_found)
    }

    fn docker_file(&self) -> Result<(&PathBuf, Map<String, Value>)> {
        let file = self.files.first().ok_or_else(|| {
            Error::input("credentials", "there is no home folder to store them in; name a folder in DOCKER_CONFIG")
        })?;
        Ok((file, read(file)?.unwrap_or_default()))
    }

    /// The helper that a file puts in charge of a registry.
    fn helper(&self, file: &Path, config: &Map<String, Value>, host: &str) -> Result<Option<Helper>> {
        let own = config.get("credHelpers").and_then(|helpers| helpers.get(key(host)));
        match own.or_else(|| config.get("credsStore")) {
            None => Ok(None),
            Some(Value::String(name)) if name.is_empty() => Ok(None),
            Some(Value::String(name)) => Helper::new(file, name, self.helper_time).map(Some),
            Some(_) => Err(Error::input(file.display(), "the name of a credential helper must be text")),
        }
    }
}

/// What a registry is called in the files.
fn key(host: &str) -> &str {
    if host == "docker.io" { DOCKER_HUB } else { host }
}

/// The entry of a name, which old versions of Docker wrote as a URL.
fn entry<'c>(config: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    let auths = config.get("auths")?.as_object()?;
    let spellings =
        [name.to_owned(), format!("https://{name}"), format!("https://{name}/v1/"), format!("https://{name}/v2/")];
    spellings.iter().find_map(|spelling| auths.get(spelling)).filter(|entry| {
        // Docker keeps an empty entry for what a helper holds.
        entry.as_object().is_none_or(|entry| !entry.is_empty())
    })
}

fn stored(file: &Path, name: &str, entry: &Value) -> Result<Credential> {
    let source = file.display().to_string();
    let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Credential { secret: Secret::IdentityToken(token.to_owned()), source });
    }
    // The message must not repeat what is there.
    let wrong = || Error::input(file.display(), format!("`auth` of {name} is not the base64 of USER:PASSWORD"));
    let bytes = BASE64_STANDARD.decode(text("auth").ok_or_else(wrong)?).map_err(|_| wrong())?;
    let decoded = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (user, password) = decoded.split_once(':').ok_or_else(wrong)?;
    let secret = Secret::Password { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() };
    Ok(Credential { secret, source })
}

/// The content of a file of credentials, if it is there.
fn read(file: &Path) -> Result<Option<Map<String, Value>>> {
    let mut text = vec![];
    match fs::File::open(file).and_then(|file| file.take(limits::CREDENTIALS + 1).read_to_end(&mut text)) {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::input(file.display(), format!("it cannot be read: {error}"))),
    }
    if text.len() as u64 > limits::CREDENTIALS {
        return Err(Error::input(file.display(), format!("it has more than {} bytes", limits::CREDENTIALS)));
    }
    // Where, and no more: serde's message can repeat what is there.
    let value = serde_json::from_slice(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let problem = format!("it is no JSON object as Docker writes it (line {line}, column {column})");
        Error::input(file.display(), problem)
    })?;
    Ok(Some(value))
}

/// Writes a file of credentials in one go, for the user's eyes only.
fn write(file: &Path, config: &Map<String, Value>) -> Result<()> {
    let write = || -> io::Result<()> {
        // A file that is a link stays one.
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let folder = file.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
        new.write_all(serde_json::to_string_pretty(config)?.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(file)?;
        Ok(())
    };
    write().map_err(|error| Error::disk(file, error))
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Credential from {}", printable(&self.source, 300))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_file(text: &str) -> (tempfile::TempDir, Credentials) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), text).unwrap();
        let credentials = Credentials::new(Some(folder.path()), Duration::from_secs(10));
        (folder, credentials)
    }

    #[test]
    fn the_closest_entry_counts() {
        // alice:one, bob:two
        let (_folder, credentials) = in_file(
            r#"{ "auths": { "a.b": { "auth": "YWxpY2U6b25l" }, "a.b/team/x": { "auth": "Ym9iOnR3bw==" },
                 "https://c.d/v1/": { "auth": "YWxpY2U6b25l" }, "e.f": { "identitytoken": "t" }, "g.h": {} } }"#,
        );
        let user = |host, repository| match credentials.find(host, repository).unwrap()?.secret {
            Secret::Password { user, password } => Some(format!("{user} {password}")),
            Secret::IdentityToken(token) => Some(token),
        };
        assert_eq!(user("a.b", "team/x").as_deref(), Some("bob two"));
        assert_eq!(user("a.b", "team/x/y").as_deref(), Some("bob two"));
        assert_eq!(user("a.b", "team/xy").as_deref(), Some("alice one"));
        assert_eq!(user("c.d", "x").as_deref(), Some("alice one"));
        assert_eq!(user("e.f", "x").as_deref(), Some("t"));
        assert_eq!(user("g.h", "x"), None);
        assert_eq!(user("b", "x"), None);
    }

    #[test]
    fn a_damaged_file_is_named_and_its_secrets_are_not() {
        for text in ["{ \"auths\": { \"a.b\": { \"auth\": \"c2VjcmV0\" } } }", "not JSON: secret", "\"secret\"", "[]"] {
            let (folder, credentials) = in_file(text);
            let error = credentials.find("a.b", "x").unwrap_err();
            let file = folder.path().join("config.json");
            assert!(error.is_input() && error.to_string().starts_with(&file.display().to_string()), "{error}");
            assert!(!error.to_string().contains("secret") && !error.to_string().contains("c2VjcmV0"), "{error}");
        }
    }

    #[test]
    fn a_password_that_is_stored_is_found_and_all_else_stays() {
        let (folder, credentials) = in_file(r#"{ "psFormat": "x", "auths": { "z.y": { "auth": "YWxpY2U6b25l" } } }"#);
        let place = credentials.store("a.b", "carol", "p:w").unwrap();
        assert_eq!(place, folder.path().join("config.json").display().to_string());
        let found = credentials.find("a.b", "x").unwrap().unwrap();
        assert!(found.secret == Secret::Password { user: "carol".into(), password: "p:w".into() });
        let text = fs::read_to_string(folder.path().join("config.json")).unwrap();
        assert!(text.contains("psFormat") && text.contains("z.y"), "{text}");
        let mode = fs::metadata(folder.path().join("config.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(credentials.erase("a.b").unwrap() && !credentials.erase("a.b").unwrap());
        assert!(credentials.find("a.b", "x").unwrap().is_none());
    }
}
