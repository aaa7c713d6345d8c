//! `bundle compare`: where the numbers of two runs differ first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use brewer_plugin_host::printable;
use brewer_registry::Reference;
use brewer_registry::bundle::FileKind;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::exit::input;
use crate::options::DEFAULT_FILE;
use crate::output;
use crate::plugin::failed;
use crate::provenance::INTERNAL;
use crate::sources::{SourceOptions, Sources};

#[derive(Args)]
pub struct CompareOptions {
    /// A run's folder, or a bundle of one: a reference (oci://…), a folder, or a tar
    left: String,

    /// Another one
    right: String,

    /// Print one line of JSON
    ///
    /// Keys: command, same, lines (that agree), difference (null, or line, event, key, left and right of the first),
    /// machines (what differs of device, teacherDevices, threads, cpu and libtorch: left and right by name).
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sources: SourceOptions,
}

/// What one side holds.
struct Side {
    metrics: Vec<Map<String, Value>>,
    provenance: Value,
}

/// The first number that differs.
struct Difference {
    /// From 1.
    line: usize,
    /// What the line is of: `step 12`, `evaluation 20`.
    event: String,
    key: String,
    left: Value,
    right: Value,
}

/// Compares the numbers of two runs; the exit code is 1 if they differ.
pub fn compare(options: &CompareOptions) -> Result<ExitCode> {
    let sources = options.sources.sources(Path::new(DEFAULT_FILE), None);
    let (left, right) = (side(&sources, &options.left)?, side(&sources, &options.right)?);
    let difference = first_difference(&left.metrics, &right.metrics);
    let machines = machines(&left.provenance, &right.provenance);
    let agreeing = difference.as_ref().map_or(left.metrics.len(), |difference| difference.line - 1);
    if options.json {
        let shown = difference.as_ref().map(|found| {
            let Difference { line, event, key, left, right } = found;
            json!({ "line": line, "event": event, "key": key, "left": left, "right": right })
        });
        output::json(&json!({
            "command": "bundle compare",
            "same": difference.is_none(),
            "lines": agreeing,
            "difference": shown,
            "machines": machines,
        }))?;
    } else {
        let mut lines = vec![match &difference {
            None => format!("the same: {} lines of metrics.jsonl, number by number", left.metrics.len()),
            Some(Difference { line, event, key, left, right }) => {
                format!("line {line} of metrics.jsonl ({event}) differs first: {key} is {left} and {right}")
            }
        }];
        for (what, values) in &machines {
            lines.push(format!("{what} is {} and {}", values["left"], values["right"]));
        }
        output::result(&lines.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(if difference.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a run's folder or a bundle of one holds.
fn side(sources: &Sources, text: &str) -> Result<Side> {
    let folder = Path::new(text);
    let (metrics, provenance) = if !Reference::is_meant(text) && folder.join("metrics.jsonl").exists() {
        let read =
            |path: PathBuf| fs::read(&path).with_context(|| format!("cannot read {}", path.display())).map_err(input);
        let provenance = folder.join("provenance.json");
        let provenance = if provenance.exists() { read(provenance)? } else { b"null".to_vec() };
        (read(folder.join("metrics.jsonl"))?, provenance)
    } else {
        let found = sources.bundle(text).map_err(failed)?;
        let file = |kind| match found.bundle.files_of(kind).as_slice() {
            [name] => sources.with_store(|store| found.bundle.file(store, name)).map_err(failed),
            _ => Err(input(anyhow!("{text}: it is not of a run; `bundle create --from RUN` makes such a bundle"))),
        };
        (file(FileKind::Metrics)?, file(FileKind::Provenance)?)
    };
    let wrong = |what: &str, error: serde_json::Error| input(anyhow!("{text}: its {what}: {error}"));
    let lines = metrics.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let metrics = lines.map(serde_json::from_slice).collect::<Result<Vec<_>, _>>();
    let metrics = metrics.map_err(|error| wrong("metrics.jsonl", error))?;
    let provenance = serde_json::from_slice(&provenance).map_err(|error| wrong("provenance.json", error))?;
    Ok(Side { metrics, provenance })
}

fn first_difference(left: &[Map<String, Value>], right: &[Map<String, Value>]) -> Option<Difference> {
    let none = Map::new();
    for index in 0..left.len().max(right.len()) {
        let (ours, theirs) = (left.get(index).unwrap_or(&none), right.get(index).unwrap_or(&none));
        let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key)));
        for key in keys {
            let value = |line: &Map<String, Value>| line.get(key).cloned().unwrap_or_default();
            if value(ours) != value(theirs) {
                // The first key of a line says what it is of.
                let event = ours.iter().chain(theirs).next().map(|(event, number)| format!("{event} {number}"));
                let (left, right) = (value(ours), value(theirs));
                return Some(Difference { line: index + 1, event: event?, key: key.clone(), left, right });
            }
        }
    }
    None
}

/// What the two were computed on, as far as it differs.
fn machines(left: &Value, right: &Value) -> Map<String, Value> {
    let mut differing = Map::new();
    for what in ["device", "teacherDevices", "threads", "cpu", "libtorch"] {
        let of = |side: &Value| side.pointer(INTERNAL).map(|found| found[what].clone()).unwrap_or_default();
        let (left, right) = (of(left), of(right));
        if left != right {
            differing.insert(what.to_owned(), json!({ "left": left, "right": right }));
        }
    }
    differing
}
