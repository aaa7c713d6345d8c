//! What a forward computes and leaves out, and what it refuses.

mod common;

use brewer::model::load;
use brewer::{Batch, Fault, OutputId, OutputRequest, Pass, Task};
use common::{
    SEQUENCE, Scratch, TOKEN, batch_of, computed, load_recorded, options, read_tensors, recorded, request, run, train,
};
use tch::{Kind, Tensor};

fn recorded_batch(name: &str) -> Batch {
    batch_of(&read_tensors(&recorded(name).join("io.safetensors")))
}

#[test]
fn computes_only_what_is_asked_for() {
    let model = load_recorded(SEQUENCE).model;
    let batch = recorded_batch(SEQUENCE);
    let forward = |request: &OutputRequest| run(&*model, &batch, request);

    let outputs = forward(&request(&[], &[("hidden_states", 2)]));
    assert_eq!(computed(&outputs, "hidden_states"), [false, false, true, false]);
    assert_eq!(computed(&outputs, "attentions"), [false; 3]);
    assert!(outputs.tensor("logits").is_none() && outputs.contains("logits"));
    assert!(outputs.tensor("loss").is_none() && outputs.contains("loss"));
    assert!(outputs.tensor("pooler_output").is_none() && outputs.contains("pooler_output"));

    let outputs = forward(&request(&["logits"], &[("attentions", 1)]));
    assert_eq!(computed(&outputs, "attentions"), [false, true, false]);
    assert!(outputs.tensor("logits").is_some() && outputs.tensor("loss").is_none());

    let outputs = forward(&request(&["pooler_output"], &[]));
    assert_eq!(outputs.tensor("pooler_output").unwrap().size(), [3, 24]);
    assert!(outputs.tensor("logits").is_none());

    let outputs = forward(&OutputRequest::nothing());
    assert_eq!(computed(&outputs, "hidden_states"), [false; 4]);
    let names: Vec<_> = outputs.names().collect();
    assert_eq!(names, ["loss", "logits", "hidden_states", "attentions", "pooler_output"]);
}

/// Broken weights above what is wanted show that nothing above was run: they would make an output that reads them NaN.
#[test]
fn stops_above_the_last_wanted_layer() {
    let model = load_recorded(SEQUENCE).model;
    let batch = recorded_batch(SEQUENCE);
    let asked = request(&[], &[("hidden_states", 1), ("attentions", 1)]);
    for name in ["attention.self.value.weight", "output.dense.weight"] {
        let parameter = model.parameters().get(&format!("bert.encoder.layer.1.{name}")).unwrap();
        let _ = tch::no_grad(|| parameter.shallow_clone().fill_(f64::NAN));
    }
    let outputs = run(&*model, &batch, &asked);
    let map = outputs.layer("attentions", 1).unwrap();
    assert_eq!(map.isnan().any().int64_value(&[]), 0);
    assert_eq!(computed(&outputs, "attentions"), [false, true, false]);
    // The map comes from the query and the key alone: the values are not even projected for it.
    map.sum(Kind::Float).backward();
    let gradient = |name: &str| model.parameters().get(&format!("bert.encoder.layer.1.{name}")).unwrap().grad();
    assert!(gradient("attention.self.query.weight").defined());
    assert!(!gradient("attention.self.value.weight").defined());
}

#[test]
fn outputs_depend_on_the_class_and_the_batch() {
    let model = load_recorded(TOKEN).model;
    let mut batch = Batch::new();
    batch.insert("input_ids", recorded_batch(TOKEN).get("input_ids").unwrap().shallow_clone());
    let outputs = run(&*model, &batch, &OutputRequest::everything());
    let names: Vec<_> = outputs.names().collect();
    assert_eq!(names, ["logits", "hidden_states", "attentions"], "no pooler, and no loss without labels");
    assert!(matches!(model.spec().task, Task::TokenLabels { .. }));
}

#[test]
fn drops_out_only_in_training() {
    let checkpoint = Scratch::of(SEQUENCE);
    checkpoint.set("hidden_dropout_prob", 0.5);
    checkpoint.set("attention_probs_dropout_prob", 0.5);
    let model = load(checkpoint.path(), &options(true)).unwrap().model;
    let batch = recorded_batch(SEQUENCE);
    let everything = OutputRequest::everything();
    let (first, second) = (run(&*model, &batch, &everything), run(&*model, &batch, &everything));
    assert_eq!(first.tensor("logits").unwrap(), second.tensor("logits").unwrap());
    let trained = train(&*model, &batch, &everything);
    assert_ne!(first.tensor("logits").unwrap(), trained.tensor("logits").unwrap());
    let zeros = |map: &Tensor| (map.eq(0.0).sum(Kind::Int64).int64_value(&[]), map.numel() as i64);
    let (dropped, all) = zeros(trained.layer("attentions", 0).unwrap());
    assert!(dropped > all * 2 / 5, "the probabilities are those after dropout, {dropped} of {all} are 0");
}

#[test]
fn a_label_of_minus_100_is_ignored() {
    let model = load_recorded(SEQUENCE).model;
    let mut batch = recorded_batch(SEQUENCE);
    let loss = |batch: &Batch| {
        let outputs = run(&*model, batch, &request(&["loss"], &[]));
        outputs.tensor("loss").unwrap().double_value(&[])
    };
    batch.insert("labels", Tensor::from_slice(&[1_i64, -100, -100]));
    let first = loss(&batch);
    let one: Batch = batch.iter().map(|(name, tensor)| (name, tensor.narrow(0, 0, 1))).collect();
    assert!((first - loss(&one)).abs() < 1e-6);
}

