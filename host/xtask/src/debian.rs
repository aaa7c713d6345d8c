//! Installing packages of Debian, where it is the system.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use brewer_plugin_kit::process;

use crate::step::note;

/// Installs packages; `instead` says what else could be done by hand.
pub fn install(packages: &[&str], instead: &str) -> Result<()> {
    note(&format!("apt-get install {}", packages.join(" ")));
    // `--no-remove`: a package may replace one of the user's, and that is not this tool's to remove.
    let install = ["install", "-y", "--no-install-recommends", "--no-remove"];
    let by_hand = || {
        let packages = packages.join(" ");
        format!(
            "packages could not be installed: run `apt-get update && apt-get install {packages}` as root{instead}, and \
             run this again"
        )
    };
    process::run(apt_get()?.arg("update")).with_context(by_hand)?;
    process::run(apt_get()?.args(install).args(packages)).with_context(by_hand)
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
