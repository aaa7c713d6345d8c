//! Outputs and gradients of the models, against those that transformers computed (tests/parity/README.md).

mod common;

use std::collections::HashMap;

use brewer::model::Model;
use brewer::{OutputRequest, Task};
use common::{
    SEQUENCE, assert_close, assert_close_as_a_whole, batch_of, load_recorded, read_tensors, recorded, request, run,
    train, widen,
};
use tch::{Kind, Tensor};

/// Compares every output that was recorded. `compare` takes what it is, what was found and what was expected.
fn compare_outputs(model: &dyn Model, io: &HashMap<String, Tensor>, compare: impl Fn(&str, &Tensor, &Tensor)) {
    let outputs = run(model, &batch_of(io), &OutputRequest::everything());
    let mask = io["attention_mask"].to_kind(Kind::Bool);
    // A tensor `[batch, length, …]` at the positions whose mask is 1.
    let tokens = |tensor: &Tensor| tensor.index(&[Some(&mask)]);

    for &name in model.spec().task.logits() {
        let (logits, expected) = (outputs.tensor(name).unwrap(), &io[name]);
        match model.spec().task {
            Task::TokenLabels { .. } | Task::Spans | Task::MaskedLm { .. } => {
                compare(name, &tokens(logits), &tokens(expected));
            }
            _ => compare(name, logits, expected),
        }
    }
    compare("loss", outputs.tensor("loss").unwrap(), &io["loss"]);
    for layer in 0..=model.spec().num_layers.unwrap() {
        let found = outputs.layer("hidden_states", layer).unwrap();
        compare(&format!("hidden {layer}"), &tokens(found), &tokens(&io[&format!("hidden.{layer}")]));
    }
    for layer in 0..model.spec().num_layers.unwrap() {
        // `[batch, query, heads, key]`: the query at the place of the length.
        let found = outputs.layer("attentions", layer).unwrap().transpose(1, 2);
        let expected = io[&format!("attention.{layer}")].transpose(1, 2);
        compare(&format!("attention {layer}"), &tokens(&found), &tokens(&expected));
    }
}

/// The gradients of the loss, through the explicit attention (`everything`) or the fused one.
fn assert_gradients_agree(model: &dyn Model, io: &HashMap<String, Tensor>, request: &OutputRequest) {
    let outputs = train(model, &batch_of(io), request);
    outputs.tensor("loss").unwrap().backward();
    let recorded = io.keys().filter(|name| name.starts_with("grad.")).count();
    assert_eq!(model.parameters().iter().count(), recorded);
    // A small element carries the rounding of the large ones that it was summed with.
    let absolute =
        1e-6 * largest(io.iter().filter(|(name, _)| name.starts_with("grad.")).map(|(_, grad)| grad)).max(1.0);
    for (name, parameter) in model.parameters().iter() {
        let expected = &io[&format!("grad.{name}")];
        assert_close(&format!("gradient of {name}"), &parameter.grad(), expected, absolute, 1e-4);
    }
}

/// The largest magnitude in some tensors.
fn largest<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> f64 {
    tensors.into_iter().map(|tensor| tensor.abs().max().double_value(&[])).fold(0.0, f64::max)
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
        // The largest rounding of a recording is 1.12e-6.
        assert_close_as_a_whole(what, found, expected, 1.2e-6);
        // Of a hidden state, a small element carries the rounding of the large ones that it was normalized with.
        if !what.starts_with("hidden") {
            assert_close(what, found, expected, 1e-6 * largest([expected]).max(1.0), 1e-5);
        }
    });
}

#[test]
fn bert_sequence_classification() {
    assert_agrees("bert_sequence_classification");
}

#[test]
fn bert_token_classification() {
    assert_agrees("bert_token_classification");
}

#[test]
fn bert_multi_label() {
    assert_agrees("bert_multi_label");
}

#[test]
fn bert_regression() {
    assert_agrees("bert_regression");
}

#[test]
fn roberta_sequence_classification() {
    assert_agrees("roberta_sequence_classification");
}

