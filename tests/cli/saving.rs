//! Evaluations on several splits, the best checkpoint, and which checkpoints stay.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{checkpoint_steps, read_lines, read_tensors};
use crate::workspace::{Workspace, contents};

/// A run of three epochs that is evaluated on two splits.
fn workspace() -> Workspace {
    let workspace = Workspace::new().with("training.num_epochs", json!(3));
    let workspace = workspace.with("distillation.hard_label_weight", json!(1));
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    let lines: Vec<&str> = rows.lines().collect();
    let (first, second) = lines.split_at(lines.len() / 2);
    workspace.write("first.jsonl", first.join("\n"));
    workspace.write("second.jsonl", second.join("\n"));
    workspace.with("data.eval", json!({ "first": "first.jsonl", "second": "second.jsonl" }))
}

/// The optimizer step and the value of a metric at each evaluation.
fn evaluations(workspace: &Workspace, metric: &str) -> Vec<(u64, f64)> {
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    lines.iter().filter_map(|line| Some((line.get("evaluation")?.as_u64()?, line.get(metric)?.as_f64()?))).collect()
}

/// The step with the largest value.
fn best(evaluations: &[(u64, f64)]) -> (u64, f64) {
    evaluations.iter().copied().reduce(|best, next| if next.1 > best.1 { next } else { best }).unwrap()
}

