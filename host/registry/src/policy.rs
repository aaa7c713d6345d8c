//! The trust policy: who must have signed what.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    Digest, Error, PublicKey, Reference, Result, limits, printable, reference,
    signature::{Finding, Verdict},
};

/// A policy whose keys are read and whose rules fit together.
#[derive(Debug, Clone)]
pub struct Policy {
    file: PathBuf,
    accepts_by_default: bool,
    accepts_local: bool,
    keys: BTreeMap<String, PublicKey>,
    rules: Vec<Rule>,
}

/// A rule: what it is for, and what it asks for.
#[derive(Debug, Clone)]
struct Rule {
    target: Target,
    demand: Demand,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// A repository (`HOST/a/b`), or all below a path (`HOST/a/*`).
    Scope { segments: Vec<String>, is_open: bool },
    /// One manifest, wherever it lies.
    Manifest(Digest),
}

#[derive(Debug, Clone)]
enum Demand {
    /// So many of these have signed.
    AnyOf {
        names: Vec<String>,
        minimum: usize,
    },
    AllOf(Vec<String>),
    /// Nobody need have.
    Unsigned,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    version: u64,
    default: Otherwise,
    #[serde(default)]
    keys: BTreeMap<String, KeyEntry>,
    #[serde(default)]
    rules: Vec<RuleEntry>,
    /// Plugins and bundles in files, which nobody signs.
    #[serde(default = "accepted")]
    local: Otherwise,
}

