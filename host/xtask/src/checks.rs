//! `cargo xtask check` and `cargo xtask test`: what a change must pass, the same here and in CI.

use anyhow::{Context, Result};

use brewer_plugin_kit::process;

use crate::{languages, registry, setup, step::step, workspace::Workspace};

/// Sets up and runs all checks, the fastest first; the first that fails ends the run.
pub fn all(workspace: &Workspace) -> Result<()> {
    setup::setup(workspace)?;
    languages::build(workspace)?;
    registry::ensure(workspace)?;
    check(workspace, "format", &["fmt", "--all", "--check"])?;
    check(workspace, "lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    check(workspace, "tests", &["test"])
}

/// Runs what takes little: no plugin is built, and the binary is not started.
pub fn quick(workspace: &Workspace) -> Result<()> {
    setup::setup(workspace)?;
    check(workspace, "format", &["fmt", "--all", "--check"])?;
    check(workspace, "lints", &["clippy", "--lib", "--", "-D", "warnings"])?;
    // By the names of their targets: with `--package`, cargo chooses other features of shared crates and builds those anew.
    let metadata = workspace.metadata()?;
    let quick = metadata.packages.iter().filter(|package| ["brewer", "xtask"].contains(&package.name.as_str()));
    let targets = quick.flat_map(|package| &package.targets).filter(|target| target.is_test());
    let mut arguments = vec!["test", "--quiet", "--lib", "--bin", "xtask"];
    for target in targets {
        arguments.extend(["--test", &target.name]);
    }
    check(workspace, "tests", &arguments)
}

fn check(workspace: &Workspace, name: &str, arguments: &[&str]) -> Result<()> {
    step(name, || {
        process::run(workspace.cargo().args(arguments))
            .context(format!("the {name} did not pass: mend what cargo says above"))?;
        Ok("passed".to_owned())
    })
}
