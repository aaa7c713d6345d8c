//! An experiment whose adaptor is a function of the test.

use std::path::Path;

use brewer::assemble::{Assembled, PluginSource, assemble};
use brewer::experiment::{Experiment, PluginSpec};
use brewer::{Adaptor, Batch, Features, Outputs, Result, Side, StepContext};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What an adaptor makes of a model's outputs.
pub type Adapt = fn(Side, &Batch, &Outputs) -> Features;

/// An adaptor that is a function.
pub struct Adapted(pub Adapt);

impl PluginSource for Adapted {
    fn digest(&mut self, _: &PluginSpec) -> Result<String> {
        Ok("sha256:of-a-test".to_owned())
    }

    fn adaptor(&mut self, _spec: &PluginSpec) -> Result<Box<dyn Adaptor>> {
        Ok(Box::new(Adapted(self.0)))
    }
}

impl Adaptor for Adapted {
    fn name(&self) -> &str {
        "the adaptor of the test"
    }

    fn adapt(&mut self, context: &StepContext, batch: &Batch, outputs: &Outputs) -> Result<Features> {
        Ok(self.0(context.side.unwrap(), batch, outputs))
    }
}

/// A recorded teacher and student, rows of one to eight tokens, the features that `adapt` makes, and these keys of the
/// experiment. The folder is all that the experiment writes to.
pub fn assembled(keys: &[(&str, Value)], adapt: Adapt) -> Result<(Assembled, TempDir)> {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/runs/general_all_matches");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("experiment.json");
    let rows = (1..9).map(|length| json!({ "input_ids": vec![5; length], "labels": 0 }).to_string());
    std::fs::write(folder.path().join("train.jsonl"), rows.collect::<Vec<_>>().join("\n")).unwrap();
    let mut experiment = json!({
        "teacher": { "model": recorded.join("teacher_0") },
        "student": { "model": recorded.join("student_init") },
        "data": { "train": "train.jsonl", "batch_size": 4 },
        "training": { "num_epochs": 1, "device": "cpu" },
        "plugins": { "adaptor": { "path": "train.jsonl" } },
    });
    for (key, value) in keys {
        let place = key.split('.').fold(&mut experiment, |place, part| &mut place[part]);
        *place = value.clone();
    }
    std::fs::write(&file, experiment.to_string()).unwrap();
    let assembled = assemble(&Experiment::read(&file, &[]).unwrap(), &mut Adapted(adapt), &|_| {})?;
    Ok((assembled, folder))
}

/// All that the built-in adaptor returns, but the masks.
pub fn without_masks(outputs: &Outputs) -> Features {
    Features {
        logits: vec![outputs.tensor("logits").unwrap().shallow_clone()],
        hidden: outputs.list("hidden_states").unwrap(),
        attention: outputs.list("attentions").unwrap(),
        losses: outputs.tensor("loss").map(|loss| vec![loss.shallow_clone()]).unwrap_or_default(),
        ..Features::default()
    }
}

/// The mask of the tokens.
pub fn mask(batch: &Batch) -> Option<tch::Tensor> {
    batch.get("attention_mask").map(|mask| mask.shallow_clone())
}