#[test]
fn refuses_what_does_not_fit() {
    let model = load_recorded(SEQUENCE).model;
    let error = |name: &str, tensor: Option<Tensor>| {
        let mut batch: Batch = recorded_batch(SEQUENCE)
            .iter()
            .filter(|(column, _)| *column != name)
            .map(|(name, tensor)| (name, tensor.shallow_clone()))
            .collect();
        if let Some(tensor) = tensor {
            batch.insert(name, tensor);
        }
        let everything = OutputRequest::everything();
        let error = model.forward(&batch, &mut Pass::evaluation(&everything)).unwrap_err();
        assert_eq!(error.fault(), Fault::Input, "{error}");
        error.to_string()
    };
    let ids = |shape: &[i64]| Tensor::ones(shape, (Kind::Int64, tch::Device::Cpu));
    for (name, tensor, expected) in [
        ("input_ids", None, "the batch has no `input_ids`; the model needs integers [batch, length]"),
        ("input_ids", Some(ids(&[4])), "`input_ids` is Int64 [4]; the model takes integers [batch, length]"),
        ("input_ids", Some(ids(&[3, 0])), "`input_ids` is Int64 [3, 0]; the model takes at least one example"),
        ("input_ids", Some(ids(&[3, 11]).to_kind(Kind::Float)), "`input_ids` is Float [3, 11]; the model takes int64"),
        ("input_ids", Some(ids(&[3, 41])), "41 tokens long; the model takes at most 40 tokens; set `max_length`"),
        ("input_ids", Some(ids(&[3, 11]) * 89), "`input_ids` is 89 at some position; the model takes 0 to 88"),
        ("input_ids", Some(ids(&[3, 11]) * -1), "`input_ids` is -1 at some position; the model takes 0 to 88"),
        ("token_type_ids", Some(ids(&[3, 11]) * 2), "`token_type_ids` is 2 at some position; the model takes 0 to 1"),
        ("token_type_ids", Some(ids(&[3, 10])), "`token_type_ids` is Int64 [3, 10]; the model takes int64 [3, 11]"),
        ("attention_mask", Some(ids(&[3, 10])), "`attention_mask` is Int64 [3, 10]; the model takes the shape of"),
        ("labels", Some(ids(&[3]) * 3), "`labels` is 3 at some position; the model takes 0 to 2: it has 3 classes"),
        ("labels", Some(ids(&[3]) * -1), "`labels` is -1 at some position; the model takes 0 to 2"),
        ("labels", Some(ids(&[3, 1])), "`labels` is Int64 [3, 1]; the model takes int64 [3]"),
        ("labels", Some(ids(&[3]).to_kind(Kind::Float)), "`labels` is Float [3]; the model takes int64 [3]"),
    ] {
        let found = error(name, tensor);
        assert!(found.contains(expected), "found {found:?}\nexpected {expected:?}");
    }
}

#[test]
fn outputs_of_modules_are_there_when_they_are_asked_for() {
    let model = load_recorded(SEQUENCE).model;
    let io = read_tensors(&recorded(SEQUENCE).join("io.safetensors"));
    let batch = batch_of(&io);
    let outputs = run(&*model, &batch, &request(&["logits"], &[]));
    assert!(outputs.module("bert.encoder.layer.0.output").is_none());
    assert!(outputs.module("bert.encoder.layer.99.output").is_none());
    // What the model does not have cannot be asked for.
    assert_eq!(Vec::from_iter(outputs.missed()), [OutputId::Module("bert.encoder.layer.0.output".into())]);

    let mut everything = OutputRequest::everything();
    outputs.modules().iter().for_each(|name| everything.add_module(name));
    let outputs = run(&*model, &batch, &everything);
    let module = |name: &str| outputs.module(name).unwrap_or_else(|| panic!("no {name}")).shallow_clone();
    for name in outputs.modules() {
        assert_eq!(module(name).size()[0], io["input_ids"].size()[0], "{name}");
    }
    let hidden = |layer| outputs.layer("hidden_states", layer).unwrap();
    assert!(module("bert.embeddings").equal(hidden(0)));
    assert!(module("bert.encoder.layer.1").equal(hidden(2)));
    assert!(module("bert.pooler").equal(outputs.tensor("pooler_output").unwrap()));

    // softmax(Q Kᵀ / √d) is what the attention map is, where nothing is masked.
    let heads = model.spec().num_attention_heads.unwrap();
    let split = |name: &str| {
        let output = module(&format!("bert.encoder.layer.0.attention.self.{name}"));
        let (batch, length, size) = output.size3().unwrap();
        output.view([batch, length, heads, size / heads]).transpose(1, 2)
    };
    let (query, key) = (split("query"), split("key"));
    let head_size = *query.size().last().unwrap() as f64;
    let scores = query.matmul(&key.transpose(-2, -1)) / head_size.sqrt();
    let padding = io["attention_mask"].eq(0).unsqueeze(1).unsqueeze(1);
    let map = scores.masked_fill(&padding, f64::NEG_INFINITY).softmax(-1, tch::Kind::Float);
    assert!(map.allclose(outputs.layer("attentions", 0).unwrap(), 1e-5, 1e-6, false));
    assert!(
        map.matmul(&split("value"))
            .transpose(1, 2)
            .reshape(module("bert.encoder.layer.0.attention.self").size())
            .allclose(&module("bert.encoder.layer.0.attention.self"), 1e-5, 1e-6, false)
    );
}
