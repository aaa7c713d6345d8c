//! `cargo xtask sdk`: what follows from the contract in each language, and the page of all operations.
//!
//! `wit/` says what an operation is called, takes and means; `table.rs` has what WIT cannot say. Features, indices, errors and
//! the functions of roles are written by hand, and so are lists of tensors and elements as numbers, which every language has
//! its own way with.

mod c;
mod contract;
mod javascript;
mod python;
mod reference;
mod rust;
mod signature;
mod table;
mod text;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use self::contract::Contract;
use crate::{store, workspace::Workspace};

/// Writes the files that differ from what the contract says.
pub fn write(workspace: &Workspace) -> Result<()> {
    for (path, content) in differing(workspace.root())? {
        store::write(&path, content.as_bytes())?;
        println!("{:<22} written", workspace.relative(&path).display());
    }
    Ok(())
}

/// Fails if a file differs from what the contract says.
pub fn check(workspace: &Workspace) -> Result<()> {
    let differing = differing(workspace.root())?;
    if differing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = differing.iter().map(|(path, _)| workspace.relative(path).display().to_string()).collect();
    bail!("not as wit/ and host/xtask/src/sdk/ have it: {}; run `cargo xtask sdk`", names.join(", "))
}

/// The files that are not as they should be, with what they should hold.
fn differing(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut differing = vec![];
    for (name, content) in files(&Contract::read(&root.join("wit"))?)? {
        let path = root.join(name);
        let found = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            found => Some(found.with_context(|| format!("cannot read {}", path.display()))?),
        };
        if found.as_deref() != Some(content.as_str()) {
            differing.push((path, content));
        }
    }
    Ok(differing)
}

/// All generated files, by their paths in the checkout.
fn files(contract: &Contract) -> Result<Vec<(String, String)>> {
    signature::check_tables(contract)?;
    let mut files = vec![("host/docs/operations.md".to_owned(), reference::page(contract)?)];
    for (folder, written) in [
        ("sdk/rust/src/generated", rust::files(contract)?),
        ("sdk/python/brewer_sdk/generated", python::files(contract)?),
        ("sdk/javascript/src/generated", javascript::files(contract)?),
        ("sdk/c", c::files(contract)?),
    ] {
        files.extend(written.into_iter().map(|(name, content)| (format!("{folder}/{name}"), content)));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generated_files_are_what_the_contract_says() {
        check(&Workspace::here()).unwrap();
    }

    #[test]
    fn a_changed_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let here = Workspace::here();
        fs::create_dir(folder.path().join("wit")).unwrap();
        for file in fs::read_dir(here.root().join("wit")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.path().join("wit").join(file.file_name())).unwrap();
        }
        let copy = Workspace::at(folder.path());
        write(&copy).unwrap();
        check(&copy).unwrap();
        let stub = folder.path().join("sdk/python/brewer_sdk/generated/operations.pyi");
        fs::write(&stub, fs::read_to_string(&stub).unwrap().replace("softmax", "softmacks")).unwrap();
        let error = check(&copy).unwrap_err().to_string();
        assert!(
            error.contains("as wit/") && error.contains(": sdk/python/brewer_sdk/generated/operations.pyi; run"),
            "{error}"
        );
    }
}
