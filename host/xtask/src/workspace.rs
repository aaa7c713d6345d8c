//! Where things lie in the checkout.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::store::Store;

/// A checkout of Brewer.
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace that `cargo xtask` was called in. Cargo says where it is when it starts this tool; what was so at
    /// compile time can be another checkout, if several share one `CARGO_TARGET_DIR`.
    pub fn here() -> Self {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        Self::at(Path::new(&manifest).join("../.."))
    }

    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root: PathBuf = root.into();
        // `host/xtask/../..` works everywhere but reads badly in messages.
        let root = root.canonicalize().unwrap_or(root);
        Self { root }
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where everything set up lies. Always `target/` of the checkout, even if `CARGO_TARGET_DIR` moves cargo's own
    /// output: `.cargo/config.toml` names `target/libtorch`.
    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// libtorch, or a link to the one the user has.
    pub fn libtorch(&self) -> PathBuf {
        self.target().join("libtorch")
    }

    /// The built plugins, one `.wasm` each.
    pub fn plugins(&self) -> PathBuf {
        self.target().join("plugins")
    }

    /// What set-up keeps for itself: its lock, its stamps, half-made things.
    pub fn store(&self) -> Store {
        Store::new(self.target().join("set-up"))
    }

    /// `program`, run from the root, so that it reads the workspace's settings.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that runs this tool, without what it tells this tool about itself: some build scripts run again wherever
    /// these variables change, and what is built by hand and by this tool would be built in turns.
    pub fn cargo(&self) -> Command {
        let mut command = self.command(&env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        let of_this_tool = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        for (name, _) in env::vars_os() {
            if of_this_tool.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes())) {
                command.env_remove(name);
            }
        }
        command
    }

    /// A binary that `cargo build` made.
    pub fn built(&self, name: &str) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.target(), PathBuf::from);
        target.join("debug").join(name)
    }

    /// The packages of the workspace, without what they depend on.
    pub fn metadata(&self) -> Result<Metadata> {
        let mut command = MetadataCommand::new();
        command.cargo_path(self.cargo().get_program()).current_dir(&self.root).no_deps();
        command.exec().context("the workspace's Cargo.toml could not be read")
    }

    /// `path` as the user would write it from the root.
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}
