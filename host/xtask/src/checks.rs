//! `cargo xtask test`: what a change must pass, the same here and in CI.

use anyhow::{Context, Result};

use brewer_plugin_kit::process;

use crate::{languages, registry, setup, step::step, workspace::Workspace};

/// The checks, the fastest first: a name and the arguments of cargo.
const CHECKS: [(&str, &[&str]); 3] = [
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("tests", &["test"]),
];

/// Sets up and runs all checks; the first that fails ends the run.
pub fn run(workspace: &Workspace) -> Result<()> {
    setup::setup(workspace)?;
    languages::build(workspace)?;
    registry::ensure(workspace)?;
    for (name, arguments) in CHECKS {
        step(name, || {
            process::run(workspace.cargo().args(arguments))
                .context(format!("the {name} did not pass: mend what cargo says above"))?;
            Ok("passed".to_owned())
        })?;
    }
    Ok(())
}
