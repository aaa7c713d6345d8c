//! The ways to make a model other than loading a checkpoint as it is.

mod common;

use std::fs;

use brewer::model::{Model, from_config, from_layers, load};
use brewer::{Fault, OutputRequest};
use common::{
    SEQUENCE, Scratch, TOKEN, as_class, batch_of, generator, load_error, load_recorded, options, read_tensors,
    recorded, run,
};
use serde_json::Value;
use tch::{Device, Tensor};

fn parameter<'a>(model: &'a dyn Model, name: &str) -> &'a Tensor {
    model.parameters().get(name).unwrap()
}

fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Turns a recorded checkpoint into one of the body alone, as `BertModel` is saved.
fn body() -> Scratch {
    let checkpoint = Scratch::of(SEQUENCE);
    checkpoint.set("architectures", vec!["BertModel"]);
    checkpoint.set("id2label", Value::Null);
    checkpoint.set("label2id", Value::Null);
    checkpoint.rename_weights(|name| name.strip_prefix("bert.").map(str::to_owned));
    checkpoint
}

#[test]
fn a_body_gets_a_new_head() {
    let _generator = generator();
    let checkpoint = body();
    let error = load_error(checkpoint.path(), &as_class("BertForSequenceClassification", &[]));
    assert!(
        error.contains("has no classes, and BertForSequenceClassification needs them: name its `labels`"),
        "{error}"
    );

    let loaded = load(checkpoint.path(), &as_class("BertForSequenceClassification", &["neg", "pos"])).unwrap();
    assert_eq!(loaded.new, ["classifier.weight", "classifier.bias"]);
    assert!(loaded.left_out.is_empty());
    assert_eq!(loaded.model.spec().task.labels(), ["neg", "pos"]);
    let teacher = load_recorded(SEQUENCE).model;
    for name in ["bert.embeddings.word_embeddings.weight", "bert.pooler.dense.weight"] {
        assert_eq!(parameter(&*loaded.model, name), parameter(&*teacher, name));
    }
    assert_eq!(parameter(&*loaded.model, "classifier.bias").abs().max().double_value(&[]), 0.0);
    let spread = parameter(&*loaded.model, "classifier.weight").std(false).double_value(&[]);
    assert!((0.15..0.35).contains(&spread), "initializer_range is 0.25, the spread is {spread}");

    loaded.model.save(checkpoint.path()).unwrap();
    let config: Value = serde_json::from_slice(&fs::read(checkpoint.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"][0], "BertForSequenceClassification");
    assert_eq!(config["id2label"]["1"], "pos");
    assert_eq!(config["label2id"]["pos"], 1);
    assert!(load(checkpoint.path(), &options(false)).unwrap().new.is_empty());
}

#[test]
fn a_body_without_a_pooler_gets_a_new_one() {
    let _generator = generator();
    let checkpoint = body();
    checkpoint.rename_weights(|name| (!name.starts_with("pooler")).then(|| name.to_owned()));
    let loaded = load(checkpoint.path(), &as_class("BertForSequenceClassification", &["a", "b"])).unwrap();
    assert_eq!(
        loaded.new,
        ["bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"]
    );
}

#[test]
fn another_head_is_left_out() {
    let _generator = generator();
    let loaded =
        load(&recorded(TOKEN), &as_class("BertForSequenceClassification", &["a", "b", "c", "d", "e"])).unwrap();
    assert_eq!(loaded.left_out, ["classifier.bias", "classifier.weight"], "though it has the same shape");
    assert_eq!(loaded.new.len(), 4);
    let loaded = load(&recorded(SEQUENCE), &as_class("BertForTokenClassification", &["a", "b"])).unwrap();
    let left_out = ["bert.pooler.dense.bias", "bert.pooler.dense.weight", "classifier.bias", "classifier.weight"];
    assert_eq!(loaded.left_out, left_out);
}

#[test]
fn labels_rename_the_classes_or_make_a_new_head() {
    let _generator = generator();
    let class = "BertForSequenceClassification";
    let renamed = load(&recorded(SEQUENCE), &as_class(class, &["a", "b", "c"])).unwrap();
    assert!(renamed.new.is_empty());
    assert_eq!(renamed.model.spec().task.labels(), labels(&["a", "b", "c"]));
    let other = load(&recorded(SEQUENCE), &as_class(class, &["a", "b"])).unwrap();
    assert_eq!(other.new, ["classifier.weight", "classifier.bias"]);
    assert_eq!(other.left_out, ["classifier.bias", "classifier.weight"]);
    let error = load_error(&recorded(SEQUENCE), &as_class(class, &["a", "a"]));
    assert!(error.contains("a name stands there twice"), "{error}");
}

#[test]
fn a_config_alone_gives_random_weights() {
    let _generator = generator();
    let config = recorded(SEQUENCE).join("config.json");
    tch::manual_seed(1);
    let model = from_config(&config, &options(true)).unwrap();
    let words = parameter(&*model, "bert.embeddings.word_embeddings.weight");
    assert_eq!(words.get(0).abs().max().double_value(&[]), 0.0, "the padding token's row");
    let spread = words.narrow(0, 1, 88).std(false).double_value(&[]);
    assert!((spread - 0.25).abs() < 0.02, "initializer_range is 0.25, the spread is {spread}");
    for (name, expected) in [("embeddings.LayerNorm.weight", 1.0), ("embeddings.LayerNorm.bias", 0.0)] {
        let values = parameter(&*model, &format!("bert.{name}"));
        assert_eq!((values - expected).abs().max().double_value(&[]), 0.0, "{name}");
    }
    assert!(model.parameters().iter().all(|(_, parameter)| parameter.requires_grad()));
    tch::manual_seed(1);
    let again = from_config(&config, &options(true)).unwrap();
    assert_eq!(words, parameter(&*again, "bert.embeddings.word_embeddings.weight"));
}

#[test]
fn a_student_of_some_layers() {
    let teacher = load_recorded(SEQUENCE).model;
    let student = from_layers(&*teacher, &[2, 0], Device::Cpu).unwrap();
    assert_eq!(student.spec().num_layers, Some(2));
    for (of_student, of_teacher) in [
        ("bert.encoder.layer.0.attention.self.query.weight", "bert.encoder.layer.2.attention.self.query.weight"),
        ("bert.encoder.layer.1.output.LayerNorm.bias", "bert.encoder.layer.0.output.LayerNorm.bias"),
        ("bert.embeddings.position_embeddings.weight", "bert.embeddings.position_embeddings.weight"),
        ("classifier.weight", "classifier.weight"),
    ] {
        assert_eq!(parameter(&*student, of_student), parameter(&*teacher, of_teacher), "{of_student}");
    }
    assert!(student.parameters().iter().all(|(_, tensor)| tensor.is_leaf() && tensor.requires_grad()));
    // A copy, not a view.
    let _ = tch::no_grad(|| parameter(&*student, "classifier.bias").shallow_clone().fill_(7.0));
    assert_ne!(parameter(&*student, "classifier.bias"), parameter(&*teacher, "classifier.bias"));

    let folder = tempfile::tempdir().unwrap();
    student.save(folder.path()).unwrap();
    assert_eq!(load(folder.path(), &options(false)).unwrap().model.spec(), student.spec());
}

/// All layers in order are the teacher itself.
#[test]
fn a_student_of_all_layers_computes_the_same() {
    let teacher = load_recorded(TOKEN).model;
    let student = from_layers(&*teacher, &[0, 1, 2], Device::Cpu).unwrap();
    let batch = batch_of(&read_tensors(&recorded(TOKEN).join("io.safetensors")));
    let logits = |model: &dyn Model| {
        let outputs = run(model, &batch, &OutputRequest::everything());
        outputs.tensor("logits").unwrap().detach()
    };
    assert_eq!(logits(&*student), logits(&*teacher));
}

#[test]
fn a_layer_that_is_not_there() {
    let teacher = load_recorded(SEQUENCE).model;
    for (layers, expected) in [
        (vec![0, 3], "the model that the student is made of has no layer 3: it has 3, 0 to 2"),
        (vec![], "no layers were chosen for the student; name at least one of the teacher's 3, 0 to 2"),
    ] {
        let error = from_layers(&*teacher, &layers, Device::Cpu).err().unwrap();
        assert_eq!((error.to_string().as_str(), error.fault()), (expected, Fault::Input));
    }
}
