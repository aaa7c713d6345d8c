//! The toolchain that compiles plugins to WebAssembly.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{process, step::note, workspace::Workspace};

/// The target of plugins: no operating system, so a plugin cannot even ask for one.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The packages of Debian that can compile for it.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

/// A toolchain that can compile for [`TARGET`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WasmToolchain {
    /// The active one, which has the target's standard library, as rustup installs it.
    Rustup,
    /// Debian's, which compiles the standard library from source, once.
    Debian,
}

impl WasmToolchain {
    /// The toolchain that is there; failing that, one is installed. Says what was done.
    pub fn ensure(workspace: &Workspace) -> Result<(Self, String)> {
        if let Some(toolchain) = Self::detect(workspace) {
            return Ok((toolchain, format!("ready: {}", toolchain.name())));
        }
        if process::exists("rustup") {
            note(&format!("rustup target add {TARGET}"));
            let added = process::run(workspace.command("rustup").args(["target", "add", TARGET]));
            if added.is_ok() && has_target(workspace) {
                return Ok((Self::Rustup, "added".to_owned()));
            }
        }
        if !process::exists("apt-get") {
            bail!(
                "this Rust toolchain has no {TARGET}: install it (`rustup target add {TARGET}`, or your \
                 distribution's package) and run this again"
            );
        }
        install_debian_packages()?;
        Ok((Self::Debian, format!("installed: {}", Self::Debian.name())))
    }

    fn detect(workspace: &Workspace) -> Option<Self> {
        if has_target(workspace) {
            Some(Self::Rustup)
        } else {
            DEBIAN_PACKAGES.iter().all(|package| is_installed(package)).then_some(Self::Debian)
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rustup => "the active Rust toolchain",
            Self::Debian => "Debian's Rust for the web",
        }
    }

    /// `cargo build` for the target.
    pub fn cargo_build(self, workspace: &Workspace) -> Command {
        let mut cargo = match self {
            Self::Rustup => workspace.cargo(),
            Self::Debian => workspace.command("/usr/bin/cargo"),
        };
        cargo.args(["build", "--target", TARGET]);
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
fn has_target(workspace: &Workspace) -> bool {
    let folder = process::capture(workspace.command("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    folder.is_ok_and(|folder| Path::new(&folder).is_dir())
}

fn is_installed(package: &str) -> bool {
    let status = process::capture(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]));
    status.is_ok_and(|status| status == "installed")
}

fn install_debian_packages() -> Result<()> {
    note(&format!("apt-get install {}", DEBIAN_PACKAGES.join(" ")));
    // `--no-remove`: these packages replace Debian's ordinary rustc, and that is not this tool's to remove.
    let install = ["install", "-y", "--no-install-recommends", "--no-remove"];
    let by_hand = || {
        format!(
            "the packages for {TARGET} could not be installed: run `apt-get update && apt-get install {}` as root, \
             or `rustup target add {TARGET}`, and run this again",
            DEBIAN_PACKAGES.join(" ")
        )
    };
    process::run(apt_get()?.arg("update")).with_context(by_hand)?;
    process::run(apt_get()?.args(install).args(DEBIAN_PACKAGES)).with_context(by_hand)
}

/// `apt-get` as root, asking nothing.
fn apt_get() -> Result<Command> {
    let is_root = fs::metadata("/proc/self").context("cannot read /proc/self")?.uid() == 0;
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    if !is_root {
        command.args(["-n", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]).stdout(Stdio::null());
    Ok(command)
}
