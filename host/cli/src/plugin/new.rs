use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use brewer_plugin_host::PluginRole;
use brewer_plugin_kit::project::{self, Language};
use clap::Args;

use crate::exit::input;
use crate::output;

#[derive(Args)]
pub struct NewOptions {
    /// The plugin's name, and its folder's
    name: String,

    /// rust, python, javascript, typescript or c
    #[arg(long, value_name = "LANGUAGE")]
    lang: Language,

    #[arg(long, default_value = "adaptor", help = roles())]
    role: String,
}

/// What there is to choose.
fn roles() -> String {
    let names: Vec<String> = PluginRole::ALL.iter().map(ToString::to_string).collect();
    format!("Its role in a run: {}", names.join(", "))
}

pub fn new(options: &NewOptions) -> Result<ExitCode> {
    let NewOptions { name, lang, role } = options;
    project::create(&PathBuf::from(name), name, *lang, role).map_err(input)?;
    let mut lines = vec![format!("{name}/ is a plugin in {lang} for the role {role}. What comes next:\n")];
    if matches!(lang, Language::JavaScript | Language::TypeScript) {
        lines.push(format!("  (cd {name} && npm install)"));
    }
    lines.push(format!("  brewer-host plugin build {name}"));
    lines.push(format!("  brewer-host plugin test {name}.wasm --cases {name}/plugin.test.json"));
    output::or_note(output::unwrapped(&lines.join("\n")));
    Ok(ExitCode::SUCCESS)
}
