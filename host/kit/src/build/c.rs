use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

use super::Source;
use crate::{component, process};

/// The packages of Debian that compile C to WebAssembly.
pub const DEBIAN_PACKAGES: [&str; 4] = ["clang-19", "lld-19", "libclang-rt-19-dev-wasm32", "wasi-libc"];

/// Builds a plugin in C: all C files of the entry's folder, with the SDK.
///
/// # Errors
/// If clang or the C library for WebAssembly are missing, or the compiler refuses the plugin; what it says is part of
/// the error.
pub fn c(source: Source<'_>) -> Result<Vec<u8>> {
    let made = tempfile::tempdir().context("no folder to build in")?;
    let (resolve, world) = contract(source)?;
    let sdk = sdk_files(&source.sdk.join("src"), &resolve, world)?;
    let contract = write_contract(resolve, world, made.path())?;
    let module = made.path().join("plugin.wasm");
    let mut clang = Command::new(compiler()?);
    clang.args(["--target=wasm32-wasi", "--sysroot=/usr", "-mexec-model=reactor", "-O2", "-g1", "-std=c17", "-Wall"]);
    let folder = source.entry.parent().unwrap_or(Path::new("."));
    // What the component holds of its source's place: messages name files, and none of the folders above them.
    clang.arg("-fdebug-compilation-dir=.");
    for (from, to) in [(folder, "."), (source.sdk, "sdk"), (made.path(), "made")] {
        clang.arg(prefix_map(from, to));
    }
    clang.arg("-I").arg(source.sdk.join("include")).arg("-I").arg(made.path());
    clang.args(c_files(folder)?);
    clang.args(sdk).args(contract).arg("-o").arg(&module);
    process::capture(&mut clang).context("the plugin could not be compiled")?;
    component::encode(&fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?)
}

/// The option that has paths below `from` written as if they were below `to`.
fn prefix_map(from: &Path, to: &str) -> OsString {
    let mut option = OsString::from("-ffile-prefix-map=");
    option.push(from);
    option.push("=");
    option.push(to);
    option
}

/// Clang 19, or another.
fn compiler() -> Result<&'static str> {
    match ["clang-19", "clang"].into_iter().find(|program| process::exists(program)) {
        Some(program) => Ok(program),
        None => bail!(
            "plugins in C need clang with WebAssembly's linker and C library (Debian: `apt-get install {}`)",
            DEBIAN_PACKAGES.join(" ")
        ),
    }
}

fn contract(source: Source<'_>) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(source.wit).context("the contract cannot be read")?;
    let world = resolve.select_world(&[package], Some(source.world)).context("the contract has no such world")?;
    Ok((resolve, world))
}

/// The SDK's files for a world: what all plugins have, and a file for each of its roles and imported interfaces. What
/// the world does not import must not be linked: the component would ask for it.
fn sdk_files(src: &Path, resolve: &Resolve, world: WorldId) -> Result<Vec<PathBuf>> {
    let world = &resolve.worlds[world];
    let roles = interfaces(resolve, &world.exports).map(|name| src.join("roles").join(name));
    let imported = interfaces(resolve, &world.imports).map(|name| src.join("interfaces").join(name));
    let mut files = c_files(src)?;
    files.extend(roles.chain(imported).filter(|file| file.is_file()));
    Ok(files)
}

/// The names of the interfaces among a world's items, as C files.
fn interfaces<'a>(
    resolve: &'a Resolve,
    items: impl IntoIterator<Item = (&'a WorldKey, &'a WorldItem)>,
) -> impl Iterator<Item = String> {
    items.into_iter().filter_map(|(_, item)| match item {
        WorldItem::Interface { id, .. } => {
            Some(format!("{}.c", resolve.interfaces[*id].name.as_ref()?.replace('-', "_")))
        }
        _ => None,
    })
}

/// The contract in C, as `contract.h` and what is linked: returns the files to compile and link.
fn write_contract(mut resolve: Resolve, world: WorldId, folder: &Path) -> Result<Vec<PathBuf>> {
    let options = wit_bindgen_c::Opts { rename_world: Some("contract".to_owned()), ..Default::default() };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).context("the contract cannot be written in C")?;
    let mut linked = vec![];
    for (name, content) in files.iter() {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        if !name.ends_with(".h") {
            linked.push(path);
        }
    }
    Ok(linked)
}

/// The C files of a folder, sorted.
fn c_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|ending| ending == "c")).collect();
    files.sort();
    Ok(files)
}
