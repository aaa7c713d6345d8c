//! `brewer.lock`: what the references of an experiment named when they were used first. From then on they name that,
//! wherever their tags move.
//!
//! The file lies beside the experiment and is shared with it, so it is input from others: what it says of a plugin is
//! compared with the plugin, and grants nothing. Keys are sorted and each value has a line, so that two additions
//! merge; it holds no times.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use brewer_plugin_kit::manifest::Manifest;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{Digest, Error, Reference, Result, limits, plugin::Plugin, policy::read_bounded, printable};

/// A lock: what is known of each reference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The entry of each reference that was used.
    pub plugins: BTreeMap<Reference, Entry>,
}

/// What is known of one reference. Fields are sorted as keys are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The digest of the bundle's index, for one plugin of a bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Digest>,
    /// The component's digest.
    pub component: Digest,
    /// The contract that the component was built for, such as `brewer:plugin@0.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// The digest of the plugin's manifest in the registry.
    pub manifest: Digest,
    /// By its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the plugin uses where it is granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional_permissions: Vec<String>,
    /// What the plugin asks for. The experiment grants it, or not.
    pub permissions: Vec<String>,
    /// By its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_version: Option<String>,
    /// Who had signed it when it was locked, by the names of the policy that was in force. For people: each run asks its
    /// policy anew.
    pub signers: Vec<String>,
    /// Of the component, in bytes.
    pub size: u64,
}

/// The file. Its version is read before anything else, so that a later one is refused as such.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    version: u64,
    plugins: Entries,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// Entries by the written reference, none twice.
#[derive(Serialize)]
struct Entries(BTreeMap<String, Entry>);

impl Entry {
    /// Of a plugin that is about to be locked.
    ///
    /// # Errors
    /// If its own manifest cannot be read.
    pub fn of(plugin: &Plugin, signers: Vec<String>) -> Result<Self, String> {
        let said = Manifest::of_component(&plugin.bytes).map_err(|error| format!("its manifest: {error:#}"))?;
        let said = said.as_ref();
        let sorted = |list: fn(&Manifest) -> &Vec<String>| {
            let mut list = said.map(list).cloned().unwrap_or_default();
            list.sort();
            list
        };
        Ok(Self {
            bundle: None,
            component: plugin.component,
            contract: said.and_then(|said| said.contract.clone()),
            manifest: plugin.manifest,
            name: said.map(|said| said.name.clone()),
            optional_permissions: sorted(|said| &said.optional_permissions),
            permissions: sorted(|said| &said.permissions),
            plugin_version: said.map(|said| said.version.clone()),
            signers,
            size: plugin.bytes.len() as u64,
        })
    }

    /// What this entry says of a plugin that is not so; the signers are no matter.
    pub fn difference(&self, found: &Self) -> Option<String> {
        let differs = |what: &str, locked: String, found: String| {
            (locked != found).then(|| {
                let (locked, found) = (printable(&locked, 90), printable(&found, 90));
                format!("the lock says that its {what} is {locked}, but it is {found}")
            })
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "not said".to_owned());
        let list = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
        let digest = |digest: Option<Digest>| digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        differs("bundle", digest(self.bundle), digest(found.bundle))
            .or_else(|| differs("manifest", self.manifest.to_string(), found.manifest.to_string()))
            .or_else(|| differs("component", self.component.to_string(), found.component.to_string()))
            .or_else(|| differs("size", self.size.to_string(), found.size.to_string()))
            .or_else(|| differs("list of permissions", list(&self.permissions), list(&found.permissions)))
            .or_else(|| {
                let (locked, found) = (list(&self.optional_permissions), list(&found.optional_permissions));
                differs("list of optional permissions", locked, found)
            })
            .or_else(|| differs("name", text(&self.name), text(&found.name)))
            .or_else(|| differs("version", text(&self.plugin_version), text(&found.plugin_version)))
            .or_else(|| differs("contract", text(&self.contract), text(&found.contract)))
    }

    /// Whether `newer` has a lower version, as semantic versions are ordered; what has none is not compared.
    pub fn is_downgraded_by(&self, newer: &Self) -> bool {
        let version = |entry: &Self| semver::Version::parse(entry.plugin_version.as_deref()?).ok();
        match (version(self), version(newer)) {
            (Some(old), Some(new)) => new.cmp_precedence(&old).is_lt(),
            _ => false,
        }
    }
}

