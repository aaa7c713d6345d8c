//! An experiment file that is not right.

use serde_json::{Value, json};

use crate::support::read_lines;
use crate::workspace::Workspace;

#[test]
fn a_missing_experiment_is_named() {
    Workspace::new().refuses_to(&["run", "--config", "other.json"], &["cannot read", "other.json", "--config"]);
    // A folder cannot be read either.
    Workspace::new().refuses_to(&["run", "--config", "student"], &["cannot read", "student"]);
}

#[test]
fn broken_json_comes_with_its_place() {
    let workspace = Workspace::new();
    workspace.write("broken.json", "{\n  \"student\": {,}\n}");
    workspace.refuses_to(&["run", "--config", "broken.json"], &["broken.json", "not valid JSON", "line 2 column"]);
}

#[test]
fn broken_toml_is_one_line_too() {
    let workspace = Workspace::new();
    workspace.write("broken.toml", "[student]\nmodel = \n");
    workspace.refuses_to(&["run", "--config", "broken.toml"], &["broken.toml", "not valid TOML", "line 2"]);
}

#[test]
fn an_unknown_key_comes_with_the_nearest_known_one() {
    let keys = [
        ("distiler", "unknown key `distiler` (did you mean `distiller`?)"),
        ("training.num_epoch", "training.num_epoch"),
        ("training.num_epoch", "(did you mean `num_epochs`?)"),
        ("data.batchsize", "(did you mean `batch_size`?)"),
        ("distillation.temprature", "(did you mean `temperature`?)"),
    ];
    for (key, expected) in keys {
        Workspace::new().with(key, json!(1)).refuses(&["experiment.json", expected]);
    }
}

#[test]
fn an_unknown_value_comes_with_the_known_ones() {
    let values: [(&str, Value, &[&str]); 5] = [
        ("distiller", json!("generel"), &["distiller", "`generel` (did you mean `general`?)"]),
        ("optimizer", json!({ "name": "adamv" }), &["optimizer", "`adamv`", "adamw"]),
        ("schedule", json!({ "name": "linaer" }), &["schedule", "`linaer`", "linear"]),
        ("distillation.kd_loss_type", json!("cross"), &["kd_loss_type", "`cross`", "ce, mse"]),
        ("distillation.kd_loss_weight_scheduler", json!("linear_deca"), &["`linear_deca`", "linear_decay"]),
    ];
    for (key, value, expected) in values {
        Workspace::new().with(key, value).refuses(expected);
    }
}

#[test]
fn a_value_of_the_wrong_type_names_its_key() {
    let values = [
        ("training.num_epochs", json!("three"), "the text \"three\"; expected a whole number"),
        ("training.num_epochs", json!(-1), "-1"),
        ("data.batch_size", json!(0), "expected a whole number, 1 or more"),
        ("data.shuffle", json!("yes"), "yes"),
        ("optimizer.lr", json!("fast"), "fast"),
        ("student", json!("student"), "student"),
        ("distillation.intermediate_matches", json!({}), "expected a list"),
    ];
    for (key, value, found) in values {
        let section = key.split('.').next().unwrap();
        Workspace::new().with(key, value).refuses(&["experiment.json", section, found]);
    }
}

#[test]
fn a_value_out_of_range_names_its_key() {
    let values = [
        ("training.num_epochs", json!(0), "training.num_epochs is 0; expected at least 1"),
        ("training.gradient_accumulation_steps", json!(100), "gradient_accumulation_steps is 100"),
        ("optimizer.lr", json!(-1), "optimizer.lr"),
        ("distillation.temperature", json!(0), "distillation.temperature"),
        ("data.max_length", json!(1000), "max_length is 1000; expected at most 32"),
        ("schedule", json!({ "name": "linear", "warmup_ratio": 2 }), "schedule.warmup_ratio"),
    ];
    for (key, value, expected) in values {
        let workspace = Workspace::new().with(key, value);
        workspace.refuses(&[expected]);
        workspace.refuses_to(&["check"], &[expected]);
    }
}

#[test]
fn options_of_a_projection_are_known_ones() {
    let matches = json!([{
        "layer_S": 2, "layer_T": 4, "feature": "hidden", "loss": "hidden_mse", "weight": 1,
        "proj": ["linear", 24, 24, { "learning_rate": 1 }],
    }]);
    Workspace::new().with("distillation.intermediate_matches", matches).refuses(&["projection", "`learning_rate`"]);
}

#[test]
fn a_missing_key_is_named() {
    Workspace::new().with("student", json!({})).refuses(&["student", "`model`, `config` and `init`"]);
    Workspace::new().with("teacher", Value::Null).refuses(&["teacher: missing"]);
    Workspace::new().with("data", json!({})).refuses(&["data.train: missing"]);
    Workspace::new().with("training", json!({})).refuses(&["num_epochs"]);
}

#[test]
fn what_set_cannot_set_is_refused() {
    let arguments = [
        ("training.num_epochs", "--set training.num_epochs: expected KEY=VALUE"),
        ("training.num_epochs=many", "training.num_epochs"),
        ("training.num_epohcs=1", "(did you mean `num_epochs`?)"),
        ("distiller.name=1", "there is no object to hold `name`"),
    ];
    for (argument, expected) in arguments {
        Workspace::new().refuses_to(&["run", "--set", argument], &[expected]);
    }
}

#[test]
fn a_device_that_is_not_there_is_named() {
    Workspace::new().refuses_to(&["run", "--device", "gpu"], &["`gpu`", "auto, cpu, cuda or cuda:N"]);
    Workspace::new().refuses_to(&["run", "--device", "cuda:99"], &["`cuda:99`", "choose the device `cpu`"]);
    Workspace::new().with("training.device", json!("tpu")).refuses(&["`tpu`"]);
}

#[test]
fn extra_arguments_reach_their_model_alone() {
    let losses = |workspace: &Workspace| {
        workspace.run();
        let lines = read_lines(&workspace.path("out/metrics.jsonl"));
        lines[1]["total_loss"].as_f64().unwrap()
    };
    let plain = losses(&Workspace::new());
    let switches = json!({ "output_hidden_states": true });
    assert_eq!(losses(&Workspace::new().with("teacher.args", switches)), plain);
    let same_types = json!({ "token_type_ids": 0 });
    let of_teacher = losses(&Workspace::new().with("teacher.args", same_types.clone()));
    let of_student = losses(&Workspace::new().with("student.args", same_types));
    assert!(of_teacher != plain && of_student != plain && of_teacher != of_student);

    let wrong = |args| Workspace::new().with("teacher.args", args);
    wrong(json!({ "head_mask": 1 })).refuses(&["teacher.args.head_mask", "token_type_ids"]);
    wrong(json!({ "token_type_ids": 0.5 })).refuses(&["teacher.args.token_type_ids", "an integer"]);
    wrong(json!({ "token_type_ids": 7 })).refuses(&["token_type_ids", "2 token types"]);
    wrong(json!({ "token_type_ids": [0, 1] })).refuses(&["token_type_ids"]);
}
