//! A run that is killed at any point is resumed to what an unbroken run writes, to the byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::read_json;
use crate::workspace::{Workspace, contents};

/// Something that a run does, seen from outside.
enum Point {
    /// A file or folder is there.
    There(&'static str),
    /// `metrics.jsonl` has so many bytes.
    Metrics(u64),
}

impl Point {
    fn is_reached(&self, out: &Path) -> bool {
        match self {
            Point::There(name) => out.join(name).exists(),
            Point::Metrics(bytes) => {
                fs::metadata(out.join("metrics.jsonl")).is_ok_and(|metadata| metadata.len() >= *bytes)
            }
        }
    }
}

/// Kills a run as soon as it is at a point, unless it ends before.
fn kill_at(child: &mut Child, point: &Point, out: &Path) {
    let start = Instant::now();
    while !point.is_reached(out) && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(120));
        thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn workspace() -> Workspace {
    let mut workspace = Workspace::new().with("training.num_epochs", json!(2)).with("data.shuffle", json!(true));
    workspace.set("training.ckpt_frequency", json!(2));
    workspace.set("data.dev", json!("train.jsonl"));
    workspace.set("distillation.is_caching_logits", json!(true));
    let mut config = read_json(&workspace.path("student/config.json"));
    config["hidden_dropout_prob"] = json!(0.2);
    workspace.write("student/config.json", config.to_string());
    workspace
}

#[test]
fn a_killed_run_is_resumed_to_the_same_bytes() {
    let workspace = workspace();
    workspace.run();
    let out = workspace.path("out");
    let whole = contents(&out);
    let metrics = whole[&PathBuf::from("metrics.jsonl")].len() as u64;
    let points = [
        Point::There("run.lock"),
        Point::There("experiment.resolved.json"),
        Point::Metrics(1),
        Point::There("checkpoints/step-3.partial"),
        Point::There("checkpoints/step-3"),
        Point::Metrics(metrics / 3),
        Point::There("checkpoints/step-6.partial/optimizer.safetensors"),
        Point::There("checkpoints/step-6"),
        Point::Metrics(metrics * 2 / 3),
        Point::There("checkpoints/step-12.partial"),
        Point::Metrics(metrics),
        Point::There("student.partial"),
        Point::There("student.new"),
        Point::There("student"),
    ];
    for start_over in [false, true] {
        // Either one run that is killed again and again, or one that is killed once for each point.
        fs::remove_dir_all(&out).unwrap();
        for point in &points {
            let mut command = workspace.command(&["run", "--resume"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            kill_at(&mut child, point, &out);
            if start_over {
                finish(&workspace, &whole);
                fs::remove_dir_all(&out).unwrap();
            }
        }
        if !start_over {
            finish(&workspace, &whole);
        }
    }
}

/// Resumes the run to its end, which is that of the whole one.
#[track_caller]
fn finish(workspace: &Workspace, whole: &std::collections::BTreeMap<PathBuf, Vec<u8>>) {
    let finished = workspace.start(&["run", "--resume"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let mut found = contents(&workspace.path("out"));
    // Starts that never came to a checkpoint are kept.
    found.retain(|name, _| !name.starts_with("earlier"));
    assert!(found.keys().eq(whole.keys()), "{:?} {:?}", found.keys(), whole.keys());
    for (name, content) in whole {
        assert!(found[name] == *content, "{} differs", name.display());
    }
}

#[test]
fn a_second_run_that_is_killed_loses_nothing_of_the_first() {
    let mut workspace = workspace();
    workspace.run();
    let out = workspace.path("out");
    let first = contents(&out);
    workspace.set("training.seed", json!(7));
    let points = [
        Point::There("earlier"),
        Point::There("earlier/1.partial"),
        Point::There("earlier/1"),
        Point::There("checkpoints/step-6"),
        Point::There("student.partial"),
        Point::There("student.new"),
        Point::There("earlier/1/student"),
    ];
    for point in &points {
        let mut command = workspace.command(&["run"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        kill_at(&mut child, point, &out);
        let mut finished = workspace.start(&["run", "--resume"]);
        if finished.stderr.contains("it is of another experiment") {
            // Nothing was moved yet: the folder is still the first run's.
            let mut found = contents(&out);
            found.retain(|name, _| !name.starts_with("earlier"));
            assert!(found == first);
            finished = workspace.start(&["run"]);
        }
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        assert!(contents(&out.join("earlier/1")) == first);
        assert_eq!(read_json(&out.join("experiment.resolved.json"))["training"]["seed"], 7);
        let (student, last) = (contents(&out.join("student")), contents(&out.join("checkpoints/step-12")));
        // A checkpoint has no description.
        let mut model = student.iter().filter(|(name, _)| *name != Path::new("README.md"));
        assert!(model.all(|(name, content)| last[name] == *content));

        fs::remove_dir_all(&out).unwrap();
        for (name, content) in &first {
            fs::create_dir_all(out.join(name).parent().unwrap()).unwrap();
            fs::write(out.join(name), content).unwrap();
        }
    }
}
