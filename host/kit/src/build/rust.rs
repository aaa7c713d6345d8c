//! Plugins in Rust, and the toolchain that compiles them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::{component, process};

/// Builds the crate in `folder`, whose library is the plugin.
///
/// # Errors
/// If the target is missing, or if cargo refuses the crate; what it says goes to standard error.
pub fn build(folder: &Path) -> Result<Vec<u8>> {
    let Some(toolchain) = WasmToolchain::detect(folder) else {
        bail!("plugins in Rust need the target {TARGET}: `rustup target add {TARGET}`");
    };
    let mut cargo = toolchain.cargo_build(folder);
    cargo.args(["--release", "--message-format", "json-render-diagnostics"]);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rust_flags());
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| process::not_started(&cargo, error))?;
    process::check(&cargo, output.status).context("the plugin could not be compiled: mend what cargo says above")?;
    let module = module(&output.stdout).ok_or_else(|| {
        anyhow!("the crate builds no WebAssembly module: add `crate-type = [\"cdylib\"]` to [lib] in its Cargo.toml")
    })?;
    let read = |error: io::Error| anyhow!("cannot read {}: {error}", module.display());
    component::encode(&fs::read(&module).map_err(read)?)
}

/// The user's flags for rustc, and one that keeps the place of crates out of the component: the same source is the same
/// component for every user. (The crate's own paths are relative anyway.) In the form in which a flag may hold spaces.
fn rust_flags() -> OsString {
    const BETWEEN: &str = "\u{1f}";
    let mut flags = env::var_os("CARGO_ENCODED_RUSTFLAGS").unwrap_or_else(|| {
        let flags = env::var("RUSTFLAGS").unwrap_or_default();
        flags.split_whitespace().collect::<Vec<_>>().join(BETWEEN).into()
    });
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    if let Some(home) = home {
        if !flags.is_empty() {
            flags.push(BETWEEN);
        }
        flags.push("--remap-path-prefix=");
        flags.push(home);
        flags.push("=cargo");
    }
    flags
}

/// The module among what cargo says it has made.
fn module(messages: &[u8]) -> Option<PathBuf> {
    let messages = messages.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let files = messages.filter_map(|message| message["filenames"].as_array().cloned()).flatten();
    let mut modules = files.filter_map(|file| file.as_str().filter(|file| file.ends_with(".wasm")).map(PathBuf::from));
    modules.next_back()
}

/// The target of plugins: no operating system, so a plugin cannot even ask for one.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The packages of Debian that can compile for it.
pub const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

/// A toolchain that can compile for [`TARGET`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WasmToolchain {
    /// The active one, which has the target's standard library, as rustup installs it.
    Rustup,
    /// Debian's, which compiles the standard library from source, once.
    Debian,
}

impl WasmToolchain {
    /// The toolchain that is there for a crate in `folder`.
    pub fn detect(folder: &Path) -> Option<Self> {
        if has_target(folder) {
            Some(Self::Rustup)
        } else {
            DEBIAN_PACKAGES.iter().all(|package| is_installed(package)).then_some(Self::Debian)
        }
    }

    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rustup => "the active Rust toolchain",
            Self::Debian => "Debian's Rust for the web",
        }
    }

    /// `cargo build` for the target, in `folder`.
    pub fn cargo_build(self, folder: &Path) -> Command {
        let active = || std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut cargo = match self {
            Self::Rustup => Command::new(active()),
            Self::Debian => Command::new("/usr/bin/cargo"),
        };
        cargo.current_dir(folder).args(["build", "--target", TARGET]);
        if self == Self::Debian {
            // Debian ships the sources of the standard library; compiling them takes an unstable flag.
            cargo
                .args(["-Z", "build-std=std,panic_abort"])
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19");
        }
        cargo
    }
}

/// Whether the active toolchain has the target's standard library.
fn has_target(folder: &Path) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(folder).args(["--print", "target-libdir", "--target", TARGET]);
    process::capture(&mut rustc).is_ok_and(|folder| Path::new(&folder).is_dir())
}

/// Whether a package of Debian is installed.
pub fn is_installed(package: &str) -> bool {
    let status = process::capture(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]));
    status.is_ok_and(|status| status == "installed")
}
