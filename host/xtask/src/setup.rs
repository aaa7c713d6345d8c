//! `cargo xtask setup`: from a bare machine to one where plain `cargo build` works.

use std::{env, process::Command};

use anyhow::{Context, Result};

use brewer_plugin_kit::{build::rust::TARGET, process};

use crate::{libtorch, plugins, step::step, wasm, workspace::Workspace};

/// Puts in place what is missing, and says of everything what it found.
pub fn setup(workspace: &Workspace) -> Result<()> {
    step("C++ compiler", cxx)?;
    step(&format!("libtorch {}", libtorch::VERSION), || libtorch::ensure(workspace))?;
    step(TARGET, || Ok(wasm::ensure(workspace)?.1))?;
    plugins::build(workspace)
}

/// The compiler `torch-sys` will use for its C++ part.
fn cxx() -> Result<String> {
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let version = process::capture(Command::new(&compiler).arg("--version")).with_context(|| {
        format!("no C++ compiler `{compiler}`: install one (Debian: `apt-get install g++`) and run this again")
    })?;
    Ok(format!("ready: {}", version.lines().next().unwrap_or(&compiler)))
}
