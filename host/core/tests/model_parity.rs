//! Outputs and gradients of the models, against those that transformers computed (tests/parity/README.md).

mod common;

use std::collections::HashMap;

use brewer::OutputRequest;
use brewer::model::{Mode, Model};
use common::{
    SEQUENCE, TOKEN, assert_close, assert_close_as_a_whole, batch_of, load_recorded, read_tensors, recorded, request,
    widen,
};
use tch::{Kind, Tensor};

/// Compares every output that was recorded. `compare` takes what it is, what was found and what was expected.
fn compare_outputs(model: &dyn Model, io: &HashMap<String, Tensor>, compare: impl Fn(&str, &Tensor, &Tensor)) {
    let outputs = model.forward(&batch_of(io), &OutputRequest::everything(), Mode::Eval).unwrap();
    let mask = io["attention_mask"].to_kind(Kind::Bool);
    // A tensor `[batch, length, …]` at the positions whose mask is 1.
    let tokens = |tensor: &Tensor| tensor.index(&[Some(&mask)]);

    let (logits, expected) = (outputs.tensor("logits").unwrap(), &io["logits"]);
    if model.info().labels_per_token {
        compare("logits", &tokens(logits), &tokens(expected));
    } else {
        compare("logits", logits, expected);
    }
    compare("loss", outputs.tensor("loss").unwrap(), &io["loss"]);
    for layer in 0..=model.info().num_layers {
        let found = outputs.layer("hidden_states", layer).unwrap();
        compare(&format!("hidden {layer}"), &tokens(found), &tokens(&io[&format!("hidden.{layer}")]));
    }
    for layer in 0..model.info().num_layers {
        // `[batch, query, heads, key]`: the query at the place of the length.
        let found = outputs.layer("attentions", layer).unwrap().transpose(1, 2);
        let expected = io[&format!("attention.{layer}")].transpose(1, 2);
        compare(&format!("attention {layer}"), &tokens(&found), &tokens(&expected));
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

fn assert_agrees(name: &str) {
    let io = read_tensors(&recorded(name).join("io.safetensors"));
    let model = load_recorded(name).model;
    compare_outputs(&*model, &io, |what, found, expected| assert_close_as_a_whole(what, found, expected, 2e-6));
    assert_gradients_agree(&*load_recorded(name).model, &io, &OutputRequest::everything());
    assert_gradients_agree(&*load_recorded(name).model, &io, &request(&["loss"], &[]));

    // In float64 only the rounding of what was recorded is left, and it is the same on every processor.
    widen(&*model);
    compare_outputs(&*model, &io, |what, found, expected| {
        assert_close_as_a_whole(what, found, expected, 1e-6);
        // Of a hidden state, a small element carries the rounding of the large ones that it was normalized with.
        if !what.starts_with("hidden") {
            assert_close(what, found, expected, 1e-6, 1e-5);
        }
    });
}

#[test]
fn bert_sequence_classification() {
    assert_agrees(SEQUENCE);
}

#[test]
fn bert_token_classification() {
    assert_agrees(TOKEN);
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
    let compare = |compare: &dyn Fn(&str, &Tensor, &Tensor)| {
        for (what, batch) in [("padded", &padded), ("full", &full), ("nothing but padding", &nothing_but_padding)] {
            let explicit = model.forward(batch, &OutputRequest::everything(), Mode::Eval).unwrap();
            let fused = model.forward(batch, &request(&["logits"], &[("hidden_states", 3)]), Mode::Eval).unwrap();
            compare(what, fused.tensor("logits").unwrap(), explicit.tensor("logits").unwrap());
            compare(what, fused.layer("hidden_states", 3).unwrap(), explicit.layer("hidden_states", 3).unwrap());
        }
    };
    compare(&|what, fused, explicit| assert_close_as_a_whole(what, fused, explicit, 1e-6));
    widen(&*model);
    compare(&|what, fused, explicit| assert_close(what, fused, explicit, 1e-12, 0.0));
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
