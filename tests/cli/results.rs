//! What a run writes.

use std::fs;

use serde_json::json;

use crate::support::{checkpoint_steps, names_in, read_json, read_lines, read_tensors};
use crate::workspace::{Finished, Workspace, contents};

#[test]
fn a_run_writes_one_folder() {
    let workspace = Workspace::new().with("training.ckpt_frequency", json!(2));
    let finished = workspace.run();
    assert!(finished.stdout.starts_with("student in out/student, trained in "), "{}", finished.stdout);
    let out = workspace.path("out");
    let written =
        ["checkpoints", "experiment.resolved.json", "metrics.jsonl", "provenance.json", "run.json", "student"];
    assert_eq!(names_in(&out), written);
    assert_eq!(checkpoint_steps(&out), [3, 6]);
    assert_eq!(names_in(&out.join("student")), ["README.md", "config.json", "model.safetensors"]);
    for step in [3, 6] {
        let names = names_in(&out.join(format!("checkpoints/step-{step}")));
        assert_eq!(names, ["config.json", "manifest.json", "model.safetensors", "optimizer.safetensors"]);
    }
    let steps = read_lines(&out.join("metrics.jsonl"));
    assert_eq!(steps.iter().filter(|line| line.get("total_loss").is_some()).count(), 6);
    // The last checkpoint is the student.
    let student = read_tensors(&out.join("student/model.safetensors"));
    assert!(student == read_tensors(&out.join("checkpoints/step-6/model.safetensors")));
    assert!(student != read_tensors(&workspace.path("student/model.safetensors")));
}

#[test]
fn the_resolved_experiment_runs_the_same() {
    let workspace = Workspace::new();
    workspace.run();
    let first = contents(&workspace.path("out"));
    let config = workspace.path("out/experiment.resolved.json");
    let resolved = workspace.path("resolved.json");
    fs::copy(config, &resolved).unwrap();
    let finished = workspace.start(&["run", "--config", "resolved.json"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(contents(&workspace.path("out/earlier/1")) == first);
    fs::remove_dir_all(workspace.path("out/earlier")).unwrap();
    assert!(contents(&workspace.path("out")) == first);
}

#[test]
fn the_resolved_experiment_runs_from_its_folder_and_from_elsewhere() {
    // The run is started in the folder of its experiment, under whose name alone the file is found.
    let workspace = Workspace::new();
    workspace.run();
    let first = contents(&workspace.path("out"));
    for folder in ["", "out", "student"] {
        let mut command = workspace.command(&["run", "--config"]);
        command.arg(workspace.path("out/experiment.resolved.json")).current_dir(workspace.path(folder));
        let finished = Finished::new(command.output().unwrap());
        assert_eq!(finished.code, 0, "in `{folder}`: {}", finished.stderr);
        fs::remove_dir_all(workspace.path("out/earlier")).unwrap();
        assert!(contents(&workspace.path("out")) == first, "in `{folder}`");
    }
}

#[test]
fn a_second_run_keeps_the_first() {
    let mut workspace = Workspace::new();
    workspace.run();
    let first = contents(&workspace.path("out"));
    workspace.set("training.seed", json!(7));
    let finished = workspace.run();
    assert!(finished.stderr.contains("out/earlier/1"), "{}", finished.stderr);
    assert!(contents(&workspace.path("out/earlier/1")) == first);
    workspace.run();
    assert!(contents(&workspace.path("out/earlier/1")) == first);
    assert_eq!(names_in(&workspace.path("out/earlier")), ["1", "2"]);
    assert_eq!(read_json(&workspace.path("out/earlier/2/experiment.resolved.json"))["training"]["seed"], 7);
}

#[test]
fn a_student_and_a_checkpoint_are_models_again() {
    let mut workspace = Workspace::new();
    workspace.run();
    workspace.set("training.output_dir", json!("again"));
    for folder in ["out/student", "out/checkpoints/step-6"] {
        workspace.set("student.model", json!(folder));
        workspace.set("teacher.model", json!(folder));
        workspace.run();
    }
}

#[test]
fn a_student_may_be_made_of_layers_or_of_a_config() {
    let students = [
        json!({ "init": { "from": "teacher", "layers": [0, 3] } }),
        json!({ "init": { "from": "student", "layers": [1] } }),
        json!({ "config": "student/config.json" }),
    ];
    for (student, layers) in students.into_iter().zip([2, 1, 2]) {
        let workspace = Workspace::new().with("student", student);
        workspace.run();
        assert_eq!(read_json(&workspace.path("out/student/config.json"))["num_hidden_layers"], layers);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed: u64| {
        let workspace = Workspace::new().with("training.seed", json!(seed));
        let mut config = read_json(&workspace.path("student/config.json"));
        config["hidden_dropout_prob"] = json!(0.1);
        config["attention_probs_dropout_prob"] = json!(0.1);
        workspace.write("student/config.json", config.to_string());
        workspace.run();
        let read = |name| fs::read(workspace.path(name)).unwrap();
        (read("out/metrics.jsonl"), read("out/student/model.safetensors"))
    };
    let first = run(1);
    assert!(first == run(1));
    let other = run(2);
    assert!(first.0 != other.0 && first.1 != other.1);
}

#[test]
fn dropout_and_order_follow_the_seed_each() {
    // Without shuffling, only dropout can tell two seeds apart; without dropout, only shuffling can.
    let losses = |seed: u64, shuffle: bool, dropout: f64| {
        let workspace = Workspace::new().with("training.seed", json!(seed)).with("data.shuffle", json!(shuffle));
        let mut config = read_json(&workspace.path("student/config.json"));
        config["hidden_dropout_prob"] = json!(dropout);
        workspace.write("student/config.json", config.to_string());
        workspace.run();
        fs::read(workspace.path("out/metrics.jsonl")).unwrap()
    };
    assert!(losses(1, false, 0.0) == losses(2, false, 0.0));
    assert!(losses(1, false, 0.1) != losses(2, false, 0.1));
    assert!(losses(1, true, 0.0) != losses(2, true, 0.0));
}

#[test]
fn weights_that_are_not_finite_are_not_saved() {
    let mut workspace = Workspace::new();
    workspace.remove("training");
    workspace.set("training", json!({ "num_steps": 1, "output_dir": "out", "device": "cpu" }));
    workspace.set("optimizer.lr", json!(1e39));
    let finished = workspace.start(&["run"]);
    finished.check_failure(1, &["after step 1 of the optimizer", "not finite", "`optimizer.lr`"]);
    assert!(!workspace.path("out/student").exists() && !workspace.path("out/checkpoints/step-1").exists());
    // A gradient that is exactly 0, of a word that is not in the batch, would be divided by 0.
    workspace.set("optimizer.eps", json!(0));
    workspace.refuses(&["optimizer.eps is 0; expected a positive number"]);
}
