//! Random operations with wild arguments never bring the host down, and the same seed gives the same bits.

mod common;

use brewer::{Adaptor, Batch, Output, Outputs};
use brewer_plugin_host::{Limits, Permission, PluginOptions};
use common::{adaptor_with, batch, outputs, same, silent, student};
use tch::Tensor;

#[test]
fn wild_operations_never_bring_the_host_down() {
    let limits = Limits { tensor_elements: 1 << 16, tensor_bytes: 1 << 26, work: 1 << 30, ..Limits::default() };
    let permissions = [Permission::ReadValues].into();
    let options = PluginOptions { limits, permissions, seed: 7, log: silent(), ..Default::default() };
    let mut adaptor = adaptor_with("guest-operations", options);
    let (batch, outputs) = (batch(), outputs());
    let before = tensors(&batch, &outputs);
    let mut succeeded = 0;
    for step in 0..100 {
        let first = adaptor.adapt(&student(step), &batch, &outputs);
        let again = adaptor.adapt(&student(step), &batch, &outputs);
        match (first, again) {
            (Ok(first), Ok(again)) => {
                succeeded += 1;
                let (first, again) = (&first.losses[0], &again.losses[0]);
                assert_eq!(first.to_string(1000).unwrap(), again.to_string(1000).unwrap(), "step {step}");
            }
            (Err(first), Err(again)) => assert_eq!(first.to_string(), again.to_string()),
            (first, again) => panic!("step {step}: {first:?} and {again:?}"),
        }
    }
    assert!(succeeded > 90, "{succeeded} of 100 calls came to an end");
    for ((name, before), (_, after)) in before.iter().zip(tensors(&batch, &outputs)) {
        assert!(same(before, &after), "a guest has changed `{name}`");
    }
}

/// Copies of all that a guest is given.
fn tensors(batch: &Batch, outputs: &Outputs) -> Vec<(String, Tensor)> {
    let batch = batch.iter().map(|(name, tensor)| (name.to_owned(), tensor.copy()));
    let outputs = outputs.names().flat_map(|name| match outputs.peek(name) {
        Some(Output::Tensor(Some(tensor))) => vec![(name.to_owned(), tensor.copy())],
        Some(Output::List(layers)) => layers.iter().flatten().map(|layer| (name.to_owned(), layer.copy())).collect(),
        _ => vec![],
    });
    batch.chain(outputs).collect()
}
