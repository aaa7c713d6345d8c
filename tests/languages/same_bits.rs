//! The adaptor of sequence classification, in Rust and in every language.

use brewer::{Adaptor, Features, Layer, OutputId, Outputs};
use brewer_plugin_host::{PluginAdaptor, PluginOptions};
use tch::{Device, Kind, Tensor};

use crate::guests::{Language, batch, component, each_language, load, outputs, silent, student, teacher};

each_language!(check);

fn check(language: Language) {
    let plugin = language.sequence_classification();
    let mut adaptor = PluginAdaptor::new(&plugin).unwrap();
    let options = PluginOptions { log: silent(), ..Default::default() };
    let mut rust = PluginAdaptor::new(&load(&component("sequence-classification"), options)).unwrap();

    let mut per_token = outputs();
    per_token.insert("logits", Some(Tensor::randn([3, 4, 2], (Kind::Float, Device::Cpu))));
    let mut few = Outputs::new();
    few.insert("logits", Some(Tensor::randn([3, 2], (Kind::BFloat16, Device::Cpu))));
    for outputs in [outputs(), per_token, few] {
        for context in [student(0), teacher(0), teacher(1)] {
            let found = adaptor.adapt(&context, &batch(), &outputs).unwrap();
            assert_same(&found, &rust.adapt(&context, &batch(), &outputs).unwrap());
        }
    }
    passes_lists_on(&mut adaptor);
    reports_what_it_misses(&mut adaptor);
}

/// Layers that nobody reads stay uncomputed.
fn passes_lists_on(adaptor: &mut PluginAdaptor) {
    let mut outputs = outputs();
    outputs.insert_list("hidden_states", vec![None, None, None]);
    let found = adaptor.adapt(&teacher(0), &batch(), &outputs).unwrap();
    assert_eq!(found.hidden.iter().filter(|layer| layer.tensor.is_none()).count(), 3);
    assert!(outputs.missed().is_empty());
    assert!(!outputs.read().wants("hidden_states") && !outputs.read().wants("loss"));
}

fn reports_what_it_misses(adaptor: &mut PluginAdaptor) {
    let mut outputs = Outputs::new();
    outputs.insert("logits", None);
    let error = adaptor.adapt(&teacher(0), &batch(), &outputs).unwrap_err().to_string();
    assert!(error.contains("the output `logits` was not computed"), "{error}");
    assert_eq!(Vec::from_iter(outputs.missed()), [OutputId::Tensor("logits".into())]);
}

fn assert_same(left: &Features, right: &Features) {
    assert_equal("logits", &left.logits, &right.logits);
    assert_equal("logits_mask", &left.logits_mask, &right.logits_mask);
    assert_equal("labels", &left.labels, &right.labels);
    assert_equal("losses", &left.losses, &right.losses);
    assert_equal("inputs_mask", left.inputs_mask.as_slice(), right.inputs_mask.as_slice());
    assert_layers("hidden", &left.hidden, &right.hidden);
    assert_layers("attention", &left.attention, &right.attention);
}

fn assert_layers(name: &str, left: &[Layer], right: &[Layer]) {
    let origins = |layers: &[Layer]| layers.iter().map(|layer| layer.origin.clone()).collect::<Vec<_>>();
    assert_eq!(origins(left), origins(right), "{name}");
    let computed = |layers: &[Layer]| -> Vec<Tensor> {
        layers.iter().filter_map(|layer| layer.tensor.as_ref()).map(Tensor::shallow_clone).collect()
    };
    assert_equal(name, &computed(left), &computed(right));
}

fn assert_equal(name: &str, left: &[Tensor], right: &[Tensor]) {
    assert_eq!(left.len(), right.len(), "{name}");
    for (left, right) in left.iter().zip(right) {
        assert!(left.kind() == right.kind() && left.size() == right.size() && left.equal(right), "{name}");
    }
}
