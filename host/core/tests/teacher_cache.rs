//! What a cache of a teacher's features cannot hold.

#[path = "common/adapted.rs"]
mod adapted;

use adapted::{Adapt, assembled, mask, without_masks};
use brewer::{Features, Result};
use serde_json::{Value, json};
use tch::Tensor;

/// Opens the cache of a teacher whose features `adapt` makes.
fn open(distillation: Value, adapt: Adapt) -> Result<()> {
    let keys = [("distillation", distillation), ("teacher.cache", json!({ "path": "cache" }))];
    let (mut assembled, _folder) = assembled(&keys, adapt)?;
    assembled.session.check()?;
    assembled.session.open_caches()
}

fn one_match() -> Value {
    json!({ "intermediate_matches": [
        { "layer_T": 1, "layer_S": 1, "feature": "hidden", "loss": "hidden_mse", "weight": 1 }
    ]})
}

#[test]
fn a_loss_that_counts_padding_is_refused() {
    let error = open(one_match(), |_, _, outputs| without_masks(outputs)).unwrap_err().to_string();
    for part in ["the teacher cannot be cached", "unweighted_hidden_hidden_mse_1_1", "`inputs_mask`"] {
        assert!(error.contains(part), "{error}");
    }
    open(one_match(), |_, batch, outputs| Features { inputs_mask: mask(batch), ..without_masks(outputs) }).unwrap();
}

#[test]
fn a_tensor_without_a_row_for_each_example_is_refused() {
    let error = open(json!({}), |_, _, outputs| {
        // Every token twice: twice the length.
        let layer = outputs.layer("hidden_states", 1).unwrap();
        Features { logits: vec![Tensor::cat(&[layer, layer], 1)], ..Features::default() }
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`logits[0]` cannot be cached"), "{error}");
}