#[test]
fn a_student_is_evaluated_on_every_split() {
    let workspace = workspace();
    let checked = workspace.start(&["check", "--json"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
    let names = ["first_loss", "first_accuracy", "second_loss", "second_accuracy"];
    assert_eq!(checked["metrics"], json!(names));
    let splits: Vec<&str> =
        checked["data"].as_array().unwrap().iter().map(|of| of["split"].as_str().unwrap()).collect();
    assert_eq!(splits, ["train", "first", "second"]);
    let finished = workspace.run();
    assert!(finished.stderr.contains("evaluated at checkpoints as second"), "{}", finished.stderr);
    for name in names {
        let steps: Vec<u64> = evaluations(&workspace, name).into_iter().map(|(step, _)| step).collect();
        assert_eq!(steps, [6, 12, 18], "{name}");
    }
    let card = fs::read_to_string(workspace.path("out/student/README.md")).unwrap();
    for part in [
        r#""name":"second.jsonl","type":"second.jsonl","split":"second""#,
        "| first_loss |",
        "| metric | after step 18 |",
    ] {
        assert!(card.contains(part), "`{part}` is not in: {card}");
    }
    // What is saved is what was evaluated.
    for split in ["first", "second"] {
        let finished = workspace.start(&["eval", "--json", "--split", split]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        let found: Value = serde_json::from_str(&finished.stdout).unwrap();
        let (_, loss) = *evaluations(&workspace, &format!("{split}_loss")).last().unwrap();
        assert!((found["loss"].as_f64().unwrap() - loss).abs() < 1e-6, "{split}: {found}, {loss}");
    }
    workspace.start(&["eval"]).check_failure(2, &["--split: missing", "name one: first, second"]);
    workspace.start(&["eval", "--split", "dev"]).check_failure(2, &["there is no split `dev`", "first, second"]);
}

#[test]
fn the_student_is_the_best_and_not_the_last() {
    // The loss falls, so the worst by it is an early one.
    let spec = json!({ "metric": "first_loss", "mode": "max" });
    let workspace = workspace().with("evaluation", json!({ "best": spec }));
    let finished = workspace.start(&["run", "--json"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains("of the best checkpoint by first_loss"), "{}", finished.stderr);
    let (step, value) = best(&evaluations(&workspace, "first_loss"));
    assert_ne!(step, 18);
    let expected = json!({ "metric": "first_loss", "value": value, "global_step": step });
    let printed: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(printed["best"], expected);
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    assert_eq!(lines.last().unwrap(), &json!({ "end": "finished", "global_step": 18, "best": expected }));

    let checkpoint = |step: u64| workspace.path(&format!("out/checkpoints/step-{step}"));
    let student = contents(&workspace.path("out/student"));
    assert!(student.keys().eq([Path::new("README.md"), Path::new("config.json"), Path::new("model.safetensors")]));
    let saved = contents(&checkpoint(step));
    assert!(student.iter().all(|(name, content)| name.ends_with("README.md") || saved[name] == *content));
    let weights = |folder: &Path| read_tensors(&folder.join("model.safetensors"));
    assert!(weights(&workspace.path("out/student")) != weights(&checkpoint(18)));
    let card = String::from_utf8(student[Path::new("README.md")].clone()).unwrap();
    assert!(
        card.contains(&format!("after step {step} |")) && card.contains(&format!("| first_loss | {value:.4} |")),
        "{card}"
    );
    // People are told, too.
    fs::remove_dir_all(workspace.path("out")).unwrap();
    let said = workspace.run().stdout;
    assert!(said.contains(&format!("the best by first_loss ({value:.4} after step {step})")), "{said}");
}

#[test]
fn the_best_and_the_last_checkpoints_stay() {
    let mut workspace = workspace().with("training.save", json!({ "keep_last": 1 }));
    workspace.run();
    assert_eq!(checkpoint_steps(&workspace.path("out")), [18]);
    workspace.set("evaluation", json!({ "best": { "metric": "first_loss", "mode": "max" } }));
    workspace.run();
    let (step, _) = best(&evaluations(&workspace, "first_loss"));
    assert_eq!(checkpoint_steps(&workspace.path("out")), [step, 18]);
    workspace.set("training.save", json!({ "keep_best": 2 }));
    workspace.set("evaluation.every", json!(2));
    workspace.run();
    let all = evaluations(&workspace, "first_loss");
    assert_eq!(all.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [2, 4, 6, 8, 10, 12, 14, 16, 18]);
    let steps = checkpoint_steps(&workspace.path("out"));
    assert!(steps.len() <= 3 && steps.contains(&best(&all).0) && steps.contains(&18), "{steps:?}, {all:?}");
}

/// A run of two epochs becomes one of three, which is that of three to the byte: the best so far comes from the checkpoint.
#[test]
fn a_run_with_a_best_checkpoint_is_resumed_to_the_same_bytes() {
    let mut workspace = workspace().with("training.save", json!({ "keep_last": 1 }));
    workspace.set("evaluation", json!({ "every": 4, "best": { "metric": "first_loss", "mode": "max" } }));
    workspace.run();
    let whole = contents(&workspace.path("out"));
    let (step, _) = best(&evaluations(&workspace, "first_loss"));
    assert!(step <= 12, "the best one comes before the run is resumed");
    fs::remove_dir_all(workspace.path("out")).unwrap();
    workspace.set("training.num_epochs", json!(2));
    workspace.run();
    workspace.set("training.num_epochs", json!(3));
    let finished = workspace.start(&["run", "--resume=must"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains("resumes after step 12"), "{}", finished.stderr);
    let found = contents(&workspace.path("out"));
    assert!(found.keys().eq(whole.keys()), "{:?} {:?}", found.keys(), whole.keys());
    for (name, content) in &whole {
        assert!(found[name] == *content, "{} differs", name.display());
    }

    // Which checkpoints stay may change on the way; which one is the best may not.
    workspace.set("training.save", json!({ "keep_last": 2 }));
    let finished = workspace.start(&["run", "--resume=must"]);
    assert!(
        finished.stderr.contains("`training.save.keep_last` is 2 and was 1 when the run began"),
        "{}",
        finished.stderr
    );
    workspace.set("evaluation.best", json!("second_loss"));
    workspace.start(&["run", "--resume"]).check_failure(2, &["`evaluation.best` is \"second_loss\" and was"]);
}

#[test]
fn a_best_checkpoint_that_is_damaged_is_named() {
    let workspace = workspace().with("evaluation", json!({ "best": { "metric": "first_loss", "mode": "max" } }));
    workspace.run();
    let (step, _) = best(&evaluations(&workspace, "first_loss"));
    fs::remove_dir_all(workspace.path("out/student")).unwrap();
    let weights = workspace.path(&format!("out/checkpoints/step-{step}/model.safetensors"));
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let expected =
        [&format!("the best checkpoint {}", weights.parent().unwrap().display()), "model.safetensors is sha256:"];
    workspace.start(&["run", "--resume"]).check_failure(2, &expected);
    assert!(!workspace.path("out/student").exists() && !workspace.path("out/student.partial").exists());
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_trained() {
    let mut workspace = workspace();
    let plain: String = read_lines(&workspace.path("train.jsonl"))
        .into_iter()
        .map(|mut row| {
            row.as_object_mut().unwrap().remove("labels").unwrap();
            format!("{row}\n")
        })
        .collect();
    workspace.write("plain.jsonl", plain);
    workspace.set("data.eval.plain", json!("plain.jsonl"));
    let best = |metric: &str| json!({ "evaluation": { "best": metric } });
    let save = |save: Value| json!({ "training": { "save": save } });
    for (change, expected) in [
        (best("first_acuracy"), "evaluation.best is `first_acuracy` (did you mean `first_accuracy`?); expected one of"),
        (best("plain_loss"), "the split `plain` has no labels"),
        (save(json!({ "keep_last": 0 })), "training.save.keep_last: 0 checkpoints"),
        (save(json!({ "keep_best": 1 })), "training.save.keep_best: which checkpoints are the best is not known"),
        (json!({ "data": { "dev": "first.jsonl", "eval": { "dev": "second.jsonl" } } }), "both name the split `dev`"),
    ] {
        let before = workspace.experiment.clone();
        for (part, keys) in change.as_object().unwrap() {
            for (key, value) in keys.as_object().unwrap() {
                workspace.experiment[part][key] = value.clone();
            }
        }
        for command in ["check", "run"] {
            workspace.refuses_to(&[command], &[expected]);
        }
        workspace.experiment = before;
    }
}
