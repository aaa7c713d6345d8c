use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use brewer_plugin_kit::project::{self, Language};
use clap::Args;

use crate::exit::input;

#[derive(Args)]
pub struct NewOptions {
    /// The plugin's name, and its folder's
    name: String,

    /// rust, python, javascript, typescript or c
    #[arg(long, value_name = "LANGUAGE")]
    lang: Language,

    /// What it is to be in a run
    #[arg(long, default_value = "adaptor")]
    role: String,
}

pub fn new(options: &NewOptions) -> Result<ExitCode> {
    let NewOptions { name, lang, role } = options;
    project::create(&PathBuf::from(name), name, *lang, role).map_err(input)?;
    println!("{name}/ is a plugin in {lang} for the role {role}. What comes next:\n");
    if matches!(lang, Language::JavaScript | Language::TypeScript) {
        println!("  (cd {name} && npm install)");
    }
    println!("  brewer-host plugin build {name}");
    println!("  brewer-host plugin test {name}.wasm --cases {name}/plugin.test.json");
    Ok(ExitCode::SUCCESS)
}
