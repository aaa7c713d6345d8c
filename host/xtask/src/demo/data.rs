//! From the package's CSV to the experiment's three files.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Sentences that no training sees.
const HELD_OUT: usize = 1000;
/// Sentences whose labels are used in training.
const LABELLED: usize = 2000;

#[derive(Deserialize)]
struct Row {
    text: String,
    label: u8,
    source: String,
}

/// Writes `held-out.jsonl`, `labelled.jsonl` and `unlabelled.jsonl` to `folder`.
///
/// The Rotten Tomatoes sentences in the order of the SHA-256 of their text, which mixes them once and for all: the
/// first 1,000 are held out, the next 2,000 keep their labels for training, and all but the held-out ones, without
/// labels, are what the teacher teaches from.
pub fn prepare(reviews: &Path, folder: &Path) -> Result<String> {
    let mut rows = vec![];
    for row in csv::Reader::from_path(reviews).context("the reviews cannot be opened")?.deserialize() {
        let row: Row = row.with_context(|| format!("{} is not the expected table", reviews.display()))?;
        if row.source == "rotten_tomatoes" {
            rows.push(row);
        }
    }
    rows.sort_by_cached_key(|row| Sha256::digest(row.text.as_bytes()).to_vec());
    ensure!(rows.len() > HELD_OUT + LABELLED, "{} has only {} sentences", reviews.display(), rows.len());
    let train = rows.split_off(HELD_OUT);
    let held_out: HashSet<String> = rows.iter().map(|row| row.text.to_lowercase()).collect();
    let train: Vec<Row> = train.into_iter().filter(|row| !held_out.contains(&row.text.to_lowercase())).collect();

    let labelled = |row: &Row| json!({ "text": row.text, "label": row.label });
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    write(&folder.join("held-out.jsonl"), rows.iter().map(labelled))?;
    write(&folder.join("labelled.jsonl"), train.iter().take(LABELLED).map(labelled))?;
    write(&folder.join("unlabelled.jsonl"), train.iter().map(|row| json!({ "text": row.text })))?;
    Ok(format!("{} sentences, {LABELLED} of them with labels, and {} held out", train.len(), rows.len()))
}

fn write(path: &Path, lines: impl Iterator<Item = Value>) -> Result<()> {
    let written = || -> std::io::Result<()> {
        let mut writer = BufWriter::new(File::create(path)?);
        for line in lines {
            writeln!(writer, "{line}")?;
        }
        writer.flush()
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}
