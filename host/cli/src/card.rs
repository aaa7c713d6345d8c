//! `student/README.md`: what the student is, with the metadata that Hugging Face reads from the head of such a file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use brewer::Student;
use brewer::experiment::{Experiment, split_name};
use brewer::train::{CheckpointEvent, EvaluationEvent, Event};
use serde_json::{Value, json};

/// The description of the student after `global_step` optimizer steps, whose numbers are in `metrics`, a run's
/// `metrics.jsonl`. It says nothing of when or where: the same run has the same, resumed or not.
pub fn describe(experiment: &Experiment, student: &Student, metrics: &Path, global_step: u64) -> Result<String> {
    let teachers: Vec<&Path> = experiment.teachers().map(|teacher| teacher.model.as_path()).collect();
    let base_models: Vec<String> = teachers.iter().filter_map(|folder| hub_name(folder)).collect();
    let licenses: Vec<String> = teachers.iter().filter_map(|folder| license(folder)).collect();
    let data = experiment.data_by_task();
    let datasets: Vec<String> = data.iter().filter_map(|(_, data)| Some(name(data.train.as_deref()?))).collect();
    let Numbers { metrics, others } = numbers_at(global_step, metrics)?;

    let mut head = vec![];
    let list = |key: &str, items: &[String]| {
        let items: String = items.iter().map(|item| format!("\n- {}", quoted(item))).collect();
        format!("{key}:{items}")
    };
    if !base_models.is_empty() {
        head.push(list("base_model", &base_models));
    }
    // Several licences of several teachers: which holds for the student is not for a program to say.
    if let [license] = licenses.as_slice() {
        head.push(format!("license: {}", quoted(license)));
    }
    if !datasets.is_empty() {
        head.push(list("datasets", &datasets));
    }
    head.push("library_name: transformers\ntags:\n- distillation\n- brewer".to_owned());
    let mut architectures: Vec<&str> =
        student.models().into_iter().map(|(_, model)| model.spec().architecture.as_str()).collect();
    architectures.dedup();
    let architecture = architectures.join("` and `");
    let results = results(experiment, &metrics);
    if !results.is_empty() {
        let mut kinds: Vec<String> = results.iter().flat_map(|result| result.kinds.clone()).collect();
        kinds.sort();
        kinds.dedup();
        head.push(list("metrics", &kinds));
        let task = task(architectures[0]);
        let results: Vec<Value> = results.into_iter().map(|result| result.of_task(task)).collect();
        // JSON is YAML.
        head.push(format!("model-index: {}", json!([{ "name": "student", "results": results }])));
    }

    let whole = match teachers.as_slice() {
        [] => "It was trained without a teacher.".to_owned(),
        [teacher] => format!("It was distilled from `{}`.", name(teacher)),
        several => {
            let names: Vec<String> = several.iter().map(|teacher| format!("`{}`", name(teacher))).collect();
            format!("It was distilled from {}.", names.join(", "))
        }
    };
    let size = student.parameters().num_elements();
    let rows: String =
        metrics.iter().chain(&others).map(|(name, value)| format!("| {name} | {value:.4} |\n")).collect();
    let table = if rows.is_empty() {
        String::new()
    } else {
        format!("\n| metric | after step {global_step} |\n|---|---|\n{rows}")
    };
    Ok(format!(
        "---\n{}\n---\n\n# Student\n\nA `{architecture}` of {size} parameters. {whole} `provenance.json` beside this folder \
         names all that it was made of by digest.\n{table}",
        head.join("\n")
    ))
}

/// What is known of a student.
#[derive(Default)]
struct Numbers {
    /// By name, from its evaluation.
    metrics: BTreeMap<String, f64>,
    /// By name, from callbacks.
    others: BTreeMap<String, f64>,
}

