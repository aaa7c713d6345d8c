//! The toolchain that compiles plugins in Rust, installed where it is missing.

use anyhow::{Result, bail};
use brewer_plugin_kit::build::rust::{DEBIAN_PACKAGES, TARGET, WasmToolchain};
use brewer_plugin_kit::process;

use crate::{debian, step::note, workspace::Workspace};

/// The toolchain that is there; failing that, one is installed. Says what was done.
pub fn ensure(workspace: &Workspace) -> Result<(WasmToolchain, String)> {
    let detect = || WasmToolchain::detect(workspace.root());
    if let Some(toolchain) = detect() {
        return Ok((toolchain, format!("ready: {}", toolchain.name())));
    }
    if process::exists("rustup") {
        note(&format!("rustup target add {TARGET}"));
        let added = process::run(workspace.command("rustup").args(["target", "add", TARGET]));
        if let (Ok(()), Some(toolchain)) = (added, detect()) {
            return Ok((toolchain, "added".to_owned()));
        }
    }
    if !process::exists("apt-get") {
        bail!(
            "this Rust toolchain has no {TARGET}: install it (`rustup target add {TARGET}`, or your distribution's \
             package) and run this again"
        );
    }
    debian::install(&DEBIAN_PACKAGES, &format!(", or `rustup target add {TARGET}`"))?;
    Ok((WasmToolchain::Debian, format!("installed: {}", WasmToolchain::Debian.name())))
}
