//! Features that a loss cannot be computed from are refused before step 0, by name.

#[path = "common/adapted.rs"]
mod adapted;

use adapted::{Adapt, assembled, mask, without_masks};
use brewer::{Features, Side};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

#[track_caller]
fn refused(distillation: Value, adapt: Adapt, expected: &[&str]) {
    let (mut assembled, _folder) = assembled(&[("distillation", distillation)], adapt).unwrap();
    let error = assembled.session.check().unwrap_err().to_string();
    for part in expected {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

fn one_match(feature: &str, loss: &str) -> Value {
    json!({ "intermediate_matches": [{ "layer_T": 1, "layer_S": 1, "feature": feature, "loss": loss, "weight": 1 }] })
}

#[test]
fn a_feature_that_is_not_there_is_named() {
    let only_logits: Adapt = |_, _, outputs| Features { logits: without_masks(outputs).logits, ..Features::default() };
    refused(one_match("hidden", "hidden_mse"), only_logits, &["the adaptor of the test", "`hidden`", "student"]);
    refused(one_match("attention", "attention_mse"), only_logits, &["`attention`"]);
    refused(json!({ "hard_label_weight": 1 }), only_logits, &["`losses`", "student"]);
    refused(json!({ "probability_shift": true }), only_logits, &["`labels`", "probability_shift"]);
    refused(json!({}), |_, _, _| Features::default(), &["the adaptor of the test"]);
}

#[test]
fn masks_have_the_shape_of_what_they_mask() {
    let cut: Adapt = |_, batch, outputs| Features {
        inputs_mask: mask(batch).map(|mask| mask.narrow(1, 0, 2)),
        ..without_masks(outputs)
    };
    refused(one_match("hidden", "hidden_mse"), cut, &["`inputs_mask`", "2]"]);
    // A mask of other positions than a layer's would broadcast with it, to a matrix for each example.
    let crossed: Adapt = |_, _, outputs| {
        let mut features = without_masks(outputs);
        let layers = [[4, -1, 1], [4, 1, -1]];
        let hidden = features.hidden.iter().zip(layers).map(|(layer, shape)| layer.as_ref().unwrap().reshape(shape));
        let hidden: Vec<Tensor> = hidden.collect();
        let mask = Tensor::ones([4, hidden[0].size()[1]], (Kind::Int64, tch::Device::Cpu));
        features.hidden = hidden.into_iter().map(Some).collect();
        Features { inputs_mask: Some(mask), ..features }
    };
    refused(one_match("hidden", "hidden_mse"), crossed, &["`inputs_mask` int64 [4, ", "expected [4, 1] for the layer"]);
    let narrow: Adapt = |_, batch, outputs| {
        let features = without_masks(outputs);
        let keys = features.attention.iter().map(|layer| layer.as_ref().map(|layer| layer.narrow(-1, 0, 1)));
        Features { attention: keys.collect(), inputs_mask: mask(batch), ..features }
    };
    for loss in ["attention_mse", "attention_ce"] {
        refused(one_match("attention", loss), narrow, &["`inputs_mask` int64 [4, ", "expected [4, 1] for the layer"]);
    }
    let twice: Adapt = |_, batch, outputs| {
        let masks = mask(batch).into_iter().chain(mask(batch)).collect();
        Features { logits_mask: masks, ..without_masks(outputs) }
    };
    refused(json!({}), twice, &["`logits_mask`", "2 tensors"]);
}

#[test]
fn lists_of_teacher_and_student_have_one_length() {
    let twice: Adapt = |side, _, outputs| {
        let mut features = without_masks(outputs);
        if side == Side::Student {
            features.logits.push(features.logits[0].shallow_clone());
        }
        features
    };
    refused(json!({}), twice, &["logits", "2", "1"]);
    let labels: Adapt = |_, _, outputs| {
        let label = Tensor::zeros([4], (Kind::Int64, tch::Device::Cpu));
        Features { labels: vec![label.shallow_clone(), label], ..without_masks(outputs) }
    };
    refused(json!({ "probability_shift": true }), labels, &["`labels`", "2 tensors", "1, one for each"]);
}

#[test]
fn labels_are_classes_of_the_logits() {
    let others: Adapt = |_, _, outputs| {
        let labels = vec![Tensor::full([4], 9, (Kind::Int64, tch::Device::Cpu))];
        Features { labels, ..without_masks(outputs) }
    };
    let expected = ["the adaptor of the test returned for the student `labels[0]` with the class 9; expected 0 to "];
    refused(json!({ "probability_shift": true }), others, &expected);
    refused(json!({ "kd_loss_type": "dkd" }), others, &expected);
    // Labels that no loss reads may be anything.
    let (mut assembled, _folder) = assembled(&[], others).unwrap();
    assembled.session.check().unwrap();
}

#[test]
fn a_loss_between_two_layers_needs_two() {
    let all: Adapt = |_, batch, outputs| Features { inputs_mask: mask(batch), ..without_masks(outputs) };
    let error = assembled(&[("distillation", one_match("hidden", "fsp"))], all).map(drop).unwrap_err().to_string();
    assert!(error.contains("`fsp`") && error.contains("a list of 2"), "{error}");
}

#[test]
fn keys_of_a_loss_that_is_not_computed_are_refused() {
    let hidden: Adapt = |_, batch, outputs| Features {
        hidden: without_masks(outputs).hidden,
        inputs_mask: mask(batch),
        ..Features::default()
    };
    let with = |key: &str, value: Value| {
        let mut distillation = one_match("hidden", "hidden_mse");
        distillation[key] = value;
        distillation
    };
    let (mut assembled, _folder) = assembled(&[("distillation", one_match("hidden", "hidden_mse"))], hidden).unwrap();
    assembled.session.check().unwrap();
    refused(with("temperature", json!(8)), hidden, &["`logits`", "distillation.temperature"]);
    refused(with("kd_loss_type", json!("mse")), hidden, &["`logits`", "distillation.kd_loss_type"]);
    refused(with("hard_label_weight_scheduler", json!("linear_growth")), hidden, &["`losses`", "hard_label_weight"]);
}

#[test]
fn what_the_student_learns_from_has_a_gradient() {
    let detached: Adapt = |_, _, outputs| {
        let features = without_masks(outputs);
        let hidden = features.hidden.iter().map(|layer| layer.as_ref().map(Tensor::detach)).collect();
        Features { hidden, ..features }
    };
    let expected = ["the adaptor of the test returned for the student `hidden[1]` float32 [4, ", "without a gradient"];
    refused(one_match("hidden", "hidden_mse"), detached, &expected);
    // What no match compares may be anything.
    let (mut assembled, _folder) = assembled(&[], detached).unwrap();
    assembled.session.check().unwrap();
}

#[test]
fn logits_are_on_both_sides_or_on_none() {
    let of_teacher: Adapt = |side, _, outputs| match side {
        Side::Student => Features { logits: vec![], ..without_masks(outputs) },
        Side::Teacher(_) => without_masks(outputs),
    };
    let of_none: Adapt = |_, _, outputs| Features { logits: vec![], ..without_masks(outputs) };
    let missing = ["no `logits` for the student, but kd_loss_weight needs it"];
    refused(one_match("hidden", "hidden_mse"), of_teacher, &missing);
    // A loss of the student's own beside it does not make it distillation.
    refused(json!({ "hard_label_weight": 1 }), of_none, &missing);
    let (mut assembled, _folder) = assembled(&[("distillation", one_match("hidden", "hidden_mse"))], of_none).unwrap();
    assembled.session.check().unwrap();
}
