//! What `--json` prints: one object on one line. Keys are in snake_case. Metrics and losses stand at the top level,
//! under the names that they have in `metrics.jsonl`. Paths are absolute.

use std::path::Path;

use brewer::Model;
use brewer::assemble::Assembled;
use brewer::cache::TeacherCache;
use brewer::callback::Scalars;
use brewer::evaluation::Evaluation;
use brewer::experiment::{Experiment, split_name};
use brewer::train::{Checked, EndEvent, Timetable};
use brewer_plugin_host::bench;
use serde_json::{Map, Value, json};

use crate::header::device_key;
use crate::plugin::Located;
use crate::progress::Progress;

/// The result of a run. `start_step` is the optimizer step that it started from.
pub fn run(
    experiment: &Experiment,
    end: &EndEvent,
    start_step: u64,
    student: Option<&Path>,
    progress: &Progress,
    seconds: f64,
) -> Value {
    let last = progress.last_step.as_ref();
    let numbers = [last.map(|report| &report.losses), Some(&progress.metrics), Some(&progress.scalars)];
    with_numbers(
        json!({
            "command": "run",
            "outcome": end.outcome,
            "global_step": last.map_or(start_step, |report| report.global_step),
            "epoch": last.map(|report| report.epoch),
            "output_dir": path(&experiment.training.output_dir),
            "student": student.map(path),
            "examples": progress.num_examples,
            "seconds": seconds,
            "examples_per_second": progress.examples_per_second(),
            "best": end.best,
        }),
        numbers.into_iter().flatten(),
    )
}

/// What the check found.
pub fn check(experiment: &Experiment, assembled: &Assembled, checked: &Checked, timetable: &Timetable) -> Value {
    let session = &assembled.session;
    let mut models: Vec<Value> = vec![];
    let teachers = session.tasks.iter().flat_map(|task| &task.teachers);
    for (teacher, spec) in teachers.zip(experiment.teachers()) {
        models.push(model(&teacher.label(), Some(&spec.model), teacher.model.as_ref()));
    }
    for (task, of_task) in session.student.models() {
        let name = task.map_or("student".to_owned(), |task| format!("student of {task}"));
        models.push(model(&name, experiment.student.model.as_deref(), of_task.as_ref()));
    }
    let train = session.tasks.iter().zip(experiment.data_by_task()).filter_map(|(task, (name, data))| {
        Some((split_name(name, "train"), task.loader.dataset(), task.student.model.spec(), data.train.as_deref()?))
    });
    let evaluated = assembled.evaluated.iter();
    let evaluated =
        evaluated.map(|of| (of.split.name.clone(), of.split.loader.dataset(), &of.model, of.path.as_path()));
    let data = train.chain(evaluated).map(|(split, dataset, model, file)| {
        let summary = dataset.summary(model);
        json!({
            "split": split,
            "path": path(file),
            "examples": summary.examples,
            "mean_tokens": summary.mean_tokens,
            "max_tokens": summary.max_tokens,
            "truncated": summary.truncated,
        })
    });
    let features: Map<String, Value> = checked
        .features
        .iter()
        .map(|(label, features)| {
            let features: Map<String, Value> =
                features.iter().map(|(key, shapes)| ((*key).to_owned(), json!(shapes))).collect();
            (label.clone(), Value::Object(features))
        })
        .collect();
    let terms =
        checked.terms.iter().map(|term| json!({ "name": term.name, "weight": term.weight, "detail": term.detail }));
    with_numbers(
        json!({
            "command": "check",
            "distiller": experiment.distiller.to_string(),
            "device": device_key(session.student.device()),
            "models": models,
            "data": data.collect::<Vec<_>>(),
            "features": features,
            "losses": terms.collect::<Vec<_>>(),
            "optimizer_steps": timetable.optimizer_steps(),
            "epochs": timetable.epochs(),
            "batches_per_epoch": timetable.batches_per_epoch(),
            "checkpoints": timetable.num_checkpoints(),
            "metrics": session.metric_names(),
            "output_dir": path(&experiment.training.output_dir),
        }),
        [&checked.losses],
    )
}

