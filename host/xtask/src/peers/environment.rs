//! The Python that TextBrewer runs in.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use brewer_plugin_kit::process;

use crate::{python, step::step, workspace::Workspace};

/// An environment with TextBrewer, and the script that drives it.
pub struct Python {
    program: PathBuf,
    script: PathBuf,
}

impl Python {
    /// The script; its arguments follow.
    pub fn side(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(&self.script);
        command
    }
}

/// Makes the environment of `tests/peers/requirements.txt` unless it is there.
pub fn ensure(workspace: &Workspace) -> Result<Python> {
    let peers = workspace.root().join("tests/peers");
    let requirements = peers.join("requirements.txt");
    let folder = workspace.target().join("peers/python");
    let stamp =
        std::fs::read_to_string(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let store = workspace.store();
    let program = folder.join("bin/python");
    step("TextBrewer", || {
        if program.is_file() && store.stamp("peers").is_some_and(|earlier| earlier == stamp) {
            return Ok("ready".to_owned());
        }
        install(&folder, &program, &requirements)?;
        store.set_stamp("peers", &stamp)?;
        Ok("installed with torch and transformers".to_owned())
    })?;
    Ok(Python { program, script: peers.join("textbrewer_side.py") })
}

fn install(folder: &Path, program: &Path, requirements: &Path) -> Result<()> {
    process::capture(python::command().args(["-m", "venv", "--clear"]).arg(folder))
        .context("no environment for Python can be made (Debian: `apt-get install python3-venv`)")?;
    let mut pip = Command::new(program);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(requirements);
    process::run(&mut pip).context("TextBrewer could not be installed: mend what pip says above and run this again")
}
