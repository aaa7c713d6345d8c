//! Teachers whose features are kept: the same numbers, made once.

use std::fs;

use serde_json::{Value, json};

use crate::support::{plugin, read_lines, read_tensors};
use crate::workspace::{Workspace, copy_folder};

/// Matches of everything that a cache can hold, two epochs in different orders.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let (student, teacher) = workspace.hidden_sizes();
    let matches = json!([
        { "layer_T": 4, "layer_S": 2, "feature": "hidden", "loss": "hidden_mse", "weight": 1,
          "proj": ["linear", student, teacher] },
        { "layer_T": 3, "layer_S": 1, "feature": "attention", "loss": "attention_mse", "weight": 1 },
    ]);
    workspace.with("distillation.intermediate_matches", matches).with("training.num_epochs", json!(2))
}

fn losses(workspace: &Workspace) -> Vec<Vec<f64>> {
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    let steps = lines.iter().filter(|line| line.get("total_loss").is_some());
    let is_loss = |name: &str| name.ends_with("_loss") || name.starts_with("unweighted_");
    steps
        .map(|line| {
            let scalars = line.as_object().unwrap().iter().filter(|(name, _)| is_loss(name));
            scalars.map(|(_, value)| value.as_f64().unwrap()).collect()
        })
        .collect()
}

#[track_caller]
fn assert_near(found: &[Vec<f64>], expected: &[Vec<f64>], relative: f64) {
    assert_eq!(found.len(), expected.len());
    for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "step {step}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-6 + relative * expected.abs(), "step {step}: {found}, {expected}");
        }
    }
}

#[test]
fn a_run_with_a_cache_has_the_numbers_of_one_without() {
    let mut workspace = workspace();
    workspace.run();
    let expected = losses(&workspace);
    let student = read_tensors(&workspace.path("out/student/model.safetensors"));
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    for part in ["0 % of the examples", "all examples"] {
        let finished = workspace.run();
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
        assert_near(&losses(&workspace), &expected, 1e-4);
        for (name, weights) in read_tensors(&workspace.path("out/student/model.safetensors")) {
            let pairs = weights.numbers.iter().zip(&student[&name].numbers);
            // The key biases' gradient is rounding only.
            let far = pairs.filter(|(found, expected)| (*found - *expected).abs() > 1e-4).count();
            assert!(far == 0 || name.ends_with("key.bias"), "{name}");
        }
    }
}

#[test]
fn a_cache_in_memory_has_the_same_numbers() {
    let mut workspace = workspace();
    workspace.run();
    let expected = losses(&workspace);
    workspace.set("distillation.is_caching_logits", json!(true));
    let finished = workspace.run();
    assert!(finished.stderr.contains("memory, float32"), "{}", finished.stderr);
    assert_near(&losses(&workspace), &expected, 1e-4);
}

#[test]
fn a_cache_is_made_ahead_and_goes_on_where_it_was() {
    let mut workspace = workspace();
    workspace.set("teacher.cache", json!({ "path": "cache", "dtype": "bfloat16" }));
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap().lines().count();
    let finished = workspace.start(&["cache"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stdout.contains(&format!("{rows} examples computed now")), "{}", finished.stdout);
    // As if it had been cut off.
    let mut done = fs::read(workspace.path("cache/done.bin")).unwrap();
    assert_eq!(done, vec![1; rows]);
    done[3..8].fill(0);
    workspace.write("cache/done.bin", &done);
    let finished = workspace.start(&["cache"]);
    assert!(finished.stdout.contains("5 examples computed now"), "{}", finished.stdout);
    assert!(workspace.start(&["cache"]).stdout.contains("nothing was missing"));
    // Half the digits, so near but not the same.
    workspace.run();
    let found = losses(&workspace);
    workspace.set("teacher", json!({ "model": "teacher" }));
    workspace.run();
    assert_near(&found, &losses(&workspace), 2e-2);
    assert_ne!(found, losses(&workspace));
}

#[test]
fn the_teacher_is_not_run_on_what_is_in_the_cache() {
    let mut workspace = workspace();
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    workspace.start(&["cache"]);
    let values = fs::read(workspace.path("cache/values.bin")).unwrap();
    // All numbers doubled: the exponent of a float32 grows by one.
    let doubled = values.chunks_exact(4).flat_map(|four| {
        let number = f32::from_le_bytes(four.try_into().unwrap());
        (if number.is_normal() && number.abs() > 1e-6 { number * 2.0 } else { number }).to_le_bytes()
    });
    let doubled: Vec<u8> = doubled.collect();
    workspace.run();
    let before = losses(&workspace);
    workspace.write("cache/values.bin", doubled);
    workspace.run();
    assert_ne!(losses(&workspace)[0], before[0]);
}

#[test]
fn a_cache_of_something_else_is_refused() {
    type Change = fn(&mut Workspace);
    let changes: [(&str, Change); 6] = [
        ("another teacher", |workspace| {
            let path = workspace.path("teacher/model.safetensors");
            let mut weights = read_tensors(&path);
            weights.values_mut().next().unwrap().numbers[0] += 1.0;
            crate::support::write_tensors(&path, &weights);
        }),
        ("another data set", |workspace| {
            let text = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
            let rows: Vec<&str> = text.lines().rev().collect();
            workspace.write("train.jsonl", rows.join("\n"));
        }),
        ("another adaptor", |workspace| {
            workspace.set("plugins.adaptor", json!({ "path": plugin("sequence-classification") }));
        }),
        ("another `args` of the teacher", |workspace| {
            workspace.set("teacher.args", json!({ "token_type_ids": 1 }));
        }),
        ("another `dtype`", |workspace| workspace.set("teacher.cache.dtype", json!("float16"))),
        ("another set of tensors", |workspace| {
            workspace.set("distillation.intermediate_matches.0.layer_T", json!(2));
        }),
    ];
    for (expected, change) in changes {
        let mut workspace = workspace();
        workspace.set("teacher.cache", json!({ "path": "cache" }));
        let finished = workspace.start(&["cache"]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        change(&mut workspace);
        workspace.refuses(&["the teacher cache", expected, "remove the folder"]);
    }
}

#[test]
fn what_cannot_be_cached_is_refused() {
    let mut workspace = workspace();
    workspace.refuses_to(&["cache"], &["teacher.cache", "missing"]);
    workspace.set("teacher.cache", json!({ "path": "cache", "type": "float32" }));
    workspace.refuses(&["teacher.cache.type", "dtype"]);
    fs::create_dir(workspace.path("cache")).unwrap();
    workspace.write("cache/cache.json", "{}");
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    workspace.refuses(&["cache/cache.json", "not a teacher cache"]);

    let mut workspace = Workspace::new();
    copy_folder(&workspace.path("teacher"), &workspace.path("other"));
    workspace.remove("teacher");
    workspace.set("distiller", json!("multi_teacher"));
    let teacher = |model: &str| json!({ "model": model, "cache": { "path": "cache" } });
    workspace.set("teachers", Value::Array(vec![teacher("teacher"), teacher("other")]));
    workspace.refuses(&["teacher.cache.path", "two teachers"]);
}