fn accepted() -> Otherwise {
    Otherwise::Accept
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Otherwise {
    Refuse,
    Accept,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    file: Option<PathBuf>,
    pem: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    scope: Option<String>,
    digest: Option<Digest>,
    any_of: Option<Vec<String>>,
    minimum: Option<usize>,
    all_of: Option<Vec<String>>,
    accept: Option<Accept>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Accept {
    Unsigned,
}

impl Policy {
    /// The user's policy, `brewer/trust.json` in the folder of configurations, if there is one.
    ///
    /// # Errors
    /// As [`Policy::read`].
    pub fn of_user() -> Result<Option<Self>> {
        let Some(folders) = directories::ProjectDirs::from("", "", "brewer") else { return Ok(None) };
        let file = folders.config_dir().join("trust.json");
        match file.symlink_metadata() {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            // One that cannot be looked at may ask for signatures, so it does not count as none.
            _ => Self::read(&file).map(Some),
        }
    }

    /// Reads a policy and its keys. Paths in it are relative to it.
    ///
    /// # Errors
    /// If it cannot be read, or says what cannot be meant: an unknown key, two rules for one scope, a rule without a
    /// demand.
    pub fn read(file: &Path) -> Result<Self> {
        let wrong = |problem: String| Error::input(file.display(), problem);
        let text = read_small(file)?;
        let parsed: PolicyFile = serde_json::from_str(&text).map_err(|error| wrong(format!("the policy: {error}")))?;
        if parsed.version != 1 {
            return Err(wrong(format!("the policy has version {}; this Brewer knows 1", parsed.version)));
        }
        let mut keys: BTreeMap<String, PublicKey> = BTreeMap::new();
        for (name, entry) in parsed.keys {
            let key =
                entry.read(file).map_err(|problem| wrong(format!("key `{}`: {problem}", printable(&name, 60))))?;
            if let Some((same, _)) = keys.iter().find(|(_, other)| **other == key) {
                return Err(wrong(format!(
                    "`{same}` and `{}` are one key, which would count twice",
                    printable(&name, 60)
                )));
            }
            keys.insert(name, key);
        }
        let mut rules: Vec<Rule> = vec![];
        for (index, entry) in parsed.rules.into_iter().enumerate() {
            let rule = entry.rule(&keys).map_err(|problem| wrong(format!("rule {}: {problem}", index + 1)))?;
            if rules.iter().any(|other| other.target == rule.target) {
                return Err(wrong(format!("rule {}: there is another rule for {}", index + 1, rule.target)));
            }
            rules.push(rule);
        }
        let accepts_by_default = parsed.default == Otherwise::Accept;
        let accepts_local = parsed.local == Otherwise::Accept;
        Ok(Self { file: file.to_owned(), accepts_by_default, accepts_local, keys, rules })
    }

    /// Whether a plugin or a bundle in a file may be used.
    ///
    /// # Errors
    /// If the policy refuses all of them.
    pub fn decide_local(&self, file: &Path) -> Result<()> {
        if self.accepts_local {
            return Ok(());
        }
        let problem = format!("it is a file, and {} has `\"local\": \"refuse\"`", self.file.display());
        Err(Error::refused(file.display(), format!("{problem}; push it to a registry, signed, and name it there")))
    }

    /// The keys by name.
    pub fn keys(&self) -> &BTreeMap<String, PublicKey> {
        &self.keys
    }

    /// Whether a plugin may be used, given what was found of signatures with [`Policy::keys`]. Names who signed it. A plugin
    /// of a bundle has two `digests`, its own before the bundle's, and signatures of both count for it.
    ///
    /// # Errors
    /// If it may not: what the rule asks for, and what was found.
    pub fn decide(&self, reference: &Reference, digests: &[Digest], findings: &[Finding]) -> Result<BTreeSet<String>> {
        let signed = findings.iter().filter_map(|finding| match &finding.verdict {
            Verdict::SignedBy(name) => Some(name.clone()),
            _ => None,
        });
        // Several signatures by one key count once.
        let signers: BTreeSet<String> = signed.collect();
        let refused = |asks: String| {
            let found = if findings.is_empty() {
                "it is not signed".to_owned()
            } else {
                findings.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            Error::refused(reference, format!("{found}; {asks}"))
        };
        let Some(rule) = self.rule(reference, digests) else {
            return match self.accepts_by_default {
                true => Ok(signers),
                false => {
                    Err(refused(format!("no rule of {} is for it, and its default is to refuse", self.file.display())))
                }
            };
        };
        let (names, needed, asks) = match &rule.demand {
            Demand::Unsigned => return Ok(signers),
            Demand::AllOf(names) => (names, names.len(), format!("all of {}", names.join(", "))),
            Demand::AnyOf { names, minimum: 1 } if names.len() == 1 => (names, 1, names.join(", ")),
            Demand::AnyOf { names, minimum } => (names, *minimum, format!("{minimum} of {}", names.join(", "))),
        };
        let have = names.iter().filter(|name| signers.contains(*name)).count();
        if have >= needed {
            return Ok(signers);
        }
        Err(refused(format!("the rule {} asks for {asks}, by {}", rule.target, self.file.display())))
    }

    /// The rule that is the closest: for the artefact itself, else for the most of the path.
    fn rule(&self, reference: &Reference, digests: &[Digest]) -> Option<&Rule> {
        let path = format!("{}/{}", reference.host(), reference.repository());
        let path: Vec<&str> = path.split('/').collect();
        let closeness = |rule: &Rule| match &rule.target {
            Target::Manifest(digest) => digests.iter().rev().position(|other| other == digest).map(|at| (2 + at, 0)),
            Target::Scope { segments, is_open } => {
                let is_prefix = segments.len() <= path.len() && segments.iter().zip(&path).all(|(a, b)| a == b);
                let is_match =
                    is_prefix && if *is_open { path.len() > segments.len() } else { path.len() == segments.len() };
                is_match.then_some((usize::from(!is_open), segments.len()))
            }
        };
        let matching = self.rules.iter().filter_map(|rule| Some((closeness(rule)?, rule)));
        matching.max_by_key(|(closeness, _)| *closeness).map(|(_, rule)| rule)
    }
}

impl KeyEntry {
    fn read(self, policy: &Path) -> Result<PublicKey, String> {
        match (self.file, self.pem) {
            (Some(file), None) => {
                let path = policy.parent().unwrap_or(Path::new(".")).join(file);
                let text = read_small(&path).map_err(|error| error.to_string())?;
                PublicKey::from_pem(&text).map_err(|problem| format!("{}: {problem}", path.display()))
            }
            (None, Some(pem)) => PublicKey::from_pem(&pem),
            _ => Err("expected either `file` or `pem`".to_owned()),
        }
    }
}

impl RuleEntry {
    fn rule(self, keys: &BTreeMap<String, PublicKey>) -> Result<Rule, String> {
        let target = match (self.scope, self.digest) {
            (Some(scope), None) => Target::scope(&scope)?,
            (None, Some(digest)) => Target::Manifest(digest),
            _ => return Err("expected either `scope` or `digest`".to_owned()),
        };
        let demand = match (self.any_of, self.all_of, self.accept) {
            (Some(names), None, None) => {
                let minimum = self.minimum.unwrap_or(1);
                if minimum == 0 || minimum > names.len() {
                    return Err(format!("`minimum` is {minimum}, of {} keys", names.len()));
                }
                Demand::AnyOf { names, minimum }
            }
            (None, Some(names), None) if self.minimum.is_none() => Demand::AllOf(names),
            (None, None, Some(Accept::Unsigned)) if self.minimum.is_none() => Demand::Unsigned,
            _ => return Err("expected one of `any_of` (with `minimum`), `all_of` and `accept`".to_owned()),
        };
        if let Demand::AnyOf { names, .. } | Demand::AllOf(names) = &demand {
            let known = || keys.keys().cloned().collect::<Vec<_>>().join(", ");
            if let Some(unknown) = names.iter().find(|name| !keys.contains_key(*name)) {
                return Err(format!("there is no key `{}`; the policy has: {}", printable(unknown, 60), known()));
            }
            let distinct: BTreeSet<&String> = names.iter().collect();
            if names.is_empty() || distinct.len() != names.len() {
                return Err("its keys must be different ones, at least one".to_owned());
            }
        }
        Ok(Rule { target, demand })
    }
}

impl Target {
    fn scope(text: &str) -> Result<Self, String> {
        let wrong = |problem: &str| Err(format!("scope `{}`: {problem}", printable(text, 90)));
        let (path, is_open) = match text.strip_suffix("/*") {
            Some(path) => (path, true),
            None => (text, false),
        };
        if path.contains('*') || path.contains("://") {
            return wrong("expected HOST/PATH or HOST/PATH/*");
        }
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        // A host alone is no repository.
        if segments.iter().any(String::is_empty) || (segments.len() == 1 && !is_open) {
            return wrong("expected HOST/PATH or HOST/PATH/*");
        }
        if let Err(problem) = reference::check_host(&segments[0]) {
            return wrong(&problem);
        }
        Ok(Self::Scope { segments, is_open })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scope { segments, is_open } => {
                write!(formatter, "{}{}", segments.join("/"), if *is_open { "/*" } else { "" })
            }
            Self::Manifest(digest) => write!(formatter, "{digest}"),
        }
    }
}

/// The text of a small file that the user names.
///
/// # Errors
/// If it cannot be read, is no text, or has more than [`limits::POLICY`] bytes.
pub fn read_small(file: &Path) -> Result<String> {
    text_of(file, File::open(file), limits::POLICY)
}

/// The text of a file of at most `limit` bytes; `None` if it is not there.
pub(crate) fn read_bounded(file: &Path, limit: u64) -> Result<Option<String>> {
    match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => text_of(file, opened, limit).map(Some),
    }
}

fn text_of(file: &Path, opened: io::Result<File>, limit: u64) -> Result<String> {
    let failed = |error: io::Error| Error::input(file.display(), format!("it cannot be read: {error}"));
    let mut text = String::new();
    opened.map_err(failed)?.take(limit + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > limit {
        return Err(Error::input(file.display(), format!("it has more than {limit} bytes")));
    }
    Ok(text)
}
