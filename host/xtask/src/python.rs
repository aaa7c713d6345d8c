//! The user's Python: it downloads wheels, and it knows where an installed PyTorch lies.

use std::{env, process::Command};

use anyhow::{Context, Result};

use brewer_plugin_kit::process;

/// The interpreter that `torch-sys` would ask too: the one of the active virtual environment, or else `python3`.
pub fn command() -> Command {
    Command::new(if env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" })
}

/// `pip`, once it is known to be there.
pub fn pip() -> Result<Command> {
    process::capture(command().args(["-m", "pip", "--version"])).context(
        "downloading needs Python 3 with pip: install them (Debian: `apt-get install python3-pip`) and run this again",
    )?;
    let mut pip = command();
    pip.args(["-m", "pip"]);
    Ok(pip)
}
