//! Classes of teacher and student are matched by name, whatever their order.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::support::{Weights, read_json, read_lines, read_tensors, recorded_run, write_tensors};
use crate::workspace::{Workspace, copy_folder};

const NAMES: [&str; 5] = ["negative", "neutral", "positive", "mixed", "none"];

/// What a run computed: the losses of its steps, and the student's weights.
struct Learnt {
    losses: Vec<f64>,
    weights: BTreeMap<String, Weights>,
}

impl Learnt {
    #[track_caller]
    fn of(workspace: &Workspace) -> Self {
        workspace.run();
        let lines = read_lines(&workspace.path("out/metrics.jsonl"));
        let losses: Vec<f64> = lines.iter().filter_map(|line| line.get("total_loss")?.as_f64()).collect();
        assert!(!losses.is_empty());
        Self { losses, weights: read_tensors(&workspace.path("out/student/model.safetensors")) }
    }

    /// The largest difference of a loss.
    fn distance(&self, other: &Learnt) -> f64 {
        assert_eq!(self.losses.len(), other.losses.len());
        self.losses.iter().zip(&other.losses).map(|(left, right)| (left - right).abs()).fold(0.0, f64::max)
    }

    #[track_caller]
    fn assert_same(&self, other: &Learnt) {
        let distance = self.distance(other);
        assert!(distance < 1e-5, "losses differ by {distance}");
        for (name, weights) in &self.weights {
            let pairs = weights.numbers.iter().zip(&other.weights[name].numbers);
            let distance = pairs.map(|(left, right)| (left - right).abs()).fold(0.0, f32::max);
            // In exact arithmetic the gradient of a key's bias is zero, so what moves it is rounding.
            assert!(distance < 1e-5 || name.ends_with("attention.self.key.bias"), "{name} differs by {distance}");
        }
    }
}

/// Names the classes of a model.
pub fn name_classes(workspace: &Workspace, model: &str, names: &[&str]) {
    let path = workspace.path(model).join("config.json");
    let mut config = read_json(&path);
    let by_index = names.iter().enumerate();
    config["id2label"] = by_index.clone().map(|(index, name)| (index.to_string(), json!(name))).collect();
    config["label2id"] = by_index.map(|(index, name)| ((*name).to_owned(), json!(index))).collect();
    fs::write(path, config.to_string()).unwrap();
}

/// Puts the classes of a model into another order: the one at `order[i]` becomes class i, in the head and by name.
fn permute_classes(workspace: &Workspace, model: &str, names: &[&str], order: &[usize]) {
    let path = workspace.path(model).join("model.safetensors");
    let mut tensors = read_tensors(&path);
    for name in ["classifier.weight", "classifier.bias"] {
        let head = tensors.get_mut(name).unwrap();
        let row = head.numbers.len() / names.len();
        let rows: Vec<f32> =
            order.iter().flat_map(|&class| head.numbers[class * row..(class + 1) * row].to_vec()).collect();
        head.numbers = rows;
    }
    write_tensors(&path, &tensors);
    name_classes(workspace, model, &order.iter().map(|&class| names[class]).collect::<Vec<_>>());
}

/// Names in place of the indices of labels.
fn with_named_labels(workspace: &Workspace, names: &[&str]) {
    let named = |label: &Value| label.as_u64().map_or(label.clone(), |class| json!(names[class as usize]));
    let rows = read_lines(&workspace.path("train.jsonl")).into_iter().map(|mut row| {
        row["labels"] = match &row["labels"] {
            Value::Array(labels) => labels.iter().map(named).collect(),
            label => named(label),
        };
        row.to_string()
    });
    workspace.write("train.jsonl", rows.collect::<Vec<_>>().join("\n"));
}

/// Teacher and student with the same names in the same order, hard labels, and teachers that are never wrong.
fn named() -> Workspace {
    let mut workspace = Workspace::new().with("distillation.hard_label_weight", json!(0.5));
    workspace.set("distillation.probability_shift", json!(true));
    for model in ["teacher", "student"] {
        name_classes(&workspace, model, &NAMES[..3]);
    }
    with_named_labels(&workspace, &NAMES[..3]);
    workspace
}

