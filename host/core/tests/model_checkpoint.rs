//! Checkpoints: what is read and how, what is refused and how it is said, what is written.

mod common;

use std::fs;
use std::path::Path;

use brewer::model::{Model, from_config, load};
use brewer::{Fault, OutputRequest};
use common::{
    SEQUENCE, Scratch, TOKEN, as_class, assert_close, assert_contains, assert_same_parameters, batch_of, load_error,
    load_recorded, options, read_tensors, recorded, run,
};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, serialize_to_file};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

fn logits(model: &dyn Model) -> Tensor {
    let io = read_tensors(&recorded(SEQUENCE).join("io.safetensors"));
    let outputs = run(model, &batch_of(&io), &OutputRequest::everything());
    outputs.tensor("logits").unwrap().detach()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn saves_what_it_loaded() {
    let model = load_recorded(SEQUENCE).model;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("runs/student");
    model.save(&target).unwrap();
    model.save(&target).unwrap();
    let mut files: Vec<_> = fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["config.json", "model.safetensors"], "no temporary file is left");

    assert_same_parameters(&*load(&target, &options(false)).unwrap().model, &*model);
    let (found, expected) = (json_of(&target.join("config.json")), json_of(&recorded(SEQUENCE).join("config.json")));
    let keys = |config: &Value| config.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&found), keys(&expected), "the order of the keys stays");
    assert_eq!(found, expected);
    let (found, expected) =
        [&target, &recorded(SEQUENCE)].map(|folder| fs::read(folder.join("model.safetensors")).unwrap()).into();
    let (header, metadata) = SafeTensors::read_metadata(&found).unwrap();
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    assert_eq!(found.len() - header, expected.len() - SafeTensors::read_metadata(&expected).unwrap().0);
    assert_eq!(found[8 + header..], expected[expected.len() - (found.len() - header - 8)..], "what transformers wrote");
}

#[test]
fn a_failed_save_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    // A folder in the way of the file: what was written cannot be put in its place.
    fs::create_dir_all(folder.path().join("model.safetensors/in the way")).unwrap();
    let error = load_recorded(SEQUENCE).model.save(folder.path()).unwrap_err();
    assert_eq!(error.fault(), Fault::Run);
    assert_contains(&error.to_string(), &["cannot write", "model.safetensors"]);
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["model.safetensors"]);
}

#[test]
fn only_a_trainable_model_collects_gradients() {
    for trainable in [true, false] {
        let model = load(&recorded(SEQUENCE), &options(trainable)).unwrap().model;
        assert!(model.parameters().iter().all(|(_, parameter)| parameter.requires_grad() == trainable));
    }
}

#[test]
fn reads_every_floating_point_type() {
    let expected = logits(&*load_recorded(SEQUENCE).model);
    for (dtype, tolerance) in [(Dtype::F64, 1e-7), (Dtype::F16, 2e-2), (Dtype::BF16, 2e-1)] {
        let checkpoint = Scratch::of(SEQUENCE);
        checkpoint.set("dtype", "bfloat16");
        checkpoint.change_weights(|mut tensors| {
            for (_, raw) in &mut tensors {
                let values = raw.bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
                raw.bytes = values
                    .flat_map(|value| match dtype {
                        Dtype::F64 => f64::from(value).to_le_bytes().to_vec(),
                        Dtype::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
                        _ => bf16::from_f32(value).to_le_bytes().to_vec(),
                    })
                    .collect();
                raw.dtype = dtype;
            }
            tensors
        });
        let model = load(checkpoint.path(), &options(false)).unwrap().model;
        assert!(model.parameters().iter().all(|(_, parameter)| parameter.kind() == Kind::Float));
        assert_close(&format!("{dtype}"), &logits(&*model), &expected, tolerance, 0.0);
        model.save(checkpoint.path()).unwrap();
        assert_eq!(json_of(&checkpoint.path().join("config.json"))["dtype"], "float32");
    }
}

