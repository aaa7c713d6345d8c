//! Checkpoints and layers that do not fit.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Weights, read_json, read_tensors, repository, write_tensors};
use crate::workspace::Workspace;

const WEIGHTS: &str = "student/model.safetensors";
const BIAS: &str = "bert.encoder.layer.1.output.dense.bias";

#[test]
fn a_folder_that_is_no_model_is_named() {
    Workspace::new().with("student.model", json!("nowhere")).refuses(&["nowhere"]);
    let workspace = Workspace::new();
    fs::remove_file(workspace.path("student/config.json")).unwrap();
    workspace.refuses(&["student has no config.json", "save_pretrained"]);
    let workspace = Workspace::new();
    fs::remove_file(workspace.path(WEIGHTS)).unwrap();
    workspace.refuses(&["student has neither model.safetensors"]);
}

#[test]
fn a_broken_config_is_named() {
    let workspace = Workspace::new();
    workspace.write("teacher/config.json", "{");
    workspace.refuses(&["teacher/config.json: "]);
    let workspace = Workspace::new();
    let mut config = read_json(&workspace.path("teacher/config.json"));
    config["architectures"] = json!(["BertForEverything"]);
    workspace.write("teacher/config.json", config.to_string());
    workspace.refuses(&["BertForEverything", "BertForSequenceClassification"]);
}

#[test]
fn a_missing_tensor_is_named() {
    let workspace = Workspace::new();
    let mut tensors = read_tensors(&workspace.path(WEIGHTS));
    tensors.remove(BIAS).unwrap();
    write_tensors(&workspace.path(WEIGHTS), &tensors);
    workspace.refuses(&["student", "Missing: ", BIAS]);
}

#[test]
fn an_extra_tensor_is_named() {
    let workspace = Workspace::new();
    let mut tensors = read_tensors(&workspace.path(WEIGHTS));
    tensors.insert("bert.encoder.extra".into(), Weights { shape: vec![2], numbers: vec![0.0; 2] });
    write_tensors(&workspace.path(WEIGHTS), &tensors);
    workspace.refuses(&["student", "Not part of the model: ", "bert.encoder.extra"]);
}

#[test]
fn a_tensor_of_another_shape_comes_with_both_shapes() {
    let workspace = Workspace::new();
    let mut tensors = read_tensors(&workspace.path(WEIGHTS));
    tensors.insert(BIAS.into(), Weights { shape: vec![2, 3], numbers: vec![0.0; 6] });
    write_tensors(&workspace.path(WEIGHTS), &tensors);
    workspace.refuses(&["student", BIAS, "is [2, 3], expected [24]"]);
}

#[test]
fn a_truncated_file_is_named() {
    for kept in [0, 4, 100, 50_000] {
        let workspace = Workspace::new();
        let bytes = fs::read(workspace.path(WEIGHTS)).unwrap();
        workspace.write(WEIGHTS, &bytes[..kept]);
        workspace.refuses(&["student/model.safetensors"]);
    }
}

#[test]
fn a_size_that_the_weights_do_not_have_is_named_before_anything_is_allocated() {
    for (key, size) in [("num_hidden_layers", 10_000_000_u64), ("vocab_size", 4_294_967_296)] {
        let mut workspace = Workspace::new();
        let mut config = read_json(&workspace.path("teacher/config.json"));
        config[key] = json!(size);
        workspace.write("teacher/config.json", config.to_string());
        let found = format!("`{key}` is {size}");
        workspace.refuses(&["teacher/config.json: ", &found, "expected"]);
        workspace.set("teacher", json!({ "model": "student" }));
        workspace.set("student", json!({ "config": "teacher/config.json" }));
        workspace.refuses(&["teacher/config.json: ", &format!("`{key}` {size}"), "GB of memory"]);
    }
}

#[test]
fn a_layer_that_does_not_exist_is_named() {
    // A negative position counts from the end, as in Python.
    let positions = [
        (3, 4, "`layer_S` is 3", "positions 0 to 2"),
        (-4, 4, "`layer_S` is -4", "positions 0 to 2"),
        (2, 5, "`layer_T` is 5", "positions 0 to 4"),
    ];
    for (student, teacher, found, expected) in positions {
        let matches = json!([hidden_match(student, teacher)]);
        Workspace::new().with("distillation.intermediate_matches", matches).refuses(&[found, expected]);
    }
    for layers in [json!([0, 4]), json!([])] {
        let init = json!({ "init": { "from": "teacher", "layers": layers } });
        Workspace::new().with("student", init).refuses(&["layer", "4, 0 to 3"]);
    }
}

