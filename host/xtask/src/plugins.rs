//! Building the plugins of this repository: `target/plugins/NAME.wasm`.

use std::{
    fs,
    io::{BufReader, ErrorKind},
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use anyhow::{Context, Result, anyhow, bail};
use cargo_metadata::{Message, Package, PackageId};

use brewer_plugin_kit::{build::rust::WasmToolchain, component, manifest::Manifest, process, project::contract};

use crate::{step::note, store, wasm, workspace::Workspace};

/// The profile in the workspace's `Cargo.toml` that plugins are built with: small and without unwinding.
const PROFILE: &str = "plugin";

/// Builds every plugin and says what it became.
pub fn build(workspace: &Workspace) -> Result<()> {
    let start = Instant::now();
    let crates = find(workspace)?;
    if crates.is_empty() {
        println!("{:<22} none: plugins/ has no crate yet", "plugins");
        return Ok(());
    }
    let (toolchain, _) = wasm::ensure(workspace)?;
    let modules = compile(workspace, toolchain, &crates)?;
    for package in &crates {
        let module = modules.iter().find(|(id, _)| *id == package.id).map(|(_, module)| module);
        let module = module.ok_or_else(|| anyhow!("cargo built no WebAssembly module of `{}`", package.name))?;
        let size = finish(workspace, package, module).with_context(|| format!("the plugin `{}`", package.name))?;
        println!("{:<22} {:.1} KiB", package.name, size as f64 / 1024.0);
    }
    let place = workspace.plugins();
    let place = workspace.relative(&place).display();
    println!("{:<22} {} in {place}/ ({:.1} s)", "plugins", crates.len(), start.elapsed().as_secs_f64());
    Ok(())
}

/// The plugin crates, official ones first.
fn find(workspace: &Workspace) -> Result<Vec<Package>> {
    let mut folders = Vec::new();
    for folder in folders_in(&workspace.root().join("plugins"))? {
        if folder.join("Cargo.toml").is_file() {
            folders.push(folder);
        } else {
            note(&format!("{} is not built: it has no Cargo.toml", workspace.relative(&folder).display()));
        }
    }
    for suite in folders_in(&workspace.root().join("tests"))? {
        folders
            .extend(folders_in(&suite.join("guests"))?.into_iter().filter(|guest| guest.join("Cargo.toml").is_file()));
    }
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    let metadata = workspace.metadata()?;
    folders.iter().map(|folder| package_in(workspace, folder, &metadata.packages)).collect()
}

/// The workspace's package that lies in `folder`.
fn package_in(workspace: &Workspace, folder: &Path, packages: &[Package]) -> Result<Package> {
    let shown = workspace.relative(folder).display();
    let package = packages
        .iter()
        .find(|package| package.manifest_path.parent().is_some_and(|parent| parent == folder))
        .ok_or_else(|| anyhow!("{shown} is no member of the workspace: add it to `members` in Cargo.toml"))?;
    if !package.targets.iter().any(|target| target.is_cdylib()) {
        bail!("{shown} builds no WebAssembly module: add `crate-type = [\"cdylib\"]` to [lib] in its Cargo.toml");
    }
    Ok(package.clone())
}

/// The folders in `parent`, sorted; none if there is no such folder.
fn folders_in(parent: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot read the folder {}", parent.display());
    let entries = match fs::read_dir(parent) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(unreadable)?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.with_context(unreadable)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Compiles all of them with one cargo; returns the module of each.
fn compile(workspace: &Workspace, toolchain: WasmToolchain, crates: &[Package]) -> Result<Vec<(PackageId, PathBuf)>> {
    let mut cargo = toolchain.cargo_build(workspace.root());
    cargo.args(["--profile", PROFILE, "--message-format", "json-render-diagnostics"]).stdout(Stdio::piped());
    for package in crates {
        cargo.args(["--package", package.name.as_str()]);
    }
    let mut child = cargo.spawn().map_err(|error| process::not_started(&cargo, error))?;
    let mut modules = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(stdout)) {
            if let Message::CompilerArtifact(artifact) = message.context("cargo's messages could not be read")? {
                let module = artifact.filenames.into_iter().find(|file| file.extension() == Some("wasm"));
                modules.extend(module.map(|module| (artifact.package_id, module.into_std_path_buf())));
            }
        }
    }
    let status = child.wait().context("cargo could not be waited for")?;
    process::check(&cargo, status).context("the plugins could not be compiled: mend what cargo says above")?;
    Ok(modules)
}

/// Puts the manifest beside a plugin's source into its component.
fn embed(path: &Path, component: Vec<u8>) -> Result<Vec<u8>> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest = Manifest::parse(&text).with_context(|| format!("{} is not valid", path.display()))?;
    Manifest { contract: Some(contract()), ..manifest }.embed(component)
}

/// Makes the component of a compiled plugin and puts it in place. Returns its size in bytes.
fn finish(workspace: &Workspace, package: &Package, module: &Path) -> Result<usize> {
    let content = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let mut component = component::encode(&content)?;
    let manifest = package.manifest_path.with_file_name("plugin.json").into_std_path_buf();
    if manifest.is_file() {
        component = embed(&manifest, component)?;
    }
    let place = workspace.plugins().join(format!("{}.wasm", package.name));
    store::write(&place, &component)?;
    Ok(component.len())
}