impl Lock {
    /// Where the lock of an experiment lies.
    pub fn path_beside(experiment: &Path) -> PathBuf {
        experiment.with_file_name("brewer.lock")
    }

    /// Reads a lock; an absent one is empty.
    ///
    /// # Errors
    /// If it cannot be read, has another version, or has keys that are not known.
    pub fn read(path: &Path) -> Result<Self> {
        match read_bounded(path, limits::LOCK)? {
            Some(text) => Self::parse(&text).map_err(|problem| Error::input(path.display(), problem)),
            None => Ok(Self::default()),
        }
    }

    /// Reads the text of a lock.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.lines().any(|line| ["<<<<<<< ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark))) {
            return Err(
                "it has the marks of a merge that was not finished; take either side, and `brewer-host lock` adds \
                        what is missing"
                    .to_owned(),
            );
        }
        let wrong = |error: serde_json::Error| format!("it is no lock: {error}");
        let Version { version } = serde_json::from_str(text).map_err(wrong)?;
        if version != 1 {
            return Err(format!("it is a lock of version {version}; this Brewer knows 1"));
        }
        let file: LockFile = serde_json::from_str(text).map_err(wrong)?;
        let mut plugins = BTreeMap::new();
        for (key, entry) in file.plugins.0 {
            let reference: Reference = key.parse().map_err(|error: Error| error.to_string())?;
            if reference.to_string() != key {
                return Err(format!("the reference `{}` is written {reference}", printable(&key, 200)));
            }
            let named = match (reference.plugin(), entry.bundle) {
                (Some(_), Some(bundle)) => bundle,
                (None, None) => entry.manifest,
                (Some(_), None) => return Err(format!("its entry for {reference} has no `bundle`")),
                (None, Some(_)) => return Err(format!("its entry for {reference} has a `bundle`, and names none")),
            };
            if let Some(digest) = reference.digest().filter(|digest| *digest != named) {
                return Err(format!("its entry for {reference} has the manifest {named}, which is not {digest}"));
            }
            plugins.insert(reference, entry);
        }
        Ok(Self { plugins })
    }

    /// The text of the lock.
    ///
    /// # Errors
    /// None that is known of: its keys are strings.
    pub fn to_text(&self) -> Result<String, String> {
        let plugins = self.plugins.iter().map(|(reference, entry)| (reference.to_string(), entry.clone())).collect();
        let text = serde_json::to_string_pretty(&LockFile { version: 1, plugins: Entries(plugins) });
        text.map(|text| text + "\n").map_err(|error| format!("the lock cannot be written: {error}"))
    }

    /// Adds entries to the lock in a file, in place of those that are there. Others, which another experiment in the
    /// folder may need, stay; two processes that add at once lose nothing.
    ///
    /// # Errors
    /// As [`Lock::read`], and if it cannot be written.
    pub fn add(path: &Path, entries: BTreeMap<Reference, Entry>) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let failed = |error: io::Error| Error::unwritten(path, error);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Held until the new file is in its place; closing it lets go.
        let held = File::open(folder).map_err(failed)?;
        held.lock().map_err(failed)?;
        let before = Self::read(path)?;
        let mut lock = before.clone();
        lock.plugins.extend(entries);
        if lock == before {
            return Ok(());
        }
        let text = lock.to_text().map_err(|problem| Error::input(path.display(), problem))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".brewer-lock-").permissions(Permissions::from_mode(0o666));
        let mut file = builder.tempfile_in(folder).map_err(failed)?;
        // The file itself: the error of the other names a path that is gone by then.
        file.as_file_mut().write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        held.sync_all().map_err(failed)
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Entries;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of entries by reference")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, entry)) = map.next_entry::<String, Entry>()? {
                    if entries.contains_key(&key) {
                        return Err(A::Error::custom(format!("two entries for `{}`", printable(&key, 200))));
                    }
                    entries.insert(key, entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: &str) -> Entry {
        Entry {
            bundle: None,
            component: Digest::of(b"component"),
            contract: Some("brewer:plugin@0.1.0".into()),
            manifest: Digest::of(version.as_bytes()),
            name: Some("mine".into()),
            optional_permissions: vec![],
            permissions: vec!["read-values".into()],
            plugin_version: Some(version.into()),
            signers: vec![],
            size: 9,
        }
    }

    fn lock(references: &[&str]) -> Lock {
        Lock { plugins: references.iter().map(|text| (text.parse().unwrap(), entry("1.0.0"))).collect() }
    }

    #[test]
    fn what_is_written_is_read_and_a_value_has_a_line() {
        let lock = lock(&["oci://a.b/y:1", "oci://a.b/x:1"]);
        let text = lock.to_text().unwrap();
        assert_eq!(Lock::parse(&text), Ok(lock));
        let keys: Vec<&str> =
            text.lines().filter_map(|line| line.trim().split_once(": ").map(|(key, _)| key)).collect();
        let fields = ["component", "contract", "manifest", "name", "permissions", "plugin_version", "signers", "size"];
        let fields = fields.map(|field| format!("\"{field}\""));
        assert_eq!(keys[..3], ["\"version\"", "\"plugins\"", "\"oci://a.b/x:1\""]);
        assert_eq!(keys[3..11], fields);
    }

    #[test]
    fn what_is_no_lock_of_this_kind_is_refused() {
        let text = lock(&["oci://a.b/x:1"]).to_text().unwrap();
        let problem = |text: &str| Lock::parse(text).unwrap_err();
        assert!(
            problem(&text.replace("\"version\": 1,", "\"version\": 2,")).contains("version 2; this Brewer knows 1")
        );
        assert!(problem(&text.replace("\"size\"", "\"length\"")).contains("unknown field `length`"));
        assert!(problem(&text.replace("oci://a.b/x:1", "oci://a.b/x")).contains("is written oci://a.b/x:latest"));
        assert!(problem(&text.replace("oci://", "docker://")).contains("a reference is written oci://"));
        assert!(problem(&text.replace("sha256:", "sha512:")).contains("is no sha256 digest"));
        assert!(problem(&text.replacen('{', "<<<<<<< HEAD\n{", 1)).contains("a merge that was not finished"));
        assert!(problem(&text.replace("oci://a.b/x:1", "oci://a.b/x:1#y")).contains("has no `bundle`"));
        let of_bundle =
            text.replacen("\"component\"", &format!("\"bundle\": \"{}\", \"component\"", Digest::of(b"b")), 1);
        assert!(problem(&of_bundle).contains("has a `bundle`, and names none"));
        assert!(Lock::parse(&of_bundle.replace("oci://a.b/x:1", "oci://a.b/x:1#y")).is_ok());
        let pinned = format!("oci://a.b/x:1@{}", Digest::of(b"other"));
        assert!(problem(&text.replace("oci://a.b/x:1", &pinned)).contains("which is not sha256:"));
        let twice = text.replacen("\"plugins\": {", "\"plugins\": { \"oci://a.b/x:1\": ENTRY,", 1);
        let twice = twice.replace("ENTRY", &serde_json::to_string(&entry("2.0.0")).unwrap());
        assert!(problem(&twice).contains("two entries for `oci://a.b/x:1`"));
    }

    #[test]
    fn an_entry_is_of_its_plugin() {
        let locked = entry("1.0.0");
        assert_eq!(locked.difference(&Entry { signers: vec!["a".into()], ..locked.clone() }), None);
        let more = Entry { permissions: vec!["dataset".into(), "read-values".into()], ..locked.clone() };
        let difference = locked.difference(&more).unwrap();
        assert!(difference.contains("its list of permissions is read-values, but it is dataset, read-values"));
        assert!(
            locked.difference(&Entry { size: 10, ..locked.clone() }).unwrap().contains("its size is 9, but it is 10")
        );
    }

    #[test]
    fn a_lower_version_is_a_downgrade() {
        let is_downgrade = |old: &str, new: &str| entry(old).is_downgraded_by(&entry(new));
        assert!(is_downgrade("1.10.0", "1.9.0") && is_downgrade("1.0.0", "1.0.0-rc.1"));
        assert!(
            !is_downgrade("1.9.0", "1.10.0") && !is_downgrade("1.0.0", "1.0.0+build") && !is_downgrade("one", "0.1.0")
        );
    }

    #[test]
    fn additions_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brewer.lock");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (path, added) = (&path, lock(&[&format!("oci://a.b/x{number}:1")]));
                scope.spawn(move || Lock::add(path, added.plugins).unwrap());
            }
        });
        assert_eq!(Lock::read(&path).unwrap().plugins.len(), 8);
        let names: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["brewer.lock"]);
    }
}
