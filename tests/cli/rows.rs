//! Rows that hold more than one model reads: a part for each model, and outputs of the teacher.

use std::fs;

use serde_json::{Value, json};

use crate::support::{read_json, read_lines};
use crate::workspace::Workspace;

fn rows(workspace: &Workspace) -> Vec<Value> {
    read_lines(&workspace.path("train.jsonl"))
}

fn write_rows(workspace: &Workspace, rows: impl IntoIterator<Item = Value>) {
    let lines: Vec<String> = rows.into_iter().map(|row| row.to_string()).collect();
    workspace.write("train.jsonl", lines.join("\n"));
}

/// The rows with a part for each model; labels stand beside them.
fn split(rows: &[Value], change_teacher: impl Fn(&mut Value)) -> Vec<Value> {
    let split = |row: &Value| {
        let mut part = row.clone();
        let labels = part.as_object_mut().unwrap().remove("labels").unwrap();
        let mut teacher = part.clone();
        change_teacher(&mut teacher);
        json!({ "student": part, "teacher": teacher, "labels": labels })
    };
    rows.iter().map(split).collect()
}

fn losses(workspace: &Workspace) -> Vec<f64> {
    workspace.run();
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    lines.iter().filter_map(|line| line.get("total_loss")?.as_f64()).collect()
}

#[test]
fn rows_may_have_a_part_for_each_model() {
    let workspace = Workspace::new().with("distillation.hard_label_weight", json!(0.5));
    let (expected, whole) = (losses(&workspace), rows(&workspace));
    write_rows(&workspace, split(&whole, |_| {}));
    assert_eq!(losses(&workspace), expected);
    // The teacher reads its own part: another word, and a longer input.
    write_rows(&workspace, split(&whole, |part| part["input_ids"][1] = json!(9)));
    assert_ne!(losses(&workspace), expected);
    let longer = |part: &mut Value| {
        for (name, value) in [("input_ids", 9), ("attention_mask", 1), ("token_type_ids", 0)] {
            part[name].as_array_mut().unwrap().push(json!(value));
        }
    };
    write_rows(&workspace, split(&whole, longer));
    assert_ne!(losses(&workspace), expected);
}

#[test]
fn parts_that_are_broken_are_refused() {
    let workspace = Workspace::new();
    let whole = split(&rows(&workspace), |_| {});
    let with = |change: fn(&mut Value)| {
        let mut rows = whole.clone();
        change(&mut rows[2]);
        write_rows(&workspace, rows);
    };
    with(|row| row["teacher"] = json!("good"));
    workspace.refuses(&["train.jsonl:3", "`teacher` is the text", "an object"]);
    with(|row| drop(row.as_object_mut().unwrap().remove("student")));
    workspace.refuses(&["train.jsonl:3", "`student` is missing"]);
    with(|row| row["teacher"]["input_ids"][0] = json!(1_000_000));
    workspace.refuses(&["train.jsonl:3", "input_ids", "1000000"]);
}

#[test]
fn outputs_in_the_rows_stand_in_for_the_teacher() {
    let mut workspace = Workspace::new();
    let expected = losses(&workspace);
    let whole = rows(&workspace);
    // What the teacher says of each row, out of a cache: the logits, then the mask of the tokens.
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    assert_eq!(workspace.start(&["cache"]).code, 0);
    let num_labels = read_json(&workspace.path("teacher/config.json"))["id2label"].as_object().unwrap().len();
    let values = fs::read(workspace.path("cache/values.bin")).unwrap();
    let mut values = values.as_slice();
    let with_outputs = whole.iter().map(|row| {
        let (logits, rest) = values.split_at(4 * num_labels);
        values = &rest[8 * row["input_ids"].as_array().unwrap().len()..];
        let logits: Vec<f32> =
            logits.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        let mut row = row.clone();
        row["teacher_cache"] = json!({ "logits": logits });
        row
    });
    let with_outputs: Vec<Value> = with_outputs.collect();
    workspace.set("teacher", json!({ "model": "teacher" }));
    write_rows(&workspace, with_outputs.clone());
    for (found, expected) in losses(&workspace).iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
    }
    let other = with_outputs.iter().cloned().map(|mut row| {
        row["teacher_cache"]["logits"][0] = json!(5);
        row
    });
    let other: Vec<Value> = other.collect();
    write_rows(&workspace, other.clone());
    assert_ne!(losses(&workspace), expected);

    // A cache is of these outputs, and of no others.
    write_rows(&workspace, with_outputs);
    workspace.set("teacher.cache", json!({ "path": "cache-of-rows" }));
    workspace.run();
    write_rows(&workspace, other);
    workspace.refuses(&["cache-of-rows", "was made with another data set"]);
}

#[test]
fn outputs_that_do_not_go_together_are_refused() {
    let mut workspace = Workspace::new();
    let whole = rows(&workspace);
    let with = |workspace: &Workspace, outputs: fn(usize) -> Value| {
        let rows = whole.iter().enumerate().map(|(index, row)| {
            let mut row = row.clone();
            row["teacher_cache"] = outputs(index);
            row
        });
        write_rows(workspace, rows);
    };
    with(&workspace, |_| json!([0.5, 0.5]));
    workspace.refuses(&["train.jsonl:1", "`teacher_cache`", "an object"]);
    with(&workspace, |index| if index == 1 { json!({}) } else { json!({ "logits": [0.5, 0.5] }) });
    workspace.refuses(&["train.jsonl:2", "`teacher_cache.logits` is missing"]);
    with(&workspace, |_| json!({ "logits": [0.5, "high"] }));
    workspace.refuses(&["train.jsonl:1", "`teacher_cache.logits`", "a number"]);
    with(&workspace, |index| json!({ "logits": vec![0.5; 2 + usize::from(index == 4)] }));
    workspace.refuses(&["train.jsonl", "`teacher_cache.logits` has the shape [3] in example 4 and [2]"]);
    // What a match reads must be there.
    with(&workspace, |_| json!({ "logits": [0.5, 0.5, 0.5] }));
    let matched = json!([{ "layer_T": 1, "layer_S": 1, "feature": "hidden", "loss": "hidden_mse", "weight": 1 }]);
    workspace.set("distillation.intermediate_matches", matched);
    workspace.refuses(&["hidden", "teacher"]);
}
