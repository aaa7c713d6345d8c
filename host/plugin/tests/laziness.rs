//! What a plugin reads is recorded, and gradients pass through it.

mod common;

use brewer::{Adaptor, OutputId, Outputs};
use brewer_plugin_host::Limits;
use common::{batch, guest, student};
use serde_json::json;
use tch::{Device, Kind, Tensor};

/// Seven hidden states of which the first `computed` are there.
fn outputs(computed: usize) -> Outputs {
    let layer = |position| (position < computed).then(|| Tensor::randn([3, 4, 8], (Kind::Float, Device::Cpu)));
    let mut outputs = Outputs::new();
    outputs.insert("logits", Some(Tensor::randn([3, 2], (Kind::Float, Device::Cpu))));
    outputs.insert_list("hidden_states", (0..7).map(layer).collect());
    outputs
}

fn hidden_state(layer: usize) -> OutputId {
    OutputId::Layer("hidden_states".into(), layer)
}

#[test]
fn taking_a_tensor_out_of_a_list_reads_that_layer() {
    let mut adaptor = guest(json!({ "do": "read-layer" }), Limits::default(), &[]);
    let outputs = outputs(7);
    adaptor.adapt(&student(0), &batch(), &outputs).unwrap();
    let wanted: Vec<_> = (0..7).filter(|&layer| outputs.read().wants_layer("hidden_states", layer)).collect();
    assert_eq!(wanted, [3]);
    assert!(outputs.read().wants("logits"));
    assert!(outputs.missed().is_empty());
}

#[test]
fn a_layer_that_was_not_computed_is_an_error_and_on_record() {
    let mut adaptor = guest(json!({ "do": "read-layer" }), Limits::default(), &[]);
    let outputs = outputs(2);
    let error = adaptor.adapt(&student(0), &batch(), &outputs).unwrap_err().to_string();
    assert!(error.contains("layer 3 of `hidden_states` was not computed"), "{error}");
    assert_eq!(Vec::from_iter(outputs.missed()), [hidden_state(3)]);
}

#[test]
fn all_that_is_missing_of_a_list_is_on_record_after_one_call() {
    let mut adaptor = guest(json!({ "do": "read-many" }), Limits::default(), &[]);
    let outputs = outputs(2);
    assert!(adaptor.adapt(&student(0), &batch(), &outputs).is_err());
    assert_eq!(Vec::from_iter(outputs.missed()), [hidden_state(2), hidden_state(3)]);
}

#[test]
fn a_loss_that_the_plugin_computed_has_a_gradient_in_the_student() {
    let mut adaptor = guest(json!({ "do": "loss" }), Limits::default(), &[]);
    let weight = Tensor::randn([3, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let mut outputs = Outputs::new();
    outputs.insert("logits", Some(&weight * 1.0));
    let features = adaptor.adapt(&student(0), &batch(), &outputs).unwrap();
    features.losses[0].backward();
    let expected = (weight.softmax(1, Kind::Float) - Tensor::from_slice(&[0i64, 1, 1]).one_hot(2)) * (2.0 / 3.0);
    assert!(weight.grad().allclose(&expected, 1e-5, 1e-6, false));
}

#[test]
fn under_no_grad_there_is_no_gradient() {
    let mut adaptor = guest(json!({ "do": "loss" }), Limits::default(), &[]);
    let weight = Tensor::randn([3, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let mut outputs = Outputs::new();
    outputs.insert("logits", Some(weight));
    let features = tch::no_grad(|| adaptor.adapt(&student(0), &batch(), &outputs).unwrap());
    assert!(!features.losses[0].requires_grad());
}

#[test]
fn a_tensor_of_a_kind_outside_the_contract_is_refused_when_it_is_read() {
    let mut adaptor = guest(json!({ "do": "read-many" }), Limits::default(), &[]);
    let mut outputs = outputs(7);
    let complex = || Some(Tensor::zeros([2], (Kind::ComplexFloat, Device::Cpu)));
    outputs.insert_list("hidden_states", (0..7).map(|_| complex()).collect());
    let error = adaptor.adapt(&student(0), &batch(), &outputs).unwrap_err().to_string();
    assert!(error.contains("`hidden_states` is of kind ComplexFloat, which plugins cannot use"), "{error}");
}
