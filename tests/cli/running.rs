//! What goes wrong while a run is under way: exit code 1, and nothing half-written.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::support::{names_in, plugin, read_json, read_lines, read_tensors, write_tensors};
use crate::workspace::{Finished, Workspace, contents};

#[test]
fn a_loss_that_is_not_finite_names_the_step_and_the_part() {
    let mut workspace = Workspace::new();
    workspace.run();
    let earlier = contents(&workspace.path("out"));
    workspace.set("optimizer", json!({ "name": "sgd", "lr": 1e30 }));
    workspace.set("distillation.hard_label_weight", json!(1));
    let finished = workspace.start(&["run"]);
    finished.check_failure(1, &["step 1: unweighted_", "_loss is ", "learning rate", "max_grad_norm"]);
    assert_eq!(read_lines(&workspace.path("out/metrics.jsonl")).len(), 2);
    assert!(workspace.earlier_results() == earlier);
}

#[test]
fn a_disk_that_fills_leaves_no_half_checkpoint() {
    let mut workspace = Workspace::new();
    workspace.run();
    let earlier = contents(&workspace.path("out"));
    workspace.set("training.seed", json!(7));
    // No file may grow beyond 20 to 40 KB (shells count in different blocks); the weights have 57.
    let command = workspace.command(&["run"]);
    let output = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 40; exec "$0" "$@""#])
        .arg(command.get_program())
        .args(command.get_args())
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(workspace.path(""))
        .output()
        .unwrap();
    Finished::new(output).check_failure(1, &["cannot write", "out/checkpoints/step-6", "model.safetensors", "large"]);
    assert_eq!(names_in(&workspace.path("out/checkpoints")), [""; 0]);
    assert_eq!(read_lines(&workspace.path("out/metrics.jsonl")).len(), 7);
    assert!(workspace.earlier_results() == earlier);
}

#[test]
fn an_output_folder_that_cannot_be_is_named() {
    let workspace = Workspace::new();
    workspace.write("out", "a file of mine");
    workspace.start(&["run"]).check_failure(1, &["cannot write", "out: a file of that name exists"]);
    assert_eq!(fs::read(workspace.path("out")).unwrap(), b"a file of mine");
}

#[test]
fn a_gradient_that_is_not_finite_names_the_part_and_the_plugin() {
    let refuses = |workspace: &Workspace, expected: &[&str]| {
        let finished = workspace.start(&["run"]);
        let all = [&["step 0: the norm of the gradient is ", "Nothing was changed", "parameters: "], expected].concat();
        finished.check_failure(1, &all);
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
        assert!(!workspace.path("out/checkpoints").exists() && !workspace.path("out/student").exists());
        assert_eq!(read_lines(&workspace.path("out/metrics.jsonl")).len(), 1, "the start alone");
    };
    let root = json!({ "path": plugin("guest-roles"), "config": { "do": "root-of-zero" } });
    for max_grad_norm in [-1, 1] {
        let mut workspace = Workspace::new().with("distillation.kd_loss_type", json!("plugin:mine"));
        workspace.set("training.max_grad_norm", json!(max_grad_norm));
        workspace.set("plugins", json!({ "losses": { "mine": root } }));
        let from = "it comes from unweighted_kd_loss (plugin:mine, temperature 4), in the backward of the loss itself";
        refuses(&workspace, &["NaN", from, "bert.embeddings.word_embeddings.weight, "]);
    }

    let mut workspace = Workspace::new().with("training.gradient_accumulation_steps", json!(2));
    workspace.set("plugins", json!({ "adaptor": root }));
    refuses(&workspace, &["NaN", "unweighted_kd_loss (ce, temperature 4), in the backward of plugin guest-roles.wasm"]);

    // Hidden states so large that the gradient of what multiplies them has no norm in float32.
    let workspace = Workspace::new();
    let path = workspace.path("student/model.safetensors");
    let mut weights = read_tensors(&path);
    let mut scale = |name: &str, factor: f32| {
        weights.get_mut(name).unwrap().numbers.iter_mut().for_each(|number| *number *= factor);
    };
    scale("bert.encoder.layer.1.output.LayerNorm.weight", 1e25);
    scale("bert.encoder.layer.1.output.LayerNorm.bias", 1e25);
    scale("bert.pooler.dense.weight", 1e-25);
    write_tensors(&path, &weights);
    let from = "it comes from unweighted_kd_loss (ce, temperature 4), in the backward of the student";
    refuses(&workspace, &["inf", from, "the gradient of 1 of ", "bert.pooler.dense.weight"]);
}

#[test]
fn memory_that_runs_out_is_said_with_the_batch() {
    const EXAMPLES: usize = 220;
    let mut workspace = Workspace::new().with("data.batch_size", json!(EXAMPLES));
    workspace.set("data.shuffle", json!(false));
    let mut config = read_json(&workspace.path("student/config.json"));
    config["hidden_size"] = json!(3);
    config["intermediate_size"] = json!(200_000);
    workspace.write("wide.json", config.to_string());
    workspace.set("student", json!({ "config": "wide.json" }));
    // A batch of one token each, and one whose longest layer takes 220 x 32 x 200,000 numbers: 5.6 GB.
    let row = |tokens: usize| json!({ "input_ids": vec![5; tokens], "labels": 1 }).to_string() + "\n";
    workspace.write("train.jsonl", row(1).repeat(EXAMPLES) + &row(32).repeat(EXAMPLES));
    let command = workspace.command(&["run"]);
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -v 4500000; exec "$0" "$@""#])
        .arg(command.get_program())
        .args(command.get_args())
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(workspace.path(""))
        .output()
        .unwrap();
    let finished = Finished::new(output);
    let expected = ["step 1: memory ran out (", "with a batch of 220 examples of 32 tokens; lower data.batch_size"];
    finished.check_failure(1, &expected);
    assert!(!finished.stderr.contains("frame #"), "{}", finished.stderr);
}
