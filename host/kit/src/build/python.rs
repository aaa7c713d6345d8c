use std::fs::create_dir_all;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::reproducible::Workplace;
use super::{Source, finished};
use crate::process;

/// The version of componentize-py that plugins are built with.
pub const COMPONENTIZE_PY: &str = "0.25.1";

/// Builds a plugin in Python: a module that uses the SDK's decorators. `tool` is the folder that the package
/// componentize-py lies in; without one it is the program of that name.
///
/// # Errors
/// If the tool is missing or refuses the plugin; what it says is part of the error.
pub fn python(source: Source<'_>, tool: Option<&Path>) -> Result<Vec<u8>> {
    let mut command = match tool {
        Some(folder) => {
            let mut python = Command::new("python3");
            python.env("PYTHONPATH", folder).args(["-c", "import componentize_py; componentize_py.script()"]);
            python
        }
        None if process::exists("componentize-py") => Command::new("componentize-py"),
        None => bail!("plugins in Python need componentize-py: `pip install componentize-py=={COMPONENTIZE_PY}`"),
    };
    let module = source.entry.file_stem().unwrap_or_default();
    let workplace = Workplace::new()?;
    let plugin = workplace.copy(source.entry.parent().unwrap_or(Path::new(".")), "plugin")?;
    let sdk = workplace.copy(source.sdk, "sdk")?;
    // The packages that this machine's Python has are not the plugin's: in their place stands an environment without any.
    let environment = workplace.path("environment");
    create_dir_all(environment.join("lib/site-packages")).context("no place for an environment of Python")?;
    let output = workplace.path("plugin.wasm");
    command.env("VIRTUAL_ENV", environment);
    command.arg("-d").arg(source.wit).args(["-w", source.world, "componentize", "--stub-wasi"]);
    command.arg("-p").arg(sdk).arg("-p").arg(plugin).arg("-o").arg(&output).arg(module);
    workplace.run(&mut command).context("the plugin could not be built")?;
    finished(&output)
}
