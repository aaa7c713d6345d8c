//! What goes wrong while a run is under way: exit code 1, or 130 after Ctrl-C, and nothing half-written.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{checkpoint_steps, names_in, read_lines, read_tensors};
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
    assert_eq!(read_lines(&workspace.path("out/metrics.jsonl")).len(), 1);
    assert!(!workspace.path("out/student").exists());
    assert!(contents(&workspace.path("out/earlier/1")) == earlier);
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
    assert!(!workspace.path("out/student").exists());
    assert_eq!(read_lines(&workspace.path("out/metrics.jsonl")).len(), 6);
    assert!(contents(&workspace.path("out/earlier/1")) == earlier);
}

#[test]
fn an_output_folder_that_cannot_be_is_named() {
    let workspace = Workspace::new();
    workspace.write("out", "a file of mine");
    workspace.start(&["run"]).check_failure(1, &["cannot write", "out: a file of that name exists"]);
    assert_eq!(fs::read(workspace.path("out")).unwrap(), b"a file of mine");
}

#[test]
fn after_ctrl_c_every_checkpoint_is_whole() {
    let workspace = Workspace::new().with("training.num_epochs", json!(100_000));
    let out = workspace.path("out");
    let mut command = workspace.command(&["run"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&out.join("checkpoints/step-12/model.safetensors"));
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let finished = Finished::new(child.wait_with_output().unwrap());
    assert_eq!(finished.code, 130, "{}", finished.stderr);
    assert!(finished.stderr.contains("interrupted after step "), "{}", finished.stderr);

    assert!(!out.join("student").exists());
    let steps = checkpoint_steps(&out);
    let expected = read_tensors(&workspace.path("student/model.safetensors"));
    for step in &steps {
        let found = read_tensors(&out.join(format!("checkpoints/step-{step}/model.safetensors")));
        assert!(found.keys().eq(expected.keys()), "step {step}");
    }
    let last = format!("out/checkpoints/step-{}", steps.last().unwrap());
    let finished = workspace.start(&["eval", "--model", &last, "--data", "train.jsonl", "--json"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
}

/// Waits until a file is there, for as long as the slowest machine may take.
fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "{} never came", path.display());
        thread::sleep(Duration::from_millis(5));
    }
}
