//! A registry and a client of it that are not Brewer's own, for tests: Debian's `docker-registry` and `skopeo`.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use brewer_plugin_kit::process;

use crate::{
    step::{note, step},
    store,
    workspace::Workspace,
};

/// The packages that are unpacked, with the libraries of skopeo that a bare machine lacks.
const PACKAGES: [&str; 5] = ["docker-registry", "skopeo", "libgpgme11", "libassuan0", "libdevmapper1.02.1"];

/// The name of the stamp.
const NAME: &str = "registry-tools";

/// Puts the programs into `target/tools/registry`, unless they are there. Nothing is installed, so it needs no root.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    step("registry for tests", || unpack(workspace))
}

fn unpack(workspace: &Workspace) -> Result<String> {
    let place = workspace.target().join("tools/registry");
    let (store, wanted) = (workspace.store(), PACKAGES.join("\n"));
    if place.is_dir() && store.stamp(NAME).is_some_and(|stamp| stamp == wanted) {
        return Ok("ready".to_owned());
    }
    for program in ["apt-get", "dpkg-deb"] {
        if !process::exists(program) {
            bail!(
                "tests of registries run docker-registry and skopeo, which come from Debian: there is no {program} here"
            );
        }
    }
    let turn = store.lock()?;
    let packages = turn.scratch().join("packages");
    download(&packages)?;
    let made = turn.scratch().join("registry");
    for entry in fs::read_dir(&packages).with_context(|| format!("cannot read {}", packages.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", packages.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            process::run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(&made))?;
        }
    }
    store.clear_stamp(NAME)?;
    turn.put(&made, &place)?;
    store.set_stamp(NAME, &wanted)?;
    Ok("unpacked".to_owned())
}

/// Downloads the packages; apt checks them against the signatures of Debian.
fn download(folder: &Path) -> Result<()> {
    store::create_folder(folder)?;
    let get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.current_dir(folder).arg("-qq").args(arguments);
        command
    };
    if process::capture(get(&["download"]).args(PACKAGES)).is_ok() {
        return Ok(());
    }
    // The system's lists are missing or old, and only root may renew them: lists of our own.
    note("apt-get update, for this download alone");
    let state = folder.join("apt");
    store::create_folder(&state.join("lists/partial"))?;
    store::create_folder(&state.join("cache/archives/partial"))?;
    let lists = format!("Dir::State::lists={}", state.join("lists").display());
    let cache = format!("Dir::Cache={}", state.join("cache").display());
    let own = ["-o", lists.as_str(), "-o", cache.as_str()];
    process::run(get(&own).arg("update"))?;
    process::run(get(&own).arg("download").args(PACKAGES))
        .context("Debian's packages could not be downloaded: mend what apt-get says and run this again")
}
