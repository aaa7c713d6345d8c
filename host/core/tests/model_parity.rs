//! Outputs and gradients of the models, against those that transformers computed (tests/parity/README.md).

mod common;

use std::collections::HashMap;

use brewer::OutputRequest;
use brewer::model::{Mode, Model};
use common::{SEQUENCE, TOKEN, assert_close, batch_of, load_recorded, read_tensors, recorded, request};
use tch::{Kind, Tensor};

/// Compares at the positions whose mask is 1 in a tensor `[batch, length, …]`.
fn assert_tokens_close(what: &str, found: &Tensor, expected: &Tensor, mask: &Tensor) {
    let mask = mask.to_kind(Kind::Bool);
    let tokens = |tensor: &Tensor| tensor.index(&[Some(&mask)]);
    assert_close(what, &tokens(found), &tokens(expected), 1e-6, 1e-5);
}

fn assert_outputs_agree(model: &dyn Model, io: &HashMap<String, Tensor>, logits_per_token: bool) {
    let outputs = model.forward(&batch_of(io), &OutputRequest::everything(), Mode::Eval).unwrap();
    let mask = &io["attention_mask"];
    let logits = outputs.tensor("logits").unwrap();
    if logits_per_token {
        assert_tokens_close("logits", logits, &io["logits"], mask);
    } else {
        assert_close("logits", logits, &io["logits"], 1e-6, 1e-5);
    }
    assert_close("loss", outputs.tensor("loss").unwrap(), &io["loss"], 1e-6, 1e-5);
    for layer in 0..=model.info().num_layers {
        let found = outputs.layer("hidden_states", layer).unwrap();
        assert_tokens_close(&format!("hidden {layer}"), found, &io[&format!("hidden.{layer}")], mask);
    }
    for layer in 0..model.info().num_layers {
        // The query comes after the batch, as the length does in other outputs.
        let found = outputs.layer("attentions", layer).unwrap().transpose(1, 2);
        let expected = io[&format!("attention.{layer}")].transpose(1, 2);
        assert_tokens_close(&format!("attention {layer}"), &found, &expected, mask);
    }
}

/// The gradients of the loss, through the explicit attention (`everything`) or the fused one.
fn assert_gradients_agree(model: &dyn Model, io: &HashMap<String, Tensor>, request: &OutputRequest) {
    let outputs = model.forward(&batch_of(io), request, Mode::Train).unwrap();
    outputs.tensor("loss").unwrap().backward();
    let recorded = io.keys().filter(|name| name.starts_with("grad.")).count();
    assert_eq!(model.parameters().iter().count(), recorded);
    for (name, parameter) in model.parameters().iter() {
        let expected = &io[&format!("grad.{name}")];
        assert_close(&format!("gradient of {name}"), &parameter.grad(), expected, 1e-6, 1e-4);
    }
}

fn assert_agrees(name: &str, logits_per_token: bool) {
    let io = read_tensors(&recorded(name).join("io.safetensors"));
    assert_outputs_agree(&*load_recorded(name).model, &io, logits_per_token);
    assert_gradients_agree(&*load_recorded(name).model, &io, &OutputRequest::everything());
    assert_gradients_agree(&*load_recorded(name).model, &io, &request(&["loss"], &[]));
}

#[test]
fn bert_sequence_classification() {
    assert_agrees(SEQUENCE, false);
}

#[test]
fn bert_token_classification() {
    assert_agrees(TOKEN, true);
}

#[test]
fn fused_attention_agrees_with_explicit() {
    let io = read_tensors(&recorded(SEQUENCE).join("io.safetensors"));
    let model = load_recorded(SEQUENCE).model;
    let mut padded = batch_of(&io);
    let mut full = batch_of(&io);
    full.insert("attention_mask", io["attention_mask"].ones_like());
    let mut nothing_but_padding = batch_of(&io);
    nothing_but_padding.insert("attention_mask", io["attention_mask"].zeros_like());
    padded.insert("token_type_ids", io["attention_mask"].shallow_clone());
    for (what, batch) in [("padded", padded), ("full", full), ("nothing but padding", nothing_but_padding)] {
        let explicit = model.forward(&batch, &OutputRequest::everything(), Mode::Eval).unwrap();
        let fused = model.forward(&batch, &request(&["logits"], &[("hidden_states", 3)]), Mode::Eval).unwrap();
        assert_close(what, fused.tensor("logits").unwrap(), explicit.tensor("logits").unwrap(), 1e-6, 0.0);
        let last = fused.layer("hidden_states", 3).unwrap();
        // Hidden states are normalized and then scaled; up to a few units, of which 1e-6 is the last digit.
        assert_close(what, last, explicit.layer("hidden_states", 3).unwrap(), 1e-6, 1e-6);
    }
}

#[test]
fn absent_columns_have_their_defaults() {
    let io = read_tensors(&recorded(SEQUENCE).join("io.safetensors"));
    let model = load_recorded(SEQUENCE).model;
    let ids = &io["input_ids"];
    let short = [("input_ids", ids.shallow_clone())].into_iter().collect();
    let long =
        [("input_ids", ids.shallow_clone()), ("attention_mask", ids.ones_like()), ("token_type_ids", ids.zeros_like())];
    let logits = |batch| {
        let outputs = model.forward(&batch, &request(&["logits"], &[]), Mode::Eval).unwrap();
        outputs.tensor("logits").unwrap().shallow_clone()
    };
    assert_close("logits", &logits(short), &logits(long.into_iter().collect()), 0.0, 1e-7);
}