#[test]
fn reads_old_names_and_ignores_buffers() {
    let checkpoint = Scratch::of(SEQUENCE);
    checkpoint.rename_weights(|name| {
        Some(name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"))
    });
    checkpoint.change_weights(|mut tensors| {
        let mut ids = tensors[0].1.clone();
        (ids.dtype, ids.shape, ids.bytes) = (Dtype::I64, vec![1, 1], vec![0; 8]);
        tensors.push(("bert.embeddings.position_ids".to_owned(), ids));
        tensors
    });
    let loaded = load(checkpoint.path(), &options(false)).unwrap();
    assert!(loaded.new.is_empty() && loaded.left_out.is_empty());
    assert_same_parameters(&*loaded.model, &*load_recorded(SEQUENCE).model);
}

/// Splits a checkpoint's weights over two files with an index.
fn shard(checkpoint: &Scratch) {
    let bytes = fs::read(checkpoint.weights()).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let file = |name: &str| if name.contains("layer") { "model-2.safetensors" } else { "model-1.safetensors" };
    for part in ["model-1.safetensors", "model-2.safetensors"] {
        let tensors = tensors.iter().filter(|(name, _)| file(name) == part).cloned();
        serialize_to_file(tensors, None, &checkpoint.path().join(part)).unwrap();
    }
    let map: serde_json::Map<_, _> = tensors.iter().map(|(name, _)| (name.clone(), json!(file(name)))).collect();
    write_index(checkpoint, json!(map));
    fs::remove_file(checkpoint.weights()).unwrap();
}

fn write_index(checkpoint: &Scratch, weight_map: Value) {
    let index = json!({ "metadata": {}, "weight_map": weight_map }).to_string();
    fs::write(checkpoint.path().join("model.safetensors.index.json"), index).unwrap();
}

#[test]
fn reads_a_sharded_checkpoint() {
    let checkpoint = Scratch::of(SEQUENCE);
    shard(&checkpoint);
    assert_same_parameters(&*load(checkpoint.path(), &options(false)).unwrap().model, &*load_recorded(SEQUENCE).model);
    for (map, expected) in [
        (json!({ "bert.x": "model-1.safetensors" }), "`bert.x` is in model-1.safetensors, but it is not there"),
        (json!({ "bert.x": "../model-1.safetensors" }), "which is not in this folder"),
        (json!({ "bert.x": "model-3.safetensors" }), "cannot read"),
        (json!(1), "not an index of weights"),
    ] {
        write_index(&checkpoint, map);
        assert_contains(&load_error(checkpoint.path(), &options(false)), &[expected]);
    }
}

#[test]
fn refuses_damaged_weights() {
    let checkpoint = Scratch::of(SEQUENCE);
    let whole = fs::read(checkpoint.weights()).unwrap();
    for size in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(checkpoint.weights(), &whole[..size]).unwrap();
        let error = load_error(checkpoint.path(), &options(false));
        assert_contains(&error, &["model.safetensors: not a whole safetensors file", "Copy it again"]);
    }
    fs::remove_file(checkpoint.weights()).unwrap();
    let error = load_error(checkpoint.path(), &options(false));
    assert_contains(&error, &["has neither model.safetensors nor pytorch_model.bin", "model.safetensors.index.json"]);
}

