//! A registry, clients of it and a checker of signatures that are not Brewer's own, for tests: Debian's
//! `docker-registry` and `skopeo`, Python's `oras`, and Sigstore's own library in JavaScript.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use brewer_plugin_kit::process;

use crate::{
    python,
    step::{note, step},
    store,
    workspace::Workspace,
};

/// The packages that are unpacked, with the libraries of skopeo that a bare machine lacks.
const PACKAGES: [&str; 5] = ["docker-registry", "skopeo", "libgpgme11", "libassuan0", "libdevmapper1.02.1"];

/// Where the tests keep what the clients are made of.
const PEERS: &str = "host/registry/tests/peers";

/// Puts the programs into `target/tools`, unless they are there. Nothing is installed, so it needs no root.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    step("registry for tests", || unpack(workspace))?;
    step("oras for tests", || oras(workspace))?;
    step("sigstore for tests", || sigstore(workspace))
}

/// Python's client of registries, in the versions of `requirements.txt`, in a folder of its own.
fn oras(workspace: &Workspace) -> Result<String> {
    let requirements = workspace.root().join(PEERS).join("requirements.txt");
    let wanted = read(&requirements)?;
    install(workspace, "oras", &wanted, |folder| {
        let mut pip = python::pip()?;
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]);
        process::capture(pip.arg("--target").arg(folder).arg("--requirement").arg(&requirements)).map(drop)
    })
}

/// Sigstore's library; the versions and digests of `package-lock.json` hold.
fn sigstore(workspace: &Workspace) -> Result<String> {
    let peers = workspace.root().join(PEERS);
    let names = ["package.json", "package-lock.json", "check.mjs"];
    let mut files = vec![];
    for name in names {
        files.push((name, read(&peers.join(name))?));
    }
    let wanted = files.iter().map(|(_, text)| text.as_str()).collect::<String>();
    install(workspace, "sigstore", &wanted, |folder| {
        if !process::exists("npm") {
            bail!("tests of signatures run Node with npm: install them (Debian: `apt-get install nodejs npm`)");
        }
        store::create_folder(folder)?;
        for (name, text) in &files {
            store::write(&folder.join(name), text.as_bytes())?;
        }
        let mut npm = workspace.command("npm");
        npm.current_dir(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
        process::capture(&mut npm).map(drop)
    })
}

/// Makes `target/tools/NAME` by `make`, unless it was made of the same before.
fn install(workspace: &Workspace, name: &str, wanted: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<String> {
    let place = workspace.target().join("tools").join(name);
    let (store, stamp) = (workspace.store(), format!("{name}-tools"));
    if place.is_dir() && store.stamp(&stamp).is_some_and(|earlier| earlier == wanted) {
        return Ok("ready".to_owned());
    }
    let turn = store.lock()?;
    let made = turn.scratch().join(name);
    make(&made).with_context(|| format!("{name} could not be installed: mend what is said and run this again"))?;
    store.clear_stamp(&stamp)?;
    turn.put(&made, &place)?;
    store.set_stamp(&stamp, wanted)?;
    Ok("installed".to_owned())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The Debian packages.
fn unpack(workspace: &Workspace) -> Result<String> {
    install(workspace, "registry", &PACKAGES.join("\n"), |folder| {
        for program in ["apt-get", "dpkg-deb"] {
            if !process::exists(program) {
                bail!(
                    "tests of registries run docker-registry and skopeo, which come from Debian: there is no {program} here"
                );
            }
        }
        let packages = folder.with_file_name("packages");
        download(&packages)?;
        for entry in fs::read_dir(&packages).with_context(|| format!("cannot read {}", packages.display()))? {
            let path = entry.with_context(|| format!("cannot read {}", packages.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                process::run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(folder))?;
            }
        }
        Ok(())
    })
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