#[test]
fn a_teacher_in_another_order_teaches_the_same() {
    let mut workspace = named();
    let expected = Learnt::of(&workspace);
    permute_classes(&workspace, "teacher", &NAMES[..3], &[1, 2, 0]);
    let finished = workspace.run();
    let said = "of the teacher put into the student's order, by name: negative, neutral, positive";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    Learnt::of(&workspace).assert_same(&expected);
    // Ids in the data are the student's.
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    let ids = NAMES[..3]
        .iter()
        .enumerate()
        .fold(rows, |rows, (id, name)| rows.replace(&format!("\"{name}\""), &id.to_string()));
    workspace.write("train.jsonl", ids);
    Learnt::of(&workspace).assert_same(&expected);
    // The same through both caches.
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    for _ in 0..2 {
        Learnt::of(&workspace).assert_same(&expected);
    }
    workspace.set("teacher", json!({ "model": "teacher" }));
    workspace.set("distillation.is_caching_logits", json!(true));
    Learnt::of(&workspace).assert_same(&expected);

    // Without names the order cannot be known, and is wrong here.
    name_classes(&workspace, "teacher", &["LABEL_0", "LABEL_1", "LABEL_2"]);
    let finished = workspace.run();
    for said in ["warning", "matched by index, as the teacher does not name its own", "LABEL_0", "negative, neutral"] {
        assert!(finished.stderr.contains(said), "`{said}` is not in: {}", finished.stderr);
    }
    assert!(Learnt::of(&workspace).distance(&expected) > 1e-3);
}

#[test]
fn classes_of_each_token_are_matched_too() {
    let mut workspace = Workspace::new();
    let recorded = recorded_run("general_token_classification");
    for (from, to) in [("teacher_0", "teacher"), ("student_init", "student")] {
        fs::remove_dir_all(workspace.path(to)).unwrap();
        copy_folder(&recorded.join(from), &workspace.path(to));
        name_classes(&workspace, to, &NAMES);
    }
    fs::copy(recorded.join("train.jsonl"), workspace.path("train.jsonl")).unwrap();
    with_named_labels(&workspace, &NAMES);
    workspace.set("distillation.hard_label_weight", json!(1));
    let expected = Learnt::of(&workspace);
    permute_classes(&workspace, "teacher", &NAMES, &[4, 2, 0, 1, 3]);
    Learnt::of(&workspace).assert_same(&expected);
}

#[test]
fn each_of_several_teachers_has_an_order_of_its_own() {
    let mut workspace = named();
    workspace.set("distillation.probability_shift", json!(false));
    copy_folder(&workspace.path("teacher"), &workspace.path("other"));
    let mut head = read_tensors(&workspace.path("other/model.safetensors"));
    head.get_mut("classifier.weight").unwrap().numbers.reverse();
    write_tensors(&workspace.path("other/model.safetensors"), &head);
    workspace.remove("teacher");
    workspace.set("distiller", json!("multi_teacher"));
    workspace.set("teachers", json!([{ "model": "teacher" }, { "model": "other" }]));
    let expected = Learnt::of(&workspace);
    permute_classes(&workspace, "other", &NAMES[..3], &[2, 0, 1]);
    let finished = workspace.run();
    assert!(finished.stderr.contains("of the teacher 1 put into the student's order"), "{}", finished.stderr);
    Learnt::of(&workspace).assert_same(&expected);

    workspace.remove("teachers");
    workspace.set("distiller", json!("multi_task"));
    let data = json!({ "train": "train.jsonl", "batch_size": 4 });
    let task = |model: &str| json!({ "teacher": { "model": model }, "data": data });
    workspace.set("tasks", json!({ "one": task("teacher"), "two": task("other") }));
    workspace.remove("data");
    workspace.set("training", json!({ "num_steps": 8, "output_dir": "out", "device": "cpu" }));
    let permuted = Learnt::of(&workspace);
    permute_classes(&workspace, "other", &["positive", "negative", "neutral"], &[1, 2, 0]);
    Learnt::of(&workspace).assert_same(&permuted);
    name_classes(&workspace, "other", &["sport", "politics", "culture"]);
    workspace.refuses(&["the teacher of two has other classes", "sport, politics, culture", "negative, neutral"]);
}