#[test]
fn lists_tensors_that_do_not_fit() {
    let checkpoint = Scratch::of(SEQUENCE);
    checkpoint.change_weights(|mut tensors| {
        let square = tensors.iter_mut().filter(|(_, raw)| raw.shape == [24, 24]);
        square.for_each(|(_, raw)| raw.shape = vec![12, 48]);
        tensors
    });
    checkpoint.rename_weights(|name| match name {
        "bert.pooler.dense.bias" => None,
        "bert.encoder.layer.0.output.dense.bias" => Some("bert.encoder.layer.0.output.dense.offset".to_owned()),
        "classifier.bias" => Some("classifier.offset".to_owned()),
        name => Some(name.to_owned()),
    });
    let error = load_error(checkpoint.path(), &options(false));
    assert_contains(
        &error,
        &[
            "are not the BertForSequenceClassification of its config.json",
            "Missing: bert.encoder.layer.0.output.dense.bias, bert.pooler.dense.bias, classifier.bias.",
            "Not part of the model: bert.encoder.layer.0.output.dense.offset, classifier.offset.",
            "bert.encoder.layer.0.attention.self.query.weight (is [12, 48], expected [24, 24])",
            " more.",
            "name its `architecture`",
        ],
    );
    // A new head does not excuse an incomplete body.
    let error = load_error(checkpoint.path(), &as_class("BertForTokenClassification", &["a", "b"]));
    assert_contains(&error, &["Missing: bert.encoder.layer.0.output.dense.bias."]);
}

#[test]
fn refuses_weights_that_are_no_floating_point_numbers() {
    let checkpoint = Scratch::of(SEQUENCE);
    checkpoint.change_weights(|mut tensors| {
        let (_, raw) = tensors.iter_mut().find(|(name, _)| name == "classifier.bias").unwrap();
        raw.dtype = Dtype::I32;
        tensors
    });
    assert_contains(
        &load_error(checkpoint.path(), &options(false)),
        &["`classifier.bias` holds I32; supported are F32"],
    );
}

#[test]
fn refuses_a_config_that_is_not_supported() {
    let error = load_error(tempfile::tempdir().unwrap().path(), &options(false));
    assert_contains(&error, &["has no config.json", "save_pretrained"]);
    for (key, value, expected) in [
        (
            "model_type",
            json!("roberta"),
            "BertForSequenceClassification is made of a checkpoint of model_type `bert`, but",
        ),
        (
            "architectures",
            json!(["BertModel"]),
            "BertModel (model_type `bert`), which is not supported; supported are Bert",
        ),
        ("architectures", Value::Null, "it names no `architectures`"),
        ("hidden_size", Value::Null, "missing field `hidden_size`"),
        ("hidden_size", json!("large"), "`hidden_size`: the text \"large\"; expected a whole number"),
        ("num_attention_heads", json!(5), "`hidden_size` 24 is not a multiple of `num_attention_heads` 5"),
        ("num_attention_heads", json!(0), "`num_attention_heads` is 0; expected 1 or more"),
        ("num_attention_heads", json!(-4), "`num_attention_heads` is -4; expected 1 or more"),
        ("num_attention_heads", json!(2.5), "`num_attention_heads`: 2.5; expected a whole number"),
        ("layer_norm_eps", json!(-1.0), "`layer_norm_eps` is -1; expected 0 or more"),
        ("hidden_act", json!("mish"), "`hidden_act`: unknown variant `mish`, expected one of `gelu`"),
        ("hidden_dropout_prob", json!(1.0), "`hidden_dropout_prob` is 1; expected 0 or more and less than 1"),
        ("position_embedding_type", json!("relative_key"), "`position_embedding_type` is `relative_key`; only"),
        ("is_decoder", json!(true), "only encoders are supported"),
        ("pad_token_id", json!(89), "`pad_token_id` is 89; the vocabulary has 0 to 88"),
        ("id2label", json!({ "0": "a", "2": "b" }), "`id2label` is not an object of names under \"0\", \"1\""),
        ("problem_type", json!("ranking"), "`problem_type` is \"ranking\"; expected \"single_label_classification\""),
    ] {
        let checkpoint = Scratch::of(SEQUENCE);
        checkpoint.set(key, value);
        let error = load_error(checkpoint.path(), &options(false));
        assert_contains(&error, &["config.json", expected]);
    }
    let checkpoint = Scratch::of(SEQUENCE);
    checkpoint.set("id2label", json!({ "0": "score" }));
    checkpoint.set("problem_type", "single_label_classification");
    assert_contains(&load_error(checkpoint.path(), &options(false)), &["a classifier has 2 labels or more"]);
    let checkpoint = Scratch::of(SEQUENCE);
    fs::write(checkpoint.path().join("config.json"), "{").unwrap();
    assert_contains(&load_error(checkpoint.path(), &options(false)), &["config.json: not a JSON object"]);
    let error = from_config(&checkpoint.path().join("none.json"), &options(true)).err().unwrap();
    assert_contains(&error.to_string(), &["cannot read", "none.json"]);
}

