//! The source of a plugin as a folder of its own: made from a template, and built.
//!
//! ```text
//! plugin.json        what the plugin is: its manifest, its language and its roles
//! plugin.test.json   what `brewer-host plugin test` runs
//! …                  the source
//! brewer/            the contract and the SDK, as they were when the project was made
//! ```

mod embedded;
mod template;
mod world;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::build::{self, Source};
use crate::manifest::Manifest;

pub use embedded::contract;
pub use template::create;
use world::World;

/// A language that plugins are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// A crate, built by cargo.
    Rust,
    /// A module, built by componentize-py.
    Python,
    /// A module, built by componentize-qjs.
    JavaScript,
    /// The same, with types.
    TypeScript,
    /// A file, built by clang.
    C,
}

impl Language {
    /// Every language that there is.
    pub const ALL: [Language; 5] =
        [Language::Rust, Language::Python, Language::JavaScript, Language::TypeScript, Language::C];

    /// As `plugin.json` and the command line have it.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Python => "python",
            Language::JavaScript => "javascript",
            Language::TypeScript => "typescript",
            Language::C => "c",
        }
    }

    /// The folder of its SDK below `sdk/`.
    fn sdk(self) -> &'static str {
        match self {
            Language::TypeScript => "javascript",
            other => other.name(),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|language| language.name() == name)
            .ok_or_else(|| format!("no plugins are written in `{name}`; expected one of {names}"))
    }
}

/// A plugin's folder.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    /// What `plugin.json` says of the plugin.
    pub manifest: Manifest,
    /// What it is written in.
    pub language: Language,
    /// At least one.
    roles: Vec<String>,
    /// Whether it exports what it remembers.
    state: bool,
}

/// The keys of `plugin.json` that are not the manifest's.
#[derive(Deserialize)]
struct ProjectKeys {
    language: Language,
    roles: Vec<String>,
    #[serde(default)]
    state: bool,
}

impl Project {
    /// Opens a folder with a `plugin.json`.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("plugin.json");
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "{} is no plugin's folder: it has no plugin.json (`brewer-host plugin new` makes one)",
                folder.display()
            )
        })?;
        let wrong = || format!("{} is not valid", path.display());
        let mut keys: Value = serde_json::from_str(&text).with_context(wrong)?;
        let ProjectKeys { language, roles, state } = ProjectKeys::deserialize(&keys).with_context(wrong)?;
        if roles.is_empty() {
            bail!("{} names no role: put one of the contract into `roles`", path.display());
        }
        if let Some(keys) = keys.as_object_mut() {
            keys.retain(|key, _| !matches!(key.as_str(), "language" | "roles" | "state"));
        }
        let manifest = Manifest::parse(keys.to_string().as_bytes()).with_context(wrong)?;
        let folder = std::path::absolute(folder).context("the current folder is not there")?;
        Ok(Self { folder, manifest, language, roles, state })
    }

    /// Builds the component, with its manifest inside.
    ///
    /// # Errors
    /// If a tool of the language is missing, with what to install; or what the tool says of the source.
    pub fn build(&self) -> Result<Vec<u8>> {
        let sdk = self.folder.join("brewer/sdk").join(self.language.sdk());
        let world = World::of(&self.roles, self.state, self.folder.join("brewer/wit"))?;
        let entry = self.entry()?;
        let source = Source { entry: &entry, world: &world.name, wit: &world.wit, sdk: &sdk };
        let component = match self.language {
            Language::Rust => build::rust::build(&self.folder)?,
            Language::Python => build::python(source, None)?,
            Language::JavaScript | Language::TypeScript => build::javascript(source, &self.folder)?,
            Language::C => build::c(source)?,
        };
        let contract = Some(embedded::contract());
        Manifest { contract, ..self.manifest.clone() }.embed(component)
    }

    /// The file that the component is made of: that of the first role.
    fn entry(&self) -> Result<PathBuf> {
        let role = &self.roles[0];
        let name = role.replace('-', "_");
        let name = match self.language {
            Language::Rust => "src/lib.rs".to_owned(),
            Language::Python => format!("{name}.py"),
            Language::JavaScript => format!("{name}.js"),
            Language::TypeScript => format!("{name}.ts"),
            Language::C => format!("{name}.c"),
        };
        let entry = self.folder.join(&name);
        if !entry.is_file() {
            bail!(
                "{} is missing: a plugin in {} whose first role is {role} begins there",
                entry.display(),
                self.language
            );
        }
        Ok(entry)
    }
}
