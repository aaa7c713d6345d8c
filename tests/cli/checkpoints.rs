//! A checkpoint is taken as it was saved, or not at all.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::support::{names_in, read_json};
use crate::workspace::{Workspace, contents, copy_folder};

/// A finished run with projections and checkpoints at the steps 6, 12 and 18.
struct Run {
    workspace: Workspace,
    whole: std::collections::BTreeMap<PathBuf, Vec<u8>>,
}

impl Run {
    fn new() -> Self {
        let mut workspace = Workspace::new().with("training.num_epochs", json!(3));
        workspace.match_through_projection();
        workspace.run();
        let whole = contents(&workspace.path("out"));
        Self { workspace, whole }
    }

    fn checkpoint(&self, step: u64) -> PathBuf {
        self.workspace.path(&format!("out/checkpoints/step-{step}"))
    }

    /// Puts everything back as the run wrote it.
    fn restore(&self) {
        fs::remove_dir_all(self.workspace.path("out")).unwrap();
        for (name, content) in &self.whole {
            let path = self.workspace.path("out").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    /// Resuming names the checkpoint 18 and what is wrong with it, takes the one before, and writes the same again.
    #[track_caller]
    fn takes_the_one_before(&self, expected: &str) {
        let finished = self.workspace.start(&["run", "--resume"]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        let said =
            finished.stderr.lines().find(|line| line.starts_with("warning: the checkpoint step-18 is damaged ("));
        let said = said.unwrap_or_else(|| panic!("{}", finished.stderr));
        assert!(said.contains(expected) && said.ends_with("step-12 is taken instead"), "{said}");
        assert!(finished.stderr.contains("resumes after step 12 of the optimizer"), "{}", finished.stderr);
        assert!(contents(&self.workspace.path("out")) == self.whole);
    }
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_taken() {
    let run = Run::new();
    let last = run.checkpoint(18);
    let files =
        ["config.json", "manifest.json", "model.safetensors", "optimizer.safetensors", "projections.safetensors"];
    assert_eq!(names_in(&last), files);
    for file in files {
        fs::remove_file(last.join(file)).unwrap();
        run.takes_the_one_before(&format!("{file} is missing"));
        fs::write(last.join(file), "").unwrap();
        run.takes_the_one_before(file);
    }
    for file in ["model.safetensors", "optimizer.safetensors", "projections.safetensors"] {
        // The lowest bit of a number.
        let mut flipped = fs::read(last.join(file)).unwrap();
        let at = flipped.len() - 4;
        flipped[at] ^= 1;
        fs::write(last.join(file), flipped).unwrap();
        run.takes_the_one_before(&format!("{file} is sha256:"));
        // The same file of another checkpoint.
        fs::copy(run.checkpoint(12).join(file), last.join(file)).unwrap();
        run.takes_the_one_before(&format!("{file} is sha256:"));
    }
    // One bit of a number in the manifest itself: 18 becomes 19.
    let manifest = fs::read_to_string(last.join("manifest.json")).unwrap();
    assert_eq!(manifest.matches("\"step\": 18").count(), 1);
    fs::write(last.join("manifest.json"), manifest.replace("\"step\": 18", "\"step\": 19")).unwrap();
    run.takes_the_one_before("manifest.json is sha256:");
    fs::remove_dir_all(&last).unwrap();
    copy_folder(&run.checkpoint(12), &last);
    run.takes_the_one_before("manifest.json is that of step-12");
}

#[test]
fn where_no_checkpoint_is_whole_each_is_listed_with_its_reason() {
    let run = Run::new();
    fs::remove_file(run.checkpoint(6).join("projections.safetensors")).unwrap();
    fs::write(run.checkpoint(12).join("optimizer.safetensors"), "torn").unwrap();
    fs::remove_file(run.checkpoint(18).join("manifest.json")).unwrap();
    let before = contents(&run.workspace.path("out"));
    let expected = [
        "cannot resume the run in",
        "step-18 is damaged (manifest.json is missing)",
        "step-12 is damaged (optimizer.safetensors has 4 bytes; it was saved with",
        "step-6 is damaged (projections.safetensors is missing)",
        "without --resume",
    ];
    for arguments in [&["run", "--resume"], &["run", "--resume=must"]] {
        run.workspace.start(arguments).check_failure(2, &expected);
        assert!(contents(&run.workspace.path("out")) == before);
    }
    run.restore();
    fs::remove_file(run.workspace.path("out/run.json")).unwrap();
    run.workspace.start(&["run", "--resume"]).check_failure(2, &["it is not known what it was made of", "run.json"]);
    run.restore();
    run.workspace.write("out/experiment.resolved.json", "{");
    run.workspace
        .start(&["run", "--resume"])
        .check_failure(2, &["of which experiment it is", "experiment.resolved.json"]);
}

#[test]
fn a_manifest_has_every_file_of_its_checkpoint() {
    let run = Run::new();
    for step in [6, 12, 18] {
        let manifest = read_json(&run.checkpoint(step).join("manifest.json"));
        assert_eq!((&manifest["step"], &manifest["global_step"]), (&json!(step), &json!(step)));
        let files = manifest["files"].as_array().unwrap();
        let mut names: Vec<&str> = files.iter().map(|file| file["name"].as_str().unwrap()).collect();
        names.push("manifest.json");
        names.sort_unstable();
        assert_eq!(names, names_in(&run.checkpoint(step)));
        for file in files {
            let content = fs::read(run.checkpoint(step).join(file["name"].as_str().unwrap())).unwrap();
            assert_eq!(file["size"], content.len());
            assert!(file["sha256"].as_str().unwrap().strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64));
        }
    }
}

#[test]
fn an_optimizer_state_that_does_not_fit_is_refused() {
    // The run says of itself that it has another optimizer than the one whose state its checkpoints hold.
    let run = Run::new();
    let sgd = json!({ "name": "sgd", "lr": 1e-3, "momentum": 0.9 });
    let mut resolved = read_json(&run.workspace.path("out/experiment.resolved.json"));
    resolved["optimizer"] = sgd.clone();
    run.workspace.write("out/experiment.resolved.json", resolved.to_string());
    let mut workspace = run.workspace;
    workspace.set("optimizer", sgd);
    let finished = workspace.start(&["run", "--resume"]);
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    assert!(
        finished.stderr.contains("exp_avg") && finished.stderr.contains("what sgd remembers"),
        "{}",
        finished.stderr
    );
}
