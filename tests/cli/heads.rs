//! Several tasks with other classes: a student with a head for each.

use std::fs;

use serde_json::{Value, json};

use crate::classes::name_classes;
use crate::support::{Weights, names_in, read_json, read_lines, read_tensors, recorded_run, write_tensors};
use crate::workspace::{Workspace, contents, copy_folder};

/// `reviews`, three classes of an example, and `tags`, five classes of a token, with a teacher each and a student of the
/// sequence classifier's body.
fn workspace() -> Workspace {
    let mut workspace = Workspace::new();
    let tokens = recorded_run("general_token_classification");
    copy_folder(&tokens.join("teacher_0"), &workspace.path("tagger"));
    fs::copy(tokens.join("train.jsonl"), workspace.path("tags.jsonl")).unwrap();
    name_classes(&workspace, "teacher", &["negative", "neutral", "positive"]);
    name_classes(&workspace, "tagger", &["none", "person", "place", "firm", "other"]);
    workspace.remove("teacher");
    workspace.remove("data");
    workspace.set("distiller", json!("multi_task"));
    workspace.set("student", json!({ "model": "student", "heads": "by_task" }));
    let task = |teacher: &str, file: &str| {
        let data = json!({ "train": file, "dev": file, "batch_size": 4 });
        json!({ "teacher": { "model": teacher }, "data": data })
    };
    workspace.set("tasks", json!({ "reviews": task("teacher", "train.jsonl"), "tags": task("tagger", "tags.jsonl") }));
    workspace.set("distillation", json!({ "temperature": 2, "hard_label_weight": 1 }));
    workspace
        .set("training", json!({ "num_steps": 40, "ckpt_steps": 20, "tau": 0, "output_dir": "out", "device": "cpu" }));
    workspace
}

/// The value of a metric at each checkpoint.
fn at_checkpoints(workspace: &Workspace, metric: &str) -> Vec<f64> {
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    lines.iter().filter_map(|line| line.get(metric)?.as_f64()).collect()
}

