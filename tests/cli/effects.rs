//! Keys that would change nothing are refused, by name.

use std::fs;

use serde_json::{Value, json};

use crate::support::{plugin, read_json};
use crate::workspace::Workspace;

/// An experiment with these keys set is refused by `check`.
#[track_caller]
fn refused(keys: &[(&str, Value)], expected: &[&str]) {
    let workspace = keys.iter().fold(Workspace::new(), |workspace, (key, value)| workspace.with(key, value.clone()));
    workspace.refuses_to(&["check"], expected);
}

#[test]
fn a_run_has_one_length_and_one_way_to_count_checkpoints() {
    refused(&[("training.num_steps", json!(3))], &["training.num_epochs has no effect beside `num_steps`"]);
    refused(&[("training.ckpt_steps", json!(3))], &["training.ckpt_steps has no effect", "`ckpt_frequency`"]);
    for key in ["ckpt_frequency", "ckpt_epoch_frequency"] {
        let training = json!({ "num_steps": 3, key: 2, "output_dir": "out" });
        refused(&[("training", training)], &[&format!("training.{key} has no effect"), "`ckpt_steps`"]);
    }
    // On the command line one takes the place of the other.
    let workspace = Workspace::new();
    assert_eq!(workspace.start(&["check", "--set", "training.num_steps=3"]).code, 0);
    let both = ["check", "--set", "training.num_steps=3", "--set", "training.num_epochs=3"];
    workspace.refuses_to(&both, &["training.num_epochs has no effect"]);
}

#[test]
fn options_that_do_nothing_are_named() {
    let cases: [(&str, Value, &[&str]); 10] = [
        ("training.tau", json!(0.5), &["training.tau has no effect", "multi_task"]),
        ("training.max_grad_norm", json!(0), &["training.max_grad_norm is 0", "-1"]),
        ("schedule", json!({ "num_training_steps": 9 }), &["schedule.num_training_steps has no effect"]),
        ("optimizer", json!({ "name": "sgd", "dampening": 0.5 }), &["optimizer.dampening is 0.5", "momentum"]),
        ("optimizer.no_decay", json!(["bias", "layer_norm"]), &["optimizer.no_decay is `layer_norm`", "LayerNorm"]),
        ("optimizer", json!({ "name": "adam", "no_decay": ["bias"] }), &["optimizer.no_decay", "`weight_decay` is 0"]),
        ("data.text", json!("sentence"), &["data.text is `sentence`", "train.jsonl", "`input_ids`"]),
        ("data.label", json!("sentiment"), &["data.label is `sentiment`", "train.jsonl"]),
        ("plugins.skip_batches", json!(2), &["plugins.skip_batches has no effect"]),
        ("distillation.hard_label_weight_scheduler", json!("linear_growth"), &["`losses`", "hard_label_weight"]),
    ];
    for (key, value, expected) in cases {
        let workspace = Workspace::new().with(key, value);
        if key.ends_with("weight_scheduler") {
            // With labels it would have an effect.
            let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
            workspace.write("train.jsonl", rows.replace("\"labels\"", "\"old\""));
        }
        workspace.refuses_to(&["check"], expected);
    }
    let in_order = ("data.shuffle", json!(false));
    refused(&[in_order.clone(), ("data.group_by_length", json!(true))], &["data.group_by_length has no effect"]);
    refused(&[in_order, ("data.seed", json!(3))], &["data.seed has no effect"]);
    let caches = [("distillation.is_caching_logits", json!(true)), ("teacher.cache", json!({ "path": "cache" }))];
    refused(&caches, &["distillation.is_caching_logits has no effect"]);
}

#[test]
fn what_a_distiller_does_not_read_is_named() {
    let mut workspace = Workspace::new().with("distiller", json!("trainer"));
    workspace.remove("teacher");
    workspace.set("distillation", json!({ "temperature": 8 }));
    workspace.refuses_to(&["check"], &["distillation.temperature has no effect", "trainer"]);
    workspace.remove("distillation");
    assert_eq!(workspace.start(&["check"]).code, 0);

    let one = json!([{ "layer_T": 1, "layer_S": 1, "feature": "hidden", "loss": "hidden_mse", "weight": 1 }]);
    let basic = ("distiller", json!("basic"));
    refused(&[basic, ("distillation.intermediate_matches", one)], &["distillation.intermediate_matches", "basic"]);
}

