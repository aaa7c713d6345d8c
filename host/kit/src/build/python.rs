use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

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
    let made = tempfile::tempdir().context("no folder to build in")?;
    let output = made.path().join("plugin.wasm");
    command.arg("-d").arg(source.wit).args(["-w", source.world, "componentize", "--stub-wasi"]);
    command.arg("-p").arg(source.sdk).arg("-p").arg(source.entry.parent().unwrap_or(Path::new(".")));
    command.arg("-o").arg(&output).arg(module);
    process::capture(&mut command).context("the plugin could not be built")?;
    finished(&output)
}
