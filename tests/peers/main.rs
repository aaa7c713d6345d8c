//! What others make of Brewer's results. Runs where Python has transformers; elsewhere it says so and passes.

#[path = "../support.rs"]
mod support;

use std::process::Command;

use brewer::model::{LoadOptions, load};
use brewer::{Batch, Device, OutputRequest, Pass};
use serde_json::json;
use tch::Tensor;

/// Loads the folder `sys.argv[1]` as transformers does, and prints what it warns of and the logits of two rows.
const SCRIPT: &str = r#"
import json, sys, torch, transformers
model, info = transformers.AutoModelForSequenceClassification.from_pretrained(sys.argv[1], output_loading_info=True)
model.eval()
rows = json.loads(sys.argv[2])
with torch.no_grad():
    logits = model(**{name: torch.tensor(row) for name, row in rows.items()}).logits
print(json.dumps({"logits": logits.tolist(), "info": {key: sorted(map(str, value)) for key, value in info.items()}}))
"#;

/// The Python to ask; `BREWER_PEER_PYTHON` names another one.
fn python() -> Command {
    Command::new(std::env::var("BREWER_PEER_PYTHON").unwrap_or_else(|_| "python3".into()))
}

#[test]
fn transformers_loads_a_student_and_computes_the_same_logits() {
    let found = python().args(["-c", "import transformers, torch"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        println!("left out: Python has no transformers here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = support::recorded_run("basic_ce_t8");
    let experiment = json!({
        "distiller": "basic",
        "teacher": { "model": run.join("teacher_0") },
        "student": { "model": run.join("student_init") },
        "data": { "train": run.join("train.jsonl"), "batch_size": 4 },
        "training": { "num_epochs": 1, "output_dir": "out" }
    });
    std::fs::write(folder.path().join("experiment.json"), experiment.to_string()).unwrap();
    let output = support::brewer_host(folder.path()).arg("run").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let student = folder.path().join("out/student");

    let rows = json!({
        "input_ids": [[5, 9, 31, 7, 2, 44], [17, 3, 8, 0, 0, 0]],
        "attention_mask": [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]],
        "token_type_ids": [[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]]
    });
    let output = python().args(["-c", SCRIPT]).arg(&student).arg(rows.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for (problem, names) in said["info"].as_object().unwrap() {
        assert!(names.as_array().unwrap().is_empty(), "transformers found {problem}: {names}");
    }

    let model = load(&student, &LoadOptions::frozen(Device::Cpu)).unwrap().model;
    let tensor = |row: &serde_json::Value| {
        let numbers: Vec<Vec<i64>> = serde_json::from_value(row.clone()).unwrap();
        Tensor::from_slice2(&numbers)
    };
    let batch: Batch = rows.as_object().unwrap().iter().map(|(name, row)| (name.as_str(), tensor(row))).collect();
    let everything = OutputRequest::everything();
    let mut pass = Pass::evaluation(&everything);
    tch::no_grad(|| model.forward(&batch, &mut pass)).unwrap();
    let outputs = pass.into_outputs();
    let theirs: Vec<Vec<f32>> = serde_json::from_value(said["logits"].clone()).unwrap();
    let ours = outputs.tensor("logits").unwrap();
    assert!(ours.allclose(&Tensor::from_slice2(&theirs), 1e-5, 1e-6, false), "{ours} and {theirs:?}");
}