/// Sizes that no machine can hold are compared with the weights before anything is allocated.
#[test]
fn refuses_sizes_that_the_weights_do_not_have() {
    for (key, value, expected) in [
        ("vocab_size", json!(4_294_967_296_u64), "`bert.embeddings.word_embeddings.weight` is [89, 24]; expected 89"),
        ("vocab_size", json!(1e30), "is [89, 24]; expected 89"),
        ("vocab_size", json!(u64::MAX), "is [89, 24]; expected 89"),
        ("vocab_size", json!(-1), "is [89, 24]; expected 89"),
        ("hidden_size", json!(1_000_000), "is [89, 24]; expected 24"),
        ("num_hidden_layers", json!(10_000_000), " layers; expected "),
        ("num_hidden_layers", json!(0), " layers; expected "),
        (
            "intermediate_size",
            json!(1_000_000_000_000_u64),
            "`bert.encoder.layer.0.intermediate.dense.weight` is [40, 24]",
        ),
        ("max_position_embeddings", json!(1_000_000_000_000_u64), "`bert.embeddings.position_embeddings.weight` is ["),
        ("type_vocab_size", json!(1_000_000_000_000_u64), "`bert.embeddings.token_type_embeddings.weight` is ["),
    ] {
        let checkpoint = Scratch::of(SEQUENCE);
        checkpoint.set(key, value.clone());
        let error = load_error(checkpoint.path(), &options(false));
        let found = format!("config.json: `{key}` is {value}, but in ");
        assert_contains(&error, &[&found, expected, "take config.json and weights from one checkpoint"]);
    }
}

/// Without weights, memory is the bound.
#[test]
fn refuses_sizes_that_no_memory_holds() {
    let huge = 1_000_000_000_000_u64;
    for (key, value) in [
        ("vocab_size", huge),
        ("hidden_size", 24 * huge),
        ("num_hidden_layers", huge),
        ("num_hidden_layers", i64::MAX as u64),
        ("intermediate_size", huge),
        ("max_position_embeddings", huge),
        ("type_vocab_size", huge),
    ] {
        let checkpoint = Scratch::of(SEQUENCE);
        checkpoint.set(key, value);
        let error = from_config(&checkpoint.path().join("config.json"), &options(true)).err().unwrap().to_string();
        assert_contains(
            &error,
            &["config.json: a model of these sizes has ", "GB of memory", &format!("`{key}` {value}")],
        );
    }
    let checkpoint = Scratch::of(SEQUENCE);
    checkpoint.set("id2label", Value::Null);
    for value in [json!(huge), json!(0), json!(-1), json!(1.5)] {
        checkpoint.set("num_labels", value.clone());
        let error = load_error(checkpoint.path(), &options(false));
        assert_contains(&error, &[&format!("`num_labels` is {value}; expected a whole number, 1 to 1048576")]);
    }
}

#[test]
fn a_token_classifier_may_come_with_an_unused_pooler() {
    let checkpoint = Scratch::of(TOKEN);
    checkpoint.change_weights(|mut tensors| {
        let norm = tensors.iter().find(|(name, _)| name == "bert.embeddings.LayerNorm.bias").unwrap().1.clone();
        tensors.push(("bert.pooler.dense.bias".to_owned(), norm));
        tensors
    });
    assert_eq!(load(checkpoint.path(), &options(false)).unwrap().left_out, ["bert.pooler.dense.bias"]);
}
