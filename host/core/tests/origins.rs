//! Where layers come from is recorded: after the check a model computes what the loss uses and what adaptors read.

#[path = "common/adapted.rs"]
mod adapted;
mod common;

use std::rc::Rc;

use adapted::{Adapt, Adapted, assembled, mask, without_masks};
use brewer::model::load;
use brewer::train::{Branch, ForwardArguments};
use brewer::{Adaptor, Batch, Features, Layer, Outputs, Result, RoleState, Side, StepContext};
use common::{SEQUENCE, Scratch, computed, generator, options};
use serde_json::json;
use tch::{Device, Kind, Tensor};

fn batch(rows: i64) -> Batch {
    let options = (Kind::Int64, Device::Cpu);
    [
        ("input_ids", Tensor::full([rows, 3], 5, options)),
        ("attention_mask", Tensor::ones([rows, 3], options)),
        ("labels", Tensor::zeros([rows], options)),
    ]
    .into_iter()
    .collect()
}

/// Which hidden states the student computes after the check, where a match compares those at position 1 of both sides.
fn hidden_states_after_check(adapt: Adapt) -> Vec<bool> {
    let matches = json!([{ "layer_T": 1, "layer_S": 1, "feature": "hidden", "loss": "hidden_mse", "weight": 1 }]);
    let (mut assembled, _folder) = assembled(&[("distillation.intermediate_matches", matches)], adapt).unwrap();
    assembled.session.check().unwrap();
    let (_, outputs) = assembled.session.tasks[0].student.features(&batch(2), &StepContext::default(), None).unwrap();
    assert!(assembled.session.repeats().is_empty());
    assert_eq!(computed(&outputs, "attentions"), [false; 2]);
    computed(&outputs, "hidden_states")
}

#[test]
fn a_layer_that_is_passed_on_is_computed_alone() {
    let _generator = generator();
    let passed_on: Adapt = |_, batch, outputs| Features { inputs_mask: mask(batch), ..without_masks(outputs) };
    assert_eq!(hidden_states_after_check(passed_on), [false, true, false]);
    let in_another_order: Adapt = |_, batch, outputs| {
        let mut features = Features { inputs_mask: mask(batch), ..without_masks(outputs) };
        features.hidden.swap(1, 2);
        features
    };
    assert_eq!(hidden_states_after_check(in_another_order), [false, false, true]);
}

#[test]
fn what_is_computed_from_a_layer_reads_that_layer() {
    let _generator = generator();
    let copied: Adapt = |_, batch, outputs| {
        let mut features = Features { inputs_mask: mask(batch), ..without_masks(outputs) };
        features.hidden[1] = Layer::from(outputs.layer("hidden_states", 2).unwrap() * 1.0);
        features
    };
    assert_eq!(hidden_states_after_check(copied), [false, false, true]);
    // It lies where layer 1 lies in memory, and is computed from layers 1 and 0.
    let at_the_same_address: Adapt = |_, batch, outputs| {
        let mut features = Features { inputs_mask: mask(batch), ..without_masks(outputs) };
        let layer = outputs.layer("hidden_states", 1).unwrap().transpose(1, 2).transpose(1, 2);
        features.losses = vec![outputs.layer("hidden_states", 0).unwrap().mean(Kind::Float)];
        features.hidden = vec![Layer::from(layer.shallow_clone()), Layer::from(layer)];
        features
    };
    assert_eq!(hidden_states_after_check(at_the_same_address), [true, true, false]);
}

/// Reads layer 2 of batches of one example.
const LATE: Adapt = |role, batch, outputs| {
    if role == Side::Student && batch.len() == 1 {
        outputs.layer("hidden_states", 2);
    }
    without_masks(outputs)
};

#[test]
fn a_forward_that_is_repeated_is_counted_and_said() {
    let _generator = generator();
    let (mut assembled, _folder) = assembled(&[], LATE).unwrap();
    assembled.session.check().unwrap();
    // What one batch reads is not computed for the next one: a run that is resumed in between computes the same.
    for (rows, computes, times) in [(1, true, "once"), (2, false, "once"), (1, true, "2 times")] {
        let (_, outputs) =
            assembled.session.tasks[0].student.features(&batch(rows), &StepContext::default(), None).unwrap();
        assert_eq!(computed(&outputs, "hidden_states"), [false, false, computes]);
        let expected = format!(
            "the forward of the student was repeated {times}: the adaptor of the test read layer 2 of `hidden_states`, and \
             did not in the check before step 0. To compute it once, read it in the check as well"
        );
        assert_eq!(assembled.session.repeats(), [expected]);
    }
}

/// Counts the batches that it was called for, and reads as `LATE` does.
struct Counting {
    count: u8,
}

impl Adaptor for Counting {
    fn name(&self) -> &str {
        "the adaptor of the test"
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        Some(self)
    }

    fn adapt(&mut self, context: &StepContext, batch: &Batch, outputs: &Outputs) -> Result<Features> {
        self.count += 1;
        Adapted(LATE).adapt(context, batch, outputs)
    }
}

impl RoleState for Counting {
    fn owner(&self) -> &str {
        self.name()
    }

    fn sha256(&self) -> &str {
        ""
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(vec![self.count])
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        self.count = bytes[0];
        Ok(())
    }
}

#[test]
fn an_adaptor_that_is_called_again_for_a_batch_remembers_one_call() {
    let _generator = generator();
    let recorded = Scratch::of(SEQUENCE);
    let model = Rc::from(load(recorded.path(), &options(true)).unwrap().model);
    let adaptor = Box::new(Counting { count: 0 });
    let mut branch = Branch::new(Side::Student, None, model, ForwardArguments::default(), adaptor);
    let (_, outputs) = branch.features(&batch(2), &StepContext::default(), None).unwrap();
    branch.narrow(&outputs);
    for _ in 0..2 {
        branch.features(&batch(1), &StepContext::default(), None).unwrap();
    }
    assert!(branch.repeats().unwrap().contains("2 times"));
    assert_eq!(branch.adaptor.state().unwrap().save().unwrap(), [3]);
}

#[test]
fn a_forward_that_is_repeated_draws_the_same_dropout() {
    let _generator = generator();
    let recorded = Scratch::of(SEQUENCE);
    recorded.set("hidden_dropout_prob", 0.5);
    let model = Rc::from(load(recorded.path(), &options(true)).unwrap().model);
    let mut branch = Branch::new(Side::Student, None, model, ForwardArguments::default(), Box::new(Adapted(LATE)));
    let (_, outputs) = branch.features(&batch(2), &StepContext::default(), None).unwrap();
    branch.narrow(&outputs);
    let mut logits =
        |seed| branch.features(&batch(1), &StepContext::default(), Some(seed)).unwrap().0.logits.swap_remove(0);
    let (repeated, once, other) = (logits(7), logits(7), logits(8));
    assert!(repeated.equal(&once) && !repeated.equal(&other));
    assert!(branch.repeats().is_some());
}
