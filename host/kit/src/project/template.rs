//! New projects.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use include_dir::{Dir, DirEntry, File};
use serde_json::json;

use super::Language;
use super::embedded::{WIT, sdk};

/// The file of a template that becomes the manifest's `config_schema`.
const CONFIG_SCHEMA: &str = "config_schema.json";

/// Makes the folder `folder` with a working plugin of that language and role, whose manifest calls it `name`.
///
/// # Errors
/// If the folder is there already, or if there is no such template.
pub fn create(folder: &Path, name: &str, language: Language, role: &str) -> Result<()> {
    check_name(name)?;
    if folder.exists() {
        bail!("{} is there already; choose another name, or remove it", folder.display());
    }
    let sdk = sdk(language);
    let Some(template) = sdk.get_dir(format!("templates/{role}")) else {
        bail!("there is no template for the role `{role}` in {language}; there are {}", templates(sdk).join(", "));
    };
    for file in template.files() {
        if let Some(place) = place(file, language) {
            let content = String::from_utf8_lossy(file.contents()).replace("PLUGIN_NAME", name);
            write(&folder.join(place), content.as_bytes())?;
        }
    }
    copy(WIT.entries(), &folder.join("brewer/wit"), Path::new(""))?;
    let inner = folder.join("brewer/sdk").join(language.sdk());
    copy(sdk.entries(), &inner, Path::new(""))?;
    if sdk.get_dir("templates").is_some() {
        fs::remove_dir_all(inner.join("templates")).context("the templates cannot be left out")?;
    }
    let config_schema = match template.get_file(template.path().join(CONFIG_SCHEMA)) {
        Some(file) => serde_json::from_slice(file.contents()).context("the template's schema is no JSON")?,
        None => json!({ "type": "object", "properties": {}, "additionalProperties": false }),
    };
    let manifest = json!({
        "name": name,
        "version": "0.1.0",
        "authors": [],
        "license": "Apache-2.0",
        "description": format!("A plugin of Brewer for the role {role}"),
        "permissions": [],
        "config_schema": config_schema,
        "language": language,
        "roles": [role],
    });
    let text = serde_json::to_string_pretty(&manifest).context("the manifest cannot be written")?;
    write(&folder.join("plugin.json"), format!("{text}\n").as_bytes())
}

/// The roles that an SDK has templates for.
fn templates(sdk: &Dir<'_>) -> Vec<String> {
    let folders = sdk.get_dir("templates").into_iter().flat_map(Dir::dirs);
    let mut names: Vec<String> =
        folders.filter_map(|folder| Some(folder.path().file_name()?.to_string_lossy().into_owned())).collect();
    names.sort();
    names
}

/// A name that is a file's, a crate's and a package's in every language.
fn check_name(name: &str) -> Result<()> {
    let is_fit = |symbol: char| symbol.is_ascii_lowercase() || symbol.is_ascii_digit() || symbol == '-';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(is_fit) {
        bail!("`{name}` cannot be the name of a plugin; expected lower-case letters, digits and `-`, a letter first");
    }
    Ok(())
}

/// Where a template's file belongs in the project; `None` for the other one of JavaScript and TypeScript. A crate's
/// `Cargo.toml` has another name in the template, because the template is no crate.
fn place(file: &File<'_>, language: Language) -> Option<String> {
    let name = file.path().file_name()?.to_string_lossy().into_owned();
    match (name.as_str(), language) {
        (name, Language::JavaScript) if name.ends_with(".ts") => None,
        (name, Language::TypeScript) if name.ends_with(".js") => None,
        (CONFIG_SCHEMA, _) => None,
        ("lib.rs", _) => Some("src/lib.rs".to_owned()),
        ("Cargo.toml.template", _) => Some("Cargo.toml".to_owned()),
        (name, _) => Some(name.to_owned()),
    }
}

fn copy(entries: &[DirEntry<'_>], to: &Path, within: &Path) -> Result<()> {
    for entry in entries {
        let name = entry.path().strip_prefix(within).unwrap_or(entry.path());
        match entry {
            // What Python compiled where this program was built.
            DirEntry::Dir(folder) if folder.path().ends_with("__pycache__") => {}
            DirEntry::Dir(folder) => copy(folder.entries(), &to.join(name), entry.path())?,
            DirEntry::File(file) => write(&to.join(name), file.contents())?,
        }
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
