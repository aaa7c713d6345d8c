//! Whole runs of the binary against recorded ones: every loss of every step, the steps of the checkpoints, and the
//! final weights.

#[path = "../support.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{brewer_host, checkpoint_steps, plugin, read_json, read_lines, read_tensors, recorded_run};
use tempfile::TempDir;

/// Two tests for each run: with the built-in adaptor and with the plugin.
macro_rules! runs {
    ($($name:ident),* $(,)?) => { $(
        mod $name {
            #[test]
            fn with_the_built_in_adaptor() {
                super::agrees(stringify!($name), None);
            }

            #[test]
            fn with_the_plugin() {
                super::agrees(stringify!($name), Some(super::plugin("sequence-classification")));
            }
        }
    )* };
}

runs! {
    trainer,
    trainer_sgd_accumulate_clip,
    basic_ce_t8,
    basic_cwsm_num_steps,
    basic_flsw,
    basic_mse_hard_labels,
    basic_shift_weight_schedules,
    basic_token_shift,
    general_all_matches,
    general_hidden_nst,
    general_projection,
    general_token_classification,
    multi_teacher,
}

/// How far a number may be from the recorded one.
struct Tolerance {
    absolute: f64,
    relative: f64,
}

const SCALARS: Tolerance = Tolerance { absolute: 1e-5, relative: 1e-4 };
const WEIGHTS: Tolerance = Tolerance { absolute: 1e-5, relative: 1e-3 };

impl Tolerance {
    fn holds(&self, found: f64, expected: f64) -> bool {
        (found - expected).abs() <= self.absolute + self.relative * expected.abs()
    }
}

/// Runs the experiment that was recorded as `name` and compares all that was recorded of it.
fn agrees(name: &str, plugin: Option<PathBuf>) {
    let recorded = recorded_run(name);
    let run = read_json(&recorded.join("run.json"));
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("experiment.json"), experiment(&recorded, &run).to_string()).unwrap();

    let mut command = brewer_host(folder.path());
    command.arg("run");
    if let Some(plugin) = plugin {
        command.arg("--plugin").arg(plugin);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let out = folder.path().join("out");
    compare_steps(&out.join("metrics.jsonl"), run["expected_steps"].as_array().unwrap());
    let expected: Vec<u64> = serde_json::from_value(run["callback_steps"].clone()).unwrap();
    assert_eq!(checkpoint_steps(&out), expected);
    compare_weights(&out.join("student"), &recorded.join("student_final"));
}

/// The experiment of a recorded run.
fn experiment(recorded: &Path, run: &Value) -> Value {
    let distiller = match run["distiller"].as_str().unwrap() {
        "BasicTrainer" => "trainer",
        "BasicDistiller" => "basic",
        "GeneralDistiller" => "general",
        "MultiTeacherDistiller" => "multi_teacher",
        other => panic!("the distiller {other} is not known"),
    };
    let mut experiment = json!({
        "distiller": distiller,
        "student": { "model": recorded.join("student_init") },
        "data": {
            "train": recorded.join("train.jsonl"),
            "batch_size": run["batch_size"],
            "shuffle": run["shuffle"],
        },
        "optimizer": run["optimizer"],
        "training": run["training_config"],
        "distillation": run["distillation_config"],
    });
    let teachers = run["teachers"].as_array().unwrap().iter();
    let teachers: Vec<Value> =
        teachers.map(|teacher| json!({ "model": recorded.join(teacher.as_str().unwrap()) })).collect();
    match (distiller, teachers.as_slice()) {
        ("multi_teacher", teachers) => experiment["teachers"] = json!(teachers),
        (_, [teacher]) => experiment["teacher"] = teacher.clone(),
        _ => {}
    }
    let projections = recorded.join("projections_init.safetensors");
    if projections.exists() {
        experiment["student"]["projections"] = json!(projections);
    }
    if let Some(warmup) = run["linear_warmup_decay"].as_object() {
        experiment["schedule"] = json!(warmup);
        experiment["schedule"]["name"] = json!("linear");
    }
    let training = &mut experiment["training"];
    training["output_dir"] = json!("out");
    training["device"] = json!("cpu");
    for key in ["max_grad_norm", "num_epochs", "num_steps"] {
        training[key] = run[key].clone();
    }
    experiment
}

fn compare_steps(metrics: &Path, expected: &[Value]) {
    let lines = read_lines(metrics);
    let steps: Vec<&Value> = lines.iter().filter(|line| line.get("total_loss").is_some()).collect();
    assert_eq!(steps.len(), expected.len(), "forward steps");
    for (step, (found, expected)) in steps.iter().zip(expected).enumerate() {
        for (scalar, expected) in expected.as_object().unwrap() {
            let expected = expected.as_f64().unwrap();
            let found = found[scalar].as_f64().unwrap_or_else(|| panic!("step {step}: no {scalar}"));
            assert!(SCALARS.holds(found, expected), "step {step}: {scalar} is {found}, recorded is {expected}");
        }
    }
}

fn compare_weights(student: &Path, recorded: &Path) {
    let found = read_tensors(&student.join("model.safetensors"));
    let expected = read_tensors(&recorded.join("model.safetensors"));
    assert!(found.keys().eq(expected.keys()), "{:?} instead of {:?}", found.keys(), expected.keys());
    // In exact arithmetic their gradient is zero, so what moves them is rounding.
    let compared = expected.iter().filter(|(name, _)| !name.ends_with("attention.self.key.bias"));
    for (name, expected) in compared {
        assert_eq!(found[name].shape, expected.shape, "{name}");
        for (index, (&found, &expected)) in found[name].numbers.iter().zip(&expected.numbers).enumerate() {
            let holds = WEIGHTS.holds(found.into(), expected.into());
            assert!(holds, "{name}, element {index}: {found}, recorded is {expected}");
        }
    }
}
