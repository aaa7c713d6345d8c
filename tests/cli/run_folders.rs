//! The folder of a run has one writer, and keeps what runs before it wrote.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::support::names_in;
use crate::workspace::{Workspace, contents, wait_for};

#[test]
fn a_second_run_into_the_folder_is_told_who_writes_it() {
    let workspace = Workspace::new().with("training.num_epochs", json!(100_000));
    let mut command = workspace.command(&["run"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&workspace.path("out/checkpoints/step-6"));
    let holder = format!("process {} on ", child.id());
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let expected = ["out is the folder of a run that is under way", &holder, host.trim(), " since 20", "output_dir"];
    for arguments in [&["run"][..], &["run", "--resume"]] {
        let finished = workspace.start(arguments);
        finished.check_failure(2, &expected);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // A lock ends with its process, though its file is still there.
    assert!(workspace.path("out/run.lock").exists());
    let mut workspace = workspace;
    workspace.set("training.num_epochs", json!(1));
    workspace.run();
    assert!(!workspace.path("out/run.lock").exists());
}

#[test]
fn a_run_that_is_refused_leaves_no_folder() {
    let mut workspace = Workspace::new().with("training.output_dir", json!("runs/of/mine"));
    workspace.set("teacher.model", json!("nowhere"));
    let finished = workspace.start(&["run"]);
    finished.check_failure(2, &["nowhere"]);
    assert!(!workspace.path("runs").exists());
}

#[test]
fn a_student_stays_until_the_next_is_there_and_goes_to_its_own_run() {
    let mut workspace = Workspace::new();
    workspace.run();
    let first = contents(&workspace.path("out"));
    // Two runs that fail, and one that does not.
    workspace.set("optimizer", json!({ "name": "sgd", "lr": 1e30 }));
    for number in [1, 2] {
        workspace.start(&["run"]).check_failure(1, &["step 1"]);
        assert!(workspace.earlier_results() == first);
        assert_eq!(names_in(&workspace.path("out/earlier")).len(), number);
    }
    assert_eq!(names_in(&workspace.path("out/earlier/2")), ["experiment.resolved.json", "metrics.jsonl", "run.json"]);
    workspace.set("optimizer", json!({ "name": "sgd", "lr": 1e-3 }));
    workspace.run();
    assert!(contents(&workspace.path("out/earlier/1")) == first);
    assert_eq!(names_in(&workspace.path("out/earlier")), ["1", "2", "3"]);
    let second = contents(&workspace.path("out/student"));
    workspace.run();
    assert!(contents(&workspace.path("out/earlier/4/student")) == second);
}

#[test]
fn a_run_that_ended_while_it_moved_earlier_results_never_mixes_with_them() {
    let mut workspace = Workspace::new();
    workspace.run();
    let first = contents(&workspace.path("out"));
    // The next run came so far: the checkpoints are on their way, the rest is in its place.
    fs::create_dir_all(workspace.path("out/earlier/1.partial")).unwrap();
    fs::rename(workspace.path("out/checkpoints"), workspace.path("out/earlier/1.partial/checkpoints")).unwrap();
    workspace.set("training.seed", json!(7));
    let finished = workspace.start(&["run", "--resume"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains("there is no checkpoint to resume from"), "{}", finished.stderr);
    assert_eq!(names_in(&workspace.path("out/earlier")), ["1"]);
    assert!(contents(&workspace.path("out/earlier/1")) == first);
}

#[test]
fn a_student_that_is_whole_is_put_in_its_place() {
    let mut workspace = Workspace::new();
    workspace.run();
    let first = contents(&workspace.path("out"));
    workspace.set("training.seed", json!(7));
    workspace.run();
    let second = contents(&workspace.path("out"));
    let [out, student, new] = ["out", "out/student", "out/student.new"].map(|name| workspace.path(name));
    // The run ended before the first student was moved, and after it.
    for is_moved in [false, true] {
        fs::rename(&student, &new).unwrap();
        if !is_moved {
            fs::rename(out.join("earlier/1/student"), &student).unwrap();
        }
        fs::write(out.join("earlier/1/student.pending"), "").unwrap();
        let finished = workspace.start(&["run", "--resume"]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        assert!(contents(&out) == second);
        assert!(contents(&out.join("earlier/1")) == first);
    }
}
