use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// The world of a project in the contract: that of its role, or one of all that it exports.
#[derive(Debug)]
pub struct World {
    /// Its name in the package `brewer:plugin`.
    pub name: String,
    /// The folder of WIT files that the world is in.
    pub wit: PathBuf,
    /// Holds the folder where the contract had to be written anew.
    _made: Option<TempDir>,
}

impl World {
    /// The world of `roles`, and of what the plugin remembers if it exports that, of the contract in the folder `wit`.
    pub fn of(roles: &[String], has_state: bool, wit: PathBuf) -> Result<Self> {
        let mut worlds: Vec<String> = roles.iter().map(|role| format!("{role}-plugin")).collect();
        worlds.extend(has_state.then(|| "stateful".to_owned()));
        if let [world] = worlds.as_slice() {
            return Ok(Self { name: world.clone(), wit, _made: None });
        }
        let made = tempfile::tempdir().context("no folder to write the contract in")?;
        copy_files(&wit, made.path())?;
        let name = "plugin-of-several-worlds".to_owned();
        let includes: String = worlds.iter().map(|world| format!("    include {world};\n")).collect();
        let text = format!("world {name} {{\n{includes}}}\n");
        fs::write(made.path().join("several-worlds.wit"), text).context("the contract cannot be written")?;
        Ok(Self { name, wit: made.path().to_owned(), _made: Some(made) })
    }
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    let unreadable = || format!("cannot read the contract in {}", from.display());
    for entry in from.read_dir().with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        fs::copy(entry.path(), to.join(entry.file_name())).with_context(unreadable)?;
    }
    Ok(())
}