#[test]
fn hidden_sizes_that_differ_need_a_projection() {
    let mut workspace = Workspace::new();
    let mut config = read_json(&workspace.path("student/config.json"));
    config["hidden_size"] = json!(12);
    workspace.write("narrow.json", config.to_string());
    workspace.set("student", json!({ "config": "narrow.json" }));
    workspace.set("distillation.intermediate_matches", json!([hidden_match(2, 4)]));
    workspace.refuses(&["intermediate_matches[0]", "12]", "24]", r#"Add "proj": ["linear", 12, 24]"#]);

    workspace.experiment["distillation"]["intermediate_matches"][0]["proj"] = json!(["linear", 12, 32]);
    workspace.refuses(&["intermediate_matches[0]", "24", "32"]);

    workspace.experiment["distillation"]["intermediate_matches"][0]["proj"] = json!(["linear", 12, 24]);
    workspace.run();
    assert!(workspace.path("out/checkpoints/step-6/projections.safetensors").is_file());
}

#[test]
fn a_teacher_that_cannot_read_the_batches_is_refused() {
    let mut workspace = Workspace::new();
    let mut config = read_json(&workspace.path("student/config.json"));
    config["vocab_size"] = json!(200);
    workspace.write("wordy.json", config.to_string());
    workspace.set("student", json!({ "config": "wordy.json" }));
    workspace.refuses(&["student: ", "97 tokens", "200"]);
}

#[test]
fn teacher_and_student_need_the_same_classes() {
    let mut workspace = Workspace::new();
    let labels = json!(["no", "yes"]);
    let student = json!({ "model": "student", "architecture": "BertForSequenceClassification", "labels": labels });
    workspace.set("student", student);
    let text = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    workspace.write("train.jsonl", text.replace("\"labels\": 2", "\"labels\": 1"));
    workspace.refuses(&["the teacher has other classes", "LABEL_0, LABEL_1, LABEL_2", "no, yes", "`id2label`"]);
}

#[test]
fn configs_of_textbrewer_are_students() {
    for name in ["L3", "L4t"] {
        let file = repository().join(format!("tests/cli/textbrewer/bert_config_{name}.json"));
        let workspace = Workspace::new().with("student", json!({ "config": file }));
        // A teacher of the sizes that these students are for.
        let mut config = read_json(&workspace.path("teacher/config.json"));
        let mut tensors = read_tensors(&workspace.path("teacher/model.safetensors"));
        for (key, name, size) in [
            ("vocab_size", "bert.embeddings.word_embeddings.weight", 28996),
            ("max_position_embeddings", "bert.embeddings.position_embeddings.weight", 512),
        ] {
            config[key] = json!(size);
            let table = tensors.get_mut(name).unwrap();
            table.shape[0] = size;
            table.numbers.resize(size * table.shape[1], 0.0);
        }
        workspace.write("teacher/config.json", config.to_string());
        write_tensors(&workspace.path("teacher/model.safetensors"), &tensors);
        let finished = workspace.start(&["check"]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        let said = "model type, architecture and labels of the student are the teacher's: its config has none";
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
    }
}

#[test]
fn a_config_of_sizes_alone_becomes_a_whole_one() {
    let mut workspace = Workspace::new();
    let whole = read_json(&workspace.path("student/config.json"));
    let mut sizes = whole.clone();
    for key in ["model_type", "architectures", "id2label", "label2id"] {
        sizes.as_object_mut().unwrap().remove(key).unwrap();
    }
    workspace.write("sizes.json", sizes.to_string());
    workspace.set("student", json!({ "config": "sizes.json" }));
    workspace.run();
    let written = read_json(&workspace.path("out/student/config.json"));
    for key in ["model_type", "architectures", "id2label"] {
        assert_eq!(written[key], whole[key]);
    }
    // What the experiment says goes before the teacher's.
    workspace.set("student.labels", json!(["a", "b", "c"]));
    workspace.run();
    assert_eq!(read_json(&workspace.path("out/student/config.json"))["id2label"]["2"], "c");
    // Without a teacher there is nobody to ask.
    workspace.remove("teacher");
    workspace.set("distiller", json!("trainer"));
    workspace.remove("distillation");
    workspace.set("student", json!({ "config": "sizes.json" }));
    workspace.refuses(&["sizes.json", "architecture"]);
    let student =
        json!({ "config": "sizes.json", "architecture": "BertForSequenceClassification", "labels": ["a", "b", "c"] });
    workspace.set("student", student);
    workspace.run();
}

fn hidden_match(student: i64, teacher: i64) -> Value {
    json!({ "layer_S": student, "layer_T": teacher, "feature": "hidden", "loss": "hidden_mse", "weight": 1 })
}