#[test]
fn a_task_does_not_skip_batches_of_its_own() {
    let mut workspace = Workspace::new().with("distiller", json!("multi_task"));
    workspace.remove("teacher");
    workspace.remove("data");
    workspace.set("training", json!({ "num_steps": 2, "output_dir": "out", "device": "cpu" }));
    let data = json!({ "train": "train.jsonl", "batch_size": 4 });
    let plugins = json!({ "adaptor": { "path": plugin("sequence-classification") }, "skip_batches": 1 });
    workspace.set("tasks", json!({ "one": { "teacher": { "model": "teacher" }, "data": data, "plugins": plugins } }));
    workspace.refuses_to(&["check"], &["tasks.one.plugins.skip_batches has no effect in a task"]);
    workspace.set("tasks.one.plugins.skip_batches", json!(0));
    workspace.set("plugins.skip_batches", json!(1));
    assert_eq!(workspace.start(&["check"]).code, 0);
}

#[test]
fn a_key_that_is_there_twice_is_named() {
    let workspace = Workspace::new();
    let text = serde_json::to_string_pretty(&workspace.experiment).unwrap();
    let twice = text.replacen("\"num_epochs\": 1,", "\"num_epochs\": 1,\n    \"num_epochs\": 5,", 1);
    workspace.write("twice.json", &twice);
    let line = twice.lines().position(|line| line.contains("5,")).unwrap() + 1;
    let place = format!("line {line} column");
    workspace.refuses_to(
        &["check", "--config", "twice.json"],
        &["twice.json", "the key `num_epochs` is there twice", &place],
    );
    workspace.replace_row(
        3,
        r#"{"input_ids": [5], "attention_mask": [1], "token_type_ids": [0], "labels": 1, "labels": 2}"#,
    );
    workspace.refuses(&["train.jsonl:3: ", "the key `labels` is there twice"]);

    let workspace = Workspace::new();
    let config = fs::read_to_string(workspace.path("student/config.json")).unwrap();
    workspace.write("student/config.json", config.replacen('{', r#"{ "hidden_size": 24,"#, 1));
    workspace.refuses(&["student/config.json", "the key `hidden_size` is there twice"]);
}

#[test]
fn what_changes_a_models_numbers_is_not_passed_over() {
    let cases = [
        ("quantization_config", json!({ "quant_method": "bitsandbytes", "load_in_8bit": true }), "dequantize()"),
        ("pruned_heads", json!({ "1": [0, 2] }), "attention heads were removed"),
    ];
    for (key, value, expected) in cases {
        let workspace = Workspace::new();
        let mut config = read_json(&workspace.path("teacher/config.json"));
        config[key] = value;
        workspace.write("teacher/config.json", config.to_string());
        workspace.refuses(&["teacher/config.json", &format!("`{key}`"), expected]);
        // transformers writes these where there is nothing to say.
        config[key] = if key == "pruned_heads" { json!({}) } else { Value::Null };
        workspace.write("teacher/config.json", config.to_string());
        assert_eq!(workspace.start(&["check"]).code, 0);
    }
}

#[test]
fn a_configuration_of_textbrewer_with_all_its_defaults_is_accepted() {
    let mut workspace = Workspace::new();
    workspace.set(
        "training",
        json!({
            "gradient_accumulation_steps": 1, "ckpt_frequency": 1, "ckpt_epoch_frequency": 1, "ckpt_steps": null,
            "log_dir": null, "output_dir": "out", "device": "cpu", "fp16": false, "fp16_opt_level": "O1",
            "data_parallel": false, "local_rank": -1, "num_epochs": 1, "num_steps": null, "max_grad_norm": -1.0,
        }),
    );
    workspace.set(
        "distillation",
        json!({
            "temperature": 4, "temperature_scheduler": "none", "hard_label_weight": 0,
            "hard_label_weight_scheduler": "none", "kd_loss_type": "ce", "kd_loss_weight": 1,
            "kd_loss_weight_scheduler": "none", "probability_shift": false, "intermediate_matches": [],
            "is_caching_logits": false,
        }),
    );
    let finished = workspace.start(&["check"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
}
