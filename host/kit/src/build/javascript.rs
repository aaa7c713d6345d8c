use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::reproducible::Workplace;
use super::{Source, finished};
use crate::process;

/// Builds a plugin in JavaScript or TypeScript. `tools` is the folder in which the SDK's `tools/package.json` was
/// installed.
///
/// # Errors
/// If Node or the tools are missing or refuse the plugin; what they say is part of the error.
pub fn javascript(source: Source<'_>, tools: &Path) -> Result<Vec<u8>> {
    if !process::exists("node") || !tools.join("node_modules/componentize-qjs").is_dir() {
        bail!(
            "plugins in JavaScript need Node, and the packages of package.json: `npm install` in {}",
            tools.display()
        );
    }
    let workplace = Workplace::new()?;
    let output = workplace.path("plugin.wasm");
    let mut command = Command::new("node");
    command.current_dir(tools).arg(source.sdk.join("tools/build.mjs"));
    command.args([source.wit.as_os_str(), source.world.as_ref(), source.entry.as_os_str(), output.as_os_str()]);
    workplace.run(&mut command).context("the plugin could not be built")?;
    finished(&output)
}
