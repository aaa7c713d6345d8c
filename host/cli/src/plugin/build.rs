use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use brewer_plugin_kit::project::Project;
use clap::Args;
use indicatif::HumanBytes;

use crate::exit::input;
use crate::output;

#[derive(Args)]
pub struct BuildOptions {
    /// The plugin's folder
    #[arg(default_value = ".")]
    folder: PathBuf,

    /// Where the component goes [default: NAME.wasm in the current folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn build(options: &BuildOptions) -> Result<ExitCode> {
    let start = Instant::now();
    let project = Project::open(&options.folder).map_err(input)?;
    let component = project.build().map_err(input)?;
    let target = options.output.clone().unwrap_or_else(|| format!("{}.wasm", project.manifest.name).into());
    fs::write(&target, &component).with_context(|| format!("cannot write {}", target.display()))?;
    let size = HumanBytes(component.len() as u64);
    let line = format!("{}: {size}, built in {:.1} s", target.display(), start.elapsed().as_secs_f64());
    output::or_note(output::result(&line));
    Ok(ExitCode::SUCCESS)
}
