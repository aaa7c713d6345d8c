//! `cargo xtask peers`: the movie-reviews experiment side by side with TextBrewer.

mod cases;
mod environment;
mod report;
mod run;

use std::fs;

use anyhow::{Context, Result};
use brewer_plugin_kit::process;

use crate::{demo, setup, step::step, store::create_folder, workspace::Workspace};
use report::Comparison;

/// Examples in a run: 32 batches of 32.
const EXAMPLES: usize = 1024;

/// Sets up both, and runs every case `num_pairs` times, in turns.
pub fn run(workspace: &Workspace, num_pairs: usize) -> Result<()> {
    setup::setup(workspace)?;
    step("brewer-host", || {
        process::run(workspace.cargo().arg("build"))?;
        Ok("built".to_owned())
    })?;
    let python = environment::ensure(workspace)?;
    let teacher = demo::teacher(workspace)?;
    let folder = workspace.target().join("peers/run");
    create_folder(&folder)?;
    let data = folder.join("sentences.jsonl");
    let sentences = fs::read_to_string(workspace.target().join("demo/data/labelled.jsonl"))
        .context("the demo's sentences cannot be read")?;
    let first: Vec<&str> = sentences.lines().take(EXAMPLES).collect();
    fs::write(&data, first.join("\n")).with_context(|| format!("cannot write {}", data.display()))?;
    step("models and tokens", || {
        process::capture(python.side().arg("prepare").args([&teacher, &data, &folder]))?;
        Ok("made".to_owned())
    })?;

    println!("\n{EXAMPLES} sentences in batches of 32, float32 on the CPU, no dropout; {num_pairs} pairs a case\n");
    println!("{}", Comparison::head());
    for case in cases::all() {
        let mut pairs = vec![];
        for _ in 0..num_pairs {
            pairs.push((run::textbrewer(&python, &folder, &case)?, run::brewer(workspace, &python, &folder, &case)?));
        }
        println!("{}", Comparison::of(case.name, &pairs)?);
    }
    println!("\nmedians; examples a second after the first {} steps", report::WARM_UP);
    Ok(())
}
