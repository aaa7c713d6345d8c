//! What a cache of a teacher's features cannot hold.

use std::path::Path;

use brewer::assemble::{PluginSource, assemble};
use brewer::experiment::{Experiment, PluginSpec};
use brewer::{AdaptContext, Adaptor, Batch, Features, Outputs, Result, Role};
use serde_json::{Value, json};
use tch::Tensor;
use tempfile::TempDir;

/// What an adaptor makes of a model's outputs.
type Adapt = fn(Role, &Batch, &Outputs) -> Features;

struct Adapted(Adapt);

impl PluginSource for Adapted {
    fn adaptor(&mut self, _spec: &PluginSpec, _role: Role) -> Result<Box<dyn Adaptor>> {
        Ok(Box::new(Adapted(self.0)))
    }
}

impl Adaptor for Adapted {
    fn name(&self) -> &str {
        "the adaptor of the test"
    }

    fn adapt(&mut self, context: &AdaptContext, batch: &Batch, outputs: &Outputs) -> Result<Features> {
        Ok(self.0(context.role, batch, outputs))
    }
}

/// Opens the cache of a teacher whose features `adapt` makes.
fn open(distillation: Value, adapt: Adapt) -> Result<()> {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/runs/general_all_matches");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("experiment.json");
    // Rows of different lengths, so that a batch has padding.
    let rows: Vec<String> =
        (1..9).map(|length| json!({ "input_ids": vec![5; length], "labels": 0 }).to_string()).collect();
    std::fs::write(folder.path().join("train.jsonl"), rows.join("\n")).unwrap();
    let experiment = json!({
        "teacher": {
            "model": recorded.join("teacher_0"),
            "cache": { "path": "cache" },
        },
        "plugins": { "adaptor": { "path": "train.jsonl" } },
        "student": { "model": recorded.join("student_init") },
        "data": { "train": "train.jsonl", "batch_size": 4 },
        "training": { "num_epochs": 1, "device": "cpu" },
        "distillation": distillation,
    });
    std::fs::write(&file, experiment.to_string()).unwrap();
    let mut assembled = assemble(&Experiment::read(&file, &[]).unwrap(), &mut Adapted(adapt))?;
    assembled.session.check()?;
    assembled.session.open_caches()
}

fn hidden(outputs: &Outputs) -> Features {
    let layers = outputs.list("hidden_states").unwrap();
    let logits = vec![outputs.tensor("logits").unwrap().shallow_clone()];
    Features {
        hidden: layers.iter().map(|layer| layer.as_ref().map(|tensor| tensor.shallow_clone())).collect(),
        logits,
        ..Features::default()
    }
}

fn one_match() -> Value {
    json!({ "intermediate_matches": [
        { "layer_T": 1, "layer_S": 1, "feature": "hidden", "loss": "hidden_mse", "weight": 1 }
    ]})
}

#[test]
fn a_loss_that_counts_padding_is_refused() {
    let error = open(one_match(), |_, _, outputs| hidden(outputs)).unwrap_err().to_string();
    for part in ["the teacher cannot be cached", "unweighted_hidden_hidden_mse_1_1", "`inputs_mask`"] {
        assert!(error.contains(part), "{error}");
    }
    open(one_match(), |_, batch, outputs| {
        let mask = batch.get("attention_mask").unwrap().shallow_clone();
        Features { inputs_mask: Some(mask), ..hidden(outputs) }
    })
    .unwrap();
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
