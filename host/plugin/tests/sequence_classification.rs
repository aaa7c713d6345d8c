//! The official plugin gives what the built-in adaptor gives.

mod common;

use brewer::{Adaptor, OutputId, Outputs, adaptor::ByName};
use brewer_plugin_host::PluginOptions;
use common::{adaptor_with, assert_same, batch, outputs, silent, student, teacher};
use tch::{Device, Kind, Tensor};

fn options() -> PluginOptions {
    PluginOptions { log: silent(), ..Default::default() }
}

#[test]
fn the_plugin_returns_what_the_built_in_adaptor_returns() {
    let mut plugin = adaptor_with("sequence-classification", options());
    let (batch, outputs) = (batch(), outputs());
    for context in [student(0), student(1), teacher(0), teacher(1)] {
        let found = plugin.adapt(&context, &batch, &outputs).unwrap();
        assert_same(&found, &ByName.adapt(&context, &batch, &outputs).unwrap());
    }
}

#[test]
fn logits_of_tokens_get_a_mask() {
    let mut plugin = adaptor_with("sequence-classification", options());
    let mut outputs = Outputs::new();
    outputs.insert("logits", Some(Tensor::randn([3, 4, 5], (Kind::Float, Device::Cpu))));
    let found = plugin.adapt(&teacher(0), &batch(), &outputs).unwrap();
    assert_eq!(found.logits_mask.len(), 1);
    assert_same(&found, &ByName.adapt(&teacher(0), &batch(), &outputs).unwrap());
}

#[test]
fn what_was_not_computed_is_reported_as_missed() {
    let mut plugin = adaptor_with("sequence-classification", options());
    let mut outputs = Outputs::new();
    outputs.insert("logits", None);
    let error = plugin.adapt(&teacher(0), &batch(), &outputs).unwrap_err().to_string();
    assert!(error.contains("the output `logits` was not computed"), "{error}");
    assert_eq!(Vec::from_iter(outputs.missed()), [OutputId::Tensor("logits".into())]);
}

#[test]
fn passing_a_list_on_reads_none_of_it() {
    let mut plugin = adaptor_with("sequence-classification", options());
    let mut outputs = outputs();
    outputs.insert_list("hidden_states", vec![None, None, None]);
    let found = plugin.adapt(&teacher(0), &batch(), &outputs).unwrap();
    assert_eq!(found.hidden.len(), 3);
    assert!(found.hidden.iter().all(|layer| layer.tensor.is_none()));
    assert!(outputs.missed().is_empty());
    assert!(!outputs.read().wants("hidden_states"));
    assert!(!outputs.read().wants("loss"), "a teacher's loss is not read");
}