fn model(name: &str, folder: Option<&Path>, model: &dyn Model) -> Value {
    let spec = model.spec();
    json!({
        "name": name,
        "path": folder.map(path),
        "architecture": spec.architecture,
        "num_layers": spec.num_layers,
        "hidden_size": spec.hidden_size,
        "parameters": model.parameters().num_elements(),
        "device": device_key(model.device()),
    })
}

/// The caches of the teachers by their names. `made` examples were computed now.
pub fn cache(caches: &[(String, &TeacherCache)], made: usize, seconds: f64, is_interrupted: bool) -> Value {
    let caches = caches.iter().map(|(teacher, cache)| {
        json!({
            "teacher": teacher,
            "path": cache.folder().map(path),
            "dtype": cache.dtype().name(),
            "bytes": cache.num_bytes(),
            "examples": cache.num_examples(),
            "missing": cache.missing().len(),
            "damaged": cache.damaged(),
        })
    });
    json!({
        "command": "cache",
        "outcome": if is_interrupted { "interrupted" } else { "finished" },
        "caches": caches.collect::<Vec<_>>(),
        "examples": made,
        "seconds": seconds,
        "examples_per_second": made as f64 / seconds,
    })
}

/// An evaluation of the model in `folder` on `data`.
pub fn eval(folder: &Path, data: &Path, model: &dyn Model, evaluation: &Evaluation) -> Value {
    with_numbers(
        json!({
            "command": "eval",
            "model": path(folder),
            "data": path(data),
            "parameters": model.parameters().num_elements(),
            "examples": evaluation.num_examples,
            "seconds": evaluation.seconds,
            "examples_per_second": evaluation.examples_per_second(),
        }),
        [&evaluation.metrics],
    )
}

/// What a plugin is, as `command` found it.
pub fn inspect(command: &str, located: &Located) -> Value {
    let inspected = &located.inspected;
    json!({
        "command": command,
        "reference": located.reference.as_ref().map(ToString::to_string),
        "manifest_digest": located.manifest,
        "signers": located.signers,
        "locked": located.change.as_ref().map(|change| &change.before),
        "sha256": inspected.digest,
        "bytes": inspected.size,
        "contract": inspected.contract,
        "roles": inspected.roles.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "state": inspected.has_state,
        "manifest": inspected.manifest,
    })
}

/// The cases of a plugin's test.
pub fn test(plugin: &Path, outcomes: &[bench::Outcome]) -> Value {
    let cases = outcomes.iter().map(|outcome| {
        let returned: Map<String, Value> =
            outcome.returned.iter().map(|(key, found)| (key.clone(), json!(found))).collect();
        let cost = outcome.cost.as_ref().map(|cost| {
            json!({
                "seconds": cost.time.as_secs_f64(),
                "operations": cost.operations,
                "tensor_bytes": cost.tensor_bytes,
                "gradient_bytes": cost.gradient_bytes,
                "value_bytes": cost.value_bytes,
                "log_bytes": cost.log_bytes,
            })
        });
        json!({
            "name": outcome.name,
            "passed": outcome.differences.is_empty(),
            "returned": returned,
            "differences": outcome.differences,
            "cost": cost,
        })
    });
    let num_passed = outcomes.iter().filter(|outcome| outcome.differences.is_empty()).count();
    json!({
        "command": "plugin test",
        "plugin": path(plugin),
        "passed": num_passed,
        "failed": outcomes.len() - num_passed,
        "cases": cases.collect::<Vec<_>>(),
    })
}

/// A path as text, absolute; JSON has no other form for it.
fn path(path: &Path) -> Value {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into()
}

/// Adds losses and metrics, which no fixed key gives way to.
fn with_numbers<'a>(mut object: Value, numbers: impl IntoIterator<Item = &'a Scalars>) -> Value {
    if let Value::Object(keys) = &mut object {
        for (name, value) in numbers.into_iter().flatten() {
            keys.entry(name.clone()).or_insert(json!(value));
        }
    }
    object
}