#[test]
fn roberta_token_classification() {
    assert_agrees("roberta_token_classification");
}

#[test]
fn xlm_roberta_sequence_classification() {
    assert_agrees("xlm_roberta_sequence_classification");
}

#[test]
fn xlm_roberta_token_classification() {
    assert_agrees("xlm_roberta_token_classification");
}

#[test]
fn camembert_sequence_classification() {
    assert_agrees("camembert_sequence_classification");
}

#[test]
fn distilbert_sequence_classification() {
    assert_agrees("distilbert_sequence_classification");
}

#[test]
fn distilbert_token_classification() {
    assert_agrees("distilbert_token_classification");
}

#[test]
fn bert_masked_lm() {
    assert_agrees("bert_masked_lm");
}

#[test]
fn roberta_masked_lm() {
    assert_agrees("roberta_masked_lm");
}

#[test]
fn distilbert_masked_lm() {
    assert_agrees("distilbert_masked_lm");
}

#[test]
fn electra_sequence_classification() {
    assert_agrees("electra_sequence_classification");
}

#[test]
fn electra_token_classification() {
    assert_agrees("electra_token_classification");
}

#[test]
fn electra_masked_lm() {
    assert_agrees("electra_masked_lm");
}

#[test]
fn albert_sequence_classification() {
    assert_agrees("albert_sequence_classification");
}

#[test]
fn albert_token_classification() {
    assert_agrees("albert_token_classification");
}

#[test]
fn albert_masked_lm() {
    assert_agrees("albert_masked_lm");
}

#[test]
fn mpnet_sequence_classification() {
    assert_agrees("mpnet_sequence_classification");
}

#[test]
fn deberta_v2_sequence_classification() {
    assert_agrees("deberta_v2_sequence_classification");
}

#[test]
fn deberta_v2_token_classification() {
    assert_agrees("deberta_v2_token_classification");
}

#[test]
fn modernbert_sequence_classification() {
    assert_agrees("modernbert_sequence_classification");
}

#[test]
fn modernbert_token_classification() {
    assert_agrees("modernbert_token_classification");
}

#[test]
fn modernbert_masked_lm() {
    assert_agrees("modernbert_masked_lm");
}

#[test]
fn bert_question_answering() {
    assert_agrees("bert_question_answering");
}

#[test]
fn roberta_question_answering() {
    assert_agrees("roberta_question_answering");
}

#[test]
fn distilbert_question_answering() {
    assert_agrees("distilbert_question_answering");
}

#[test]
fn electra_question_answering() {
    assert_agrees("electra_question_answering");
}

#[test]
fn albert_question_answering() {
    assert_agrees("albert_question_answering");
}

#[test]
fn deberta_v2_question_answering() {
    assert_agrees("deberta_v2_question_answering");
}

#[test]
fn deberta_v2_options_question_answering() {
    assert_agrees("deberta_v2_options_question_answering");
}

#[test]
fn deberta_v2_masked_lm() {
    assert_agrees("deberta_v2_masked_lm");
}

#[test]
fn modernbert_options_sequence_classification() {
    assert_agrees("modernbert_options_sequence_classification");
}

#[test]
fn modernbert_question_answering() {
    assert_agrees("modernbert_question_answering");
}

#[test]
fn mpnet_token_classification() {
    assert_agrees("mpnet_token_classification");
}

#[test]
fn mpnet_question_answering() {
    assert_agrees("mpnet_question_answering");
}

#[test]
fn mpnet_masked_lm() {
    assert_agrees("mpnet_masked_lm");
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
            let explicit = run(&*model, batch, &OutputRequest::everything());
            let fused = run(&*model, batch, &request(&["logits"], &[("hidden_states", 3)]));
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
        let outputs = run(&*model, &batch, &request(&["logits"], &[]));
        outputs.tensor("logits").unwrap().shallow_clone()
    };
    assert_close("logits", &logits(short), &logits(long.into_iter().collect()), 0.0, 1e-7);
}