#[test]
fn outputs_in_the_rows_are_in_the_teachers_order() {
    let workspace = named();
    let rows = read_lines(&workspace.path("train.jsonl"));
    let with_outputs = |order: [usize; 3]| {
        let rows = rows.iter().enumerate().map(|(index, row)| {
            let logits = [index as f64 / 10.0, 1.0, -0.5];
            let mut row = row.clone();
            row["teacher_cache"] = json!({ "logits": order.map(|class| logits[class]) });
            row.to_string()
        });
        workspace.write("train.jsonl", rows.collect::<Vec<_>>().join("\n"));
    };
    with_outputs([0, 1, 2]);
    let expected = Learnt::of(&workspace);
    permute_classes(&workspace, "teacher", &NAMES[..3], &[1, 2, 0]);
    with_outputs([1, 2, 0]);
    Learnt::of(&workspace).assert_same(&expected);
}

#[test]
fn other_classes_are_refused() {
    let workspace = named();
    name_classes(&workspace, "teacher", &["no", "maybe", "yes"]);
    let expected =
        ["the teacher has other classes", "3 (no, maybe, yes)", "3 (negative, neutral, positive)", "`id2label`"];
    workspace.refuses(&expected);
    workspace.refuses_to(&["check"], &expected);
}

#[test]
fn labels_do_not_rename_a_trained_head() {
    let mut workspace = named();
    workspace.set("student.labels", json!(["positive", "neutral", "negative"]));
    let expected = ["student/config.json", "trained for the classes negative, neutral, positive", "`id2label`"];
    workspace.refuses(&expected);
    // One without names gets them.
    name_classes(&workspace, "student", &["LABEL_0", "LABEL_1", "LABEL_2"]);
    workspace.set("student.labels", json!(["negative", "neutral", "positive"]));
    workspace.run();
}

#[test]
fn a_cache_of_another_order_is_refused() {
    // Without labels, whose indices would make other data of a student in another order.
    let mut workspace = named();
    let rows = read_lines(&workspace.path("train.jsonl")).into_iter().map(|mut row| {
        row.as_object_mut().unwrap().remove("labels");
        row.to_string()
    });
    workspace.write("train.jsonl", rows.collect::<Vec<_>>().join("\n"));
    workspace.set("distillation", json!({ "temperature": 4 }));
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    name_classes(&workspace, "student", &["positive", "neutral", "negative"]);
    workspace.run();
    name_classes(&workspace, "student", &["positive", "negative", "neutral"]);
    workspace.refuses(&["cache", "another order of classes", "[2, 1, 0]", "[2, 0, 1]"]);
}

#[test]
fn a_student_made_of_its_teacher_has_its_classes() {
    let workspace = Workspace::new().with("student", json!({ "init": { "from": "teacher", "layers": [0, 3] } }));
    assert!(!workspace.run().stderr.contains("warning"));
    // Two models that were trained apart: nobody knows whether their class 0 is the same.
    let finished = Workspace::new().run();
    assert!(finished.stderr.contains("matched by index, as neither names its own"), "{}", finished.stderr);
}

#[test]
fn layers_chosen_by_a_rule_are_told() {
    let by_rule = |rule: &str, count: usize| {
        Workspace::new().with("student", json!({ "init": { "from": "teacher", "layers": [rule, count] } }))
    };
    let header = by_rule("uniform", 2).start(&["check"]).stderr;
    assert!(header.contains("2 layers (uniform) of the teacher") && header.contains("0 from 0, 1 from 3"), "{header}");
    by_rule("last", 5).refuses(&["student.init.layers", "takes 5 layers (last) of a model that has 4"]);
}

#[test]
fn a_teacher_in_another_order_is_evaluated_by_the_ids_of_the_student() {
    let mut workspace = Workspace::new();
    for model in ["teacher", "student"] {
        name_classes(&workspace, model, &NAMES[..3]);
    }
    workspace.set("data.dev", json!("train.jsonl"));
    let evaluated = |workspace: &Workspace| {
        let finished = workspace.start(&["eval", "--model", "teacher", "--json"]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        let found: Value = serde_json::from_str(&finished.stdout).unwrap();
        ["loss", "accuracy"].map(|metric| found[metric].as_f64().unwrap())
    };
    let expected = evaluated(&workspace);
    permute_classes(&workspace, "teacher", &NAMES[..3], &[1, 2, 0]);
    for (found, expected) in evaluated(&workspace).iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
    }
}
