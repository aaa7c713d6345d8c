//! The recorded run of several tasks. Its tasks were drawn by another generator, so their order is given here.

mod common;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use brewer::assemble::assemble;
use brewer::experiment::Experiment;
use brewer::train::{Outcome, RunFolder, TaskOrder, TrainingState};
use common::{NoPlugins, Recorder};
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn agrees_with_the_recorded_run() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/runs/multi_task");
    let run: Value = serde_json::from_slice(&std::fs::read(recorded.join("run.json")).unwrap()).unwrap();
    let names: Vec<String> = serde_json::from_value(run["tasks"].clone()).unwrap();
    let mut tasks = json!({});
    for (name, teacher) in names.iter().zip(run["teachers"].as_array().unwrap()) {
        tasks[name] = json!({
            "teacher": { "model": recorded.join(teacher.as_str().unwrap()) },
            "data": {
                "train": recorded.join(format!("{name}.jsonl")),
                "batch_size": run["batch_size"],
                "shuffle": false,
            },
        });
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("experiment.json");
    let experiment = json!({
        "distiller": "multi_task",
        "student": { "model": recorded.join("student_init") },
        "tasks": tasks,
        "optimizer": run["optimizer"],
        "training": { "num_steps": run["num_steps"], "ckpt_steps": run["training_config"]["ckpt_steps"], "device": "cpu" },
        "distillation": run["distillation_config"],
    });
    std::fs::write(&file, experiment.to_string()).unwrap();
    let mut assembled = assemble(&Experiment::read(&file, &[]).unwrap(), &mut NoPlugins, &|_| {}).unwrap();
    let order: Vec<String> = serde_json::from_value(run["task_order"].clone()).unwrap();
    let position = |task: &String| names.iter().position(|name| name == task).unwrap();
    assembled.session.task_order = TaskOrder::given(order.iter().map(position).collect());

    assembled.session.check().unwrap();
    let out = RunFolder::open(&folder.path().join("out")).unwrap();
    let mut recorder = Recorder::default();
    let interrupt = AtomicBool::new(false);
    let end =
        assembled.session.train(&assembled.settings, TrainingState::default(), &out, &mut [&mut recorder], &interrupt);
    assert_eq!(end.unwrap().outcome, Outcome::Finished);

    let checkpoints: Vec<u64> = recorder.checkpoints.iter().map(|report| report.global_step).collect();
    assert_eq!(json!(checkpoints), run["callback_steps"]);
    let expected = run["expected_steps"].as_array().unwrap();
    assert_eq!(recorder.steps.len(), expected.len());
    for (index, (step, expected)) in recorder.steps.iter().zip(expected).enumerate() {
        assert_eq!(step.task.as_ref(), Some(&order[index]));
        for (name, expected) in expected.as_object().unwrap() {
            let (found, expected) = (step.losses[name], expected.as_f64().unwrap());
            let is_near = (found - expected).abs() <= 1e-5 + 1e-4 * expected.abs();
            assert!(is_near, "step {index}, {name}: {found}, recorded is {expected}");
        }
    }
    let weights = common::read_tensors(&recorded.join("student_final/model.safetensors"));
    for (name, tensor) in assembled.session.student.parameters().iter() {
        // In exact arithmetic the gradient of a key's bias is zero, so what moves it is rounding.
        let is_compared = !name.ends_with("attention.self.key.bias");
        assert!(!is_compared || tensor.allclose(&weights[name], 1e-3, 1e-5, false), "{name}");
    }
}