fn evaluated(workspace: &Workspace, arguments: &[&str]) -> Value {
    let finished = workspace.start(&[&["eval", "--json"], arguments].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap()
}

fn weights(workspace: &Workspace, folder: &str) -> std::collections::BTreeMap<String, Weights> {
    read_tensors(&workspace.path(folder).join("model.safetensors"))
}

fn is_of_head(name: &str) -> bool {
    name.starts_with("classifier")
}

#[test]
fn each_task_trains_its_head_and_all_train_the_body() {
    let workspace = workspace();
    let finished = workspace.run();
    for expected in [
        "student of reviews",
        "student of tags",
        "of reviews: new, with random weights: classifier.weight, classifier.bias",
    ] {
        assert!(finished.stderr.contains(expected), "`{expected}` is not in: {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("matched by index"), "{}", finished.stderr);

    for task in ["reviews", "tags"] {
        let losses = at_checkpoints(&workspace, &format!("{task}_dev_loss"));
        assert!(losses.len() == 2 && losses[1] < losses[0], "{task}: {losses:?}");
        // What is saved is what was evaluated, as its own task.
        let found = evaluated(&workspace, &["--model", &format!("out/student/{task}")]);
        assert!((found["loss"].as_f64().unwrap() - losses[1]).abs() < 1e-6, "{task}: {found}, {losses:?}");
        assert!(found["accuracy"].as_f64().unwrap() > 0.0, "{found}");
    }
    let finished = workspace.start(&["eval"]);
    finished.check_failure(2, &["--task: missing", "name one: reviews, tags"]);
    let loss = |arguments: &[&str]| evaluated(&workspace, arguments)["loss"].clone();
    assert_eq!(loss(&["--task", "tags"]), loss(&["--model", "out/student/tags"]));

    let config = |task: &str| read_json(&workspace.path(&format!("out/student/{task}/config.json")));
    assert_eq!(config("reviews")["architectures"], json!(["BertForSequenceClassification"]));
    assert_eq!(config("reviews")["id2label"]["2"], "positive");
    assert_eq!(config("reviews")["problem_type"], "single_label_classification");
    assert_eq!(config("tags")["architectures"], json!(["BertForTokenClassification"]));
    assert_eq!(config("tags")["id2label"]["4"], "other");

    // One body, moved by both tasks, and two heads.
    let (reviews, tags) = (weights(&workspace, "out/student/reviews"), weights(&workspace, "out/student/tags"));
    let before = weights(&workspace, "student");
    assert!(tags.len() < reviews.len(), "a head over tokens has no pooler");
    for (name, own) in &tags {
        match is_of_head(name) {
            true => assert_ne!(own.shape, reviews[name].shape, "{name}"),
            false => assert_eq!(own, &reviews[name], "{name}"),
        }
    }
    let words = "bert.embeddings.word_embeddings.weight";
    assert_ne!(reviews[words], before[words]);

    let checkpoint = workspace.path("out/checkpoints/step-40");
    assert_eq!(names_in(&checkpoint), ["manifest.json", "optimizer.safetensors", "reviews", "tags"]);
    let optimizer = read_tensors(&checkpoint.join("optimizer.safetensors"));
    for name in [words, "heads.reviews.classifier.weight", "heads.tags.classifier.bias"] {
        assert!(optimizer.contains_key(&format!("{name}.exp_avg")), "{name}: {:?}", optimizer.keys());
    }
    let manifest = read_json(&checkpoint.join("manifest.json"));
    let files = manifest["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap());
    assert!(files.clone().any(|name| name == "tags/model.safetensors"), "{:?}", files.collect::<Vec<_>>());
}

#[test]
fn a_run_resumes_to_the_same_bytes() {
    let mut workspace = workspace();
    workspace.match_through_projection();
    workspace.run();
    let whole = contents(&workspace.path("out"));
    let take_back = || {
        for gone in ["out/checkpoints/step-40", "out/student"] {
            fs::remove_dir_all(workspace.path(gone)).unwrap();
        }
        let lines = fs::read_to_string(workspace.path("out/metrics.jsonl")).unwrap();
        let end = lines.find(r#""checkpoint""#).unwrap();
        let end = end + lines[end..].find('\n').unwrap() + 1;
        fs::write(workspace.path("out/metrics.jsonl"), &lines[..end]).unwrap();
    };
    take_back();
    let finished = workspace.start(&["run", "--resume=must"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains("resumes after step 20"), "{}", finished.stderr);
    assert!(contents(&workspace.path("out")) == whole);

    // A damaged head of a checkpoint is found.
    fs::write(workspace.path("out/checkpoints/step-40/tags/config.json"), "{}").unwrap();
    let finished = workspace.start(&["run", "--resume"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let said = "step-40 is damaged (tags/config.json has 2 bytes";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    assert!(contents(&workspace.path("out")) == whole);

    // So is a student that changed under the run that began with it.
    copy_folder(&workspace.path("out/student"), &workspace.path("start"));
    workspace.set("student.model", json!("start"));
    workspace.set("training.output_dir", json!("second"));
    workspace.run();
    change_word(&workspace, "start/tags");
    change_word(&workspace, "start/reviews");
    fs::remove_dir_all(workspace.path("second/student")).unwrap();
    let finished = workspace.start(&["run", "--resume"]);
    finished.check_failure(2, &["what it reads has changed", "reviews/model.safetensors of `student.model`"]);
}

#[test]
fn a_saved_student_is_read_back_and_gets_further_heads() {
    let mut workspace = workspace();
    workspace.run();
    copy_folder(&workspace.path("out/student"), &workspace.path("start"));
    workspace.set("student.model", json!("start"));
    let task = workspace.experiment["tasks"]["tags"].clone();
    workspace.set("tasks.again", task);
    workspace.set("training.num_steps", json!(1));
    workspace.set("training.ckpt_steps", json!(1));
    workspace.set("optimizer.lr", json!(0.0));
    let finished = workspace.run();
    assert!(
        finished.stderr.contains("of again: new, with random weights: classifier.weight, classifier.bias\n"),
        "{}",
        finished.stderr
    );
    for task in ["reviews", "tags"] {
        assert!(finished.stderr.contains(&format!("of {task}: as it was saved\n")), "{}", finished.stderr);
        assert_eq!(weights(&workspace, &format!("out/student/{task}")), weights(&workspace, &format!("start/{task}")));
    }
    // A head's first weights follow from the seed and the task, whichever tasks there are beside it.
    let again = weights(&workspace, "out/student/again");
    workspace.set("tasks.another", workspace.experiment["tasks"]["tags"].clone());
    workspace.run();
    assert_eq!(weights(&workspace, "out/student/again"), again);
    assert_ne!(weights(&workspace, "out/student/another")["classifier.weight"], again["classifier.weight"]);

    // Folders of two students have two bodies.
    change_word(&workspace, "start/tags");
    workspace.refuses(&["start/tags differ from those in", "word_embeddings.weight", "from one student"]);
    // A head is for its task.
    let mut workspace = self::workspace();
    copy_folder(&workspace.path("student"), &workspace.path("start"));
    copy_folder(&workspace.path("student"), &workspace.path("start/tags"));
    workspace.set("student.model", json!("start"));
    workspace.refuses(&["student.model", "the task `tags`", "single-label classification into", "none, person, place"]);
}

#[test]
fn a_trained_head_of_the_same_classes_stays() {
    let mut workspace = workspace().with("optimizer", json!({ "name": "sgd", "lr": 0.0 }));
    name_classes(&workspace, "student", &["positive", "negative", "neutral"]);
    workspace.set("training.num_steps", json!(1));
    workspace.set("training.ckpt_steps", json!(1));
    let finished = workspace.run();
    let said = "of the teacher of reviews put into the student's order, by name: positive, negative, neutral";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    assert!(finished.stderr.contains("of reviews: the student's own\n"), "{}", finished.stderr);
    let head = weights(&workspace, "student")["classifier.weight"].clone();
    assert_eq!(weights(&workspace, "out/student/reviews")["classifier.weight"], head);
    // One of other classes is left out, and that is said.
    name_classes(&workspace, "student", &["positive", "negative", "mixed"]);
    let finished = workspace.run();
    assert!(finished.stderr.contains("unused: classifier.weight, classifier.bias\n"), "{}", finished.stderr);
    assert_ne!(weights(&workspace, "out/student/reviews")["classifier.weight"], head);
}

#[test]
fn bodies_configs_and_layers_get_heads() {
    let mut workspace = workspace();
    workspace.set("training.num_steps", json!(2));
    workspace.set("training.ckpt_steps", json!(2));
    for origin in [
        json!({ "init": { "from": "./teacher", "layers": [0, 3] }, "heads": "by_task" }),
        json!({ "config": "student/config.json", "heads": "by_task" }),
    ] {
        workspace.set("student", origin);
        workspace.run();
        assert_eq!(names_in(&workspace.path("out/student")), ["README.md", "reviews", "tags"]);
    }
    // A body alone, as `BertModel` is saved.
    copy_folder(&workspace.path("student"), &workspace.path("body"));
    let path = workspace.path("body/config.json");
    let mut config = read_json(&path);
    config["architectures"] = json!(["BertModel"]);
    config.as_object_mut().unwrap().remove("id2label");
    fs::write(path, config.to_string()).unwrap();
    let tensors = weights(&workspace, "body").into_iter();
    let tensors = tensors.filter_map(|(name, own)| Some((name.strip_prefix("bert.")?.to_owned(), own)));
    write_tensors(&workspace.path("body/model.safetensors"), &tensors.collect());
    workspace.set("student", json!({ "model": "body", "heads": "by_task" }));
    workspace.run();
    assert_eq!(weights(&workspace, "out/student/tags")["classifier.weight"].shape[0], 5);
}

#[test]
fn what_needs_heads_by_task_is_refused_without_them() {
    let mut workspace = workspace();
    workspace.set("student", json!({ "model": "student" }));
    name_classes(&workspace, "student", &["negative", "neutral", "positive"]);
    let key = r#""student": { "heads": "by_task" }"#;
    workspace.refuses(&["the teacher of tags has other classes", "none, person, place", key]);

    // A task's name is no part of a parameter's.
    let by_task = json!({ "model": "student", "heads": "by_task" });
    workspace.set("student", by_task.clone());
    workspace.set("optimizer", json!({ "name": "adamw", "no_decay": ["bias", "reviews"] }));
    workspace.refuses(&["optimizer.no_decay is `reviews`"]);
    workspace.remove("optimizer");
    workspace.set("student", by_task.clone());
    workspace.set("student.labels", json!(["a", "b"]));
    workspace.refuses(&["student.labels has no effect", "by_task"]);
    workspace.set("student", by_task);
    workspace.set("tasks", json!({ "../tags": workspace.experiment["tasks"]["tags"] }));
    workspace.refuses(&["tasks: the task \"../tags\"", "letters, digits"]);
    let mut workspace = Workspace::new().with("student.heads", json!("by_task"));
    workspace.refuses(&["student.heads", r#""distiller": "multi_task""#]);
    workspace.set("student.heads", json!("by_tasks"));
    workspace.refuses(&["student.heads", "did you mean `by_task`?"]);
}

/// Changes one number of a model's body.
fn change_word(workspace: &Workspace, model: &str) {
    let path = workspace.path(model).join("model.safetensors");
    let mut tensors = read_tensors(&path);
    tensors.get_mut("bert.embeddings.word_embeddings.weight").unwrap().numbers[7] += 1.0;
    write_tensors(&path, &tensors);
}
