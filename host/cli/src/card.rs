//! `student/README.md`: what the student is, with the metadata that Hugging Face reads from the head of such a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use brewer::Student;
use brewer::experiment::Experiment;
use brewer::train::is_reserved;
use serde_json::{Map, Value, json};

/// The description of a student whose numbers are in `metrics`, a run's `metrics.jsonl`. It says nothing of when or where:
/// the same run has the same, resumed or not.
pub fn describe(experiment: &Experiment, student: &Student, metrics: &Path) -> String {
    let teachers: Vec<&Path> = experiment.teachers().map(|teacher| teacher.model.as_path()).collect();
    let base_models: Vec<String> = teachers.iter().filter_map(|folder| hub_name(folder)).collect();
    let licenses: Vec<String> = teachers.iter().filter_map(|folder| license(folder)).collect();
    let datasets = files(experiment, |data| data.train.as_deref());
    let metrics = last_evaluation(metrics);

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
    if !metrics.is_empty() {
        let mut kinds: Vec<String> = metrics.keys().map(|name| kind(name).to_owned()).collect();
        kinds.sort();
        kinds.dedup();
        head.push(list("metrics", &kinds));
        let evaluated = files(experiment, |data| data.dev.as_deref()).join(", ");
        let numbers = metrics.iter().map(|(name, value)| json!({ "type": kind(name), "name": name, "value": value }));
        // JSON is YAML.
        let results = json!([{
            "name": "student",
            "results": [{
                "task": { "type": task(architectures[0]) },
                "dataset": { "name": evaluated, "type": evaluated },
                "metrics": numbers.collect::<Vec<_>>(),
            }],
        }]);
        head.push(format!("model-index: {results}"));
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
    let rows: String = metrics.iter().map(|(name, value)| format!("| {name} | {value:.4} |\n")).collect();
    let table = if rows.is_empty() {
        String::new()
    } else {
        format!("\n| metric | at the last checkpoint |\n|---|---|\n{rows}")
    };
    format!(
        "---\n{}\n---\n\n# Student\n\nA `{architecture}` of {size} parameters. {whole} `provenance.json` beside this folder \
         names all that it was made of by digest.\n{table}",
        head.join("\n")
    )
}

/// The numbers of the last checkpoint; none where nothing was evaluated, or where the file is gone.
fn last_evaluation(metrics: &Path) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(metrics).unwrap_or_default();
    let mut lines = text.lines().rev().filter_map(|line| serde_json::from_str::<Map<String, Value>>(line).ok());
    let last = lines.find(|line| line.contains_key("checkpoint")).unwrap_or_default();
    last.into_iter()
        .filter(|(name, _)| !is_reserved(name))
        .filter_map(|(name, value)| Some((name, value.as_f64()?)))
        .collect()
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

/// The names of data files of all tasks.
fn files(experiment: &Experiment, which: fn(&brewer::data::DataConfig) -> Option<&Path>) -> Vec<String> {
    let tasks = experiment.tasks.values().map(|task| &task.data);
    [&experiment.data].into_iter().chain(tasks).filter_map(|data| Some(name(which(data)?))).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `accuracy` of `dev_accuracy`.
fn kind(metric: &str) -> &str {
    metric.rsplit_once("dev_").map_or(metric, |(_, kind)| kind)
}

/// What Hugging Face calls the task of a class of models.
fn task(architecture: &str) -> &'static str {
    if architecture.ends_with("ForSequenceClassification") {
        "text-classification"
    } else if architecture.ends_with("ForTokenClassification") {
        "token-classification"
    } else {
        "other"
    }
}

/// Text as YAML has it whatever is in it: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}