/// The numbers in a run's metrics of the student after `global_step` optimizer steps; none where nothing was evaluated, or
/// where the file is gone. A line that is not an event was written by something else: the student is saved without it.
fn numbers_at(global_step: u64, metrics: &Path) -> Result<Numbers> {
    let text = match fs::read(metrics) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![],
        read => read.with_context(|| format!("cannot read {}", metrics.display()))?,
    };
    let mut numbers = Numbers::default();
    let events = text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    for event in events {
        match event {
            Event::Evaluation(EvaluationEvent { global_step: step, metrics, .. }) if step == global_step => {
                numbers.metrics.extend(metrics);
            }
            Event::Checkpoint(CheckpointEvent { global_step: step, scalars, .. }) if step == global_step => {
                numbers.others.extend(scalars);
            }
            _ => {}
        }
    }
    Ok(numbers)
}

/// The metrics on a split.
struct SplitResult {
    /// The metrics without the split: `accuracy`.
    kinds: Vec<String>,
    dataset: Value,
    metrics: Vec<Value>,
}

impl SplitResult {
    /// As Hugging Face's `model-index` has it.
    fn of_task(self, task: &str) -> Value {
        json!({ "task": { "type": task }, "dataset": self.dataset, "metrics": self.metrics })
    }
}

/// The result of each split that has one.
fn results(experiment: &Experiment, metrics: &BTreeMap<String, f64>) -> Vec<SplitResult> {
    let splits: Vec<(String, &str, &Path)> = experiment
        .data_by_task()
        .into_iter()
        .flat_map(|(name, data)| data.splits().map(move |(split, path)| (split_name(name, split), split, path)))
        .collect();
    let mut results = vec![];
    for (name, split, path) in &splits {
        let (mut kinds, mut own) = (vec![], vec![]);
        for (metric, value) in metrics {
            // Of `dev` and `dev_hard`, the longer name has `dev_hard_accuracy`.
            let kind_in = |name: &str| metric.strip_prefix(name).and_then(|rest| rest.strip_prefix('_'));
            let is_longer = |other: &str| other.len() > name.len() && kind_in(other).is_some();
            if let Some(kind) = kind_in(name)
                && !splits.iter().any(|(other, ..)| is_longer(other))
            {
                kinds.push(kind.to_owned());
                own.push(json!({ "type": kind, "name": metric, "value": value }));
            }
        }
        if !own.is_empty() {
            let file = self::name(path);
            let dataset = json!({ "name": file, "type": file, "split": split });
            results.push(SplitResult { kinds, dataset, metrics: own });
        }
    }
    results
}

/// The name that a model has on the hub, if its configuration says one.
fn hub_name(folder: &Path) -> Option<String> {
    let config: Value = serde_json::from_slice(&fs::read(folder.join("config.json")).ok()?).ok()?;
    let name = config["_name_or_path"].as_str()?;
    let is_part = |part: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty() && part.bytes().all(is_inner) && !part.starts_with('.')
    };
    // `OWNER/NAME`; others are folders of whoever trained it.
    let (owner, model) = name.split_once('/')?;
    (is_part(owner) && is_part(model)).then(|| name.to_owned())
}

/// The licence in the head of a model's own README.
fn license(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("README.md")).ok()?;
    let mut lines = text.lines();
    lines.next().filter(|line| *line == "---")?;
    let head = lines.take_while(|line| *line != "---");
    let value = head.filter_map(|line| line.strip_prefix("license:")).next()?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What Hugging Face calls the task of a class of models.
fn task(architecture: &str) -> &'static str {
    if architecture.ends_with("ForSequenceClassification") {
        "text-classification"
    } else if architecture.ends_with("ForTokenClassification") {
        "token-classification"
    } else if architecture.ends_with("ForQuestionAnswering") {
        "question-answering"
    } else if architecture.ends_with("ForMaskedLM") {
        "fill-mask"
    } else {
        "other"
    }
}

/// Text as YAML has it whatever is in it: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_event_costs_no_other_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let line = br#"{"evaluation":2,"epoch":0,"dev_loss":0.5}"#;
        fs::write(&path, [&b"\xff no event\n"[..], line, b"\n"].concat()).unwrap();
        assert_eq!(numbers_at(2, &path).unwrap().metrics, BTreeMap::from([("dev_loss".to_owned(), 0.5)]));
        assert!(numbers_at(1, &path).unwrap().metrics.is_empty());
    }
}
