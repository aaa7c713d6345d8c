//! Losses, temperatures and selections against what TextBrewer computed (tests/parity/losses.json).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use brewer::loss::kd::{KdInputs, KdLossConfig};
use brewer::loss::matching::MatchLossConfig;
use brewer::loss::{probability_shift, select_logits};
use brewer::schedule::temperature::{Constant, Cwsm, Flsw, Temperature, TemperatureScheduler};
use serde_json::Value;
use tch::{Kind, Tensor};

struct Fixture {
    cases: Value,
    tensors: HashMap<String, Tensor>,
}

impl Fixture {
    fn read() -> Self {
        let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity");
        let cases = std::fs::read_to_string(folder.join("losses.json")).unwrap();
        let tensors = Tensor::read_safetensors(folder.join("losses.safetensors")).unwrap();
        Self { cases: serde_json::from_str(&cases).unwrap(), tensors: tensors.into_iter().collect() }
    }

    fn group(&self, name: &str) -> &[Value] {
        self.cases[name].as_array().unwrap()
    }

    fn tensor(&self, name: &Value) -> Tensor {
        self.tensors[name.as_str().unwrap()].copy()
    }

    fn tensors(&self, names: &Value) -> Vec<Tensor> {
        names.as_array().unwrap().iter().map(|name| self.tensor(name)).collect()
    }

    fn temperature(&self, value: &Value) -> Temperature {
        match value.as_f64() {
            Some(number) => Temperature::Scalar(number),
            None => Temperature::PerExample(self.tensor(value)),
        }
    }
}

/// The largest excess of |found − expected| over `absolute + relative · |expected|`; at most 0 when all agree.
fn excess(found: &Tensor, expected: &Tensor, absolute: f64, relative: f64) -> f64 {
    assert_eq!(found.size(), expected.size());
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    let allowed: Tensor = expected.abs() * relative + absolute;
    ((found - expected).abs() - allowed).max().double_value(&[])
}

fn compute(fixture: &Fixture, case: &Value, student: &[Tensor]) -> Tensor {
    let teacher = fixture.tensors(&case["teacher"]);
    let mask = (!case["mask"].is_null()).then(|| fixture.tensor(&case["mask"]));
    let function = case["function"].as_str().unwrap();
    let config = match function {
        "kd_ce_loss" | "kd_mse_loss" => {
            let config = if function == "kd_ce_loss" { KdLossConfig::Ce } else { KdLossConfig::Mse };
            let temperature = match fixture.temperature(&case["temperature"]) {
                Temperature::PerExample(values) => Temperature::PerExample(values.reshape([-1])),
                scalar => scalar,
            };
            let rows = |logits: &Tensor| logits.reshape([-1, *logits.size().last().unwrap()]);
            let inputs = KdInputs {
                student: &rows(&student[0]),
                teacher: &rows(&teacher[0]),
                temperature: &temperature,
                labels: None,
            };
            let mut loss = config.make(|_| unreachable!()).unwrap();
            return loss.rows(&inputs).unwrap().mean(None::<Kind>);
        }
        "att_ce_loss" => MatchLossConfig::AttentionCe,
        "att_ce_mean_loss" => MatchLossConfig::AttentionCeMean,
        "att_mse_loss" => MatchLossConfig::AttentionMse,
        "att_mse_sum_loss" => MatchLossConfig::AttentionMseSum,
        "cos_loss" => MatchLossConfig::Cos,
        "fsp_loss" => MatchLossConfig::Fsp,
        "hid_mse_loss" => MatchLossConfig::HiddenMse,
        "mmd_loss" => MatchLossConfig::Mmd,
        "pkd_loss" => MatchLossConfig::Pkd,
        other => panic!("no loss for {other}"),
    };
    let mut loss = config.make(|_| unreachable!()).unwrap();
    loss.loss(student, &teacher, mask.as_ref()).unwrap().mean().unwrap()
}

#[test]
fn losses_agree_in_value_and_gradient() {
    let fixture = Fixture::read();
    for case in fixture.group("losses") {
        let name = &case["name"];
        let student: Vec<Tensor> =
            fixture.tensors(&case["student"]).into_iter().map(|tensor| tensor.set_requires_grad(true)).collect();
        let loss = compute(&fixture, case, &student);
        let expected = Tensor::from_slice(&[case["expected_loss"].as_f64().unwrap()]);
        let loss_excess = excess(&loss.detach().reshape([1]), &expected, 1e-6, 1e-5);
        assert!(loss_excess <= 0.0, "{name}: the loss is off by {loss_excess:e} too much");
        let gradients = Tensor::run_backward(&[loss], &student, false, false);
        for (gradient, expected) in gradients.iter().zip(fixture.tensors(&case["expected_grad"])) {
            let gradient_excess = excess(gradient, &expected, 1e-6, 1e-4);
            assert!(gradient_excess <= 0.0, "{name}: a gradient is off by {gradient_excess:e} too much");
        }
    }
}

#[test]
fn temperatures_agree() {
    let fixture = Fixture::read();
    for case in fixture.group("temperature_schedulers") {
        let arguments: Vec<f64> =
            case["args"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        let mut scheduler: Box<dyn TemperatureScheduler> =
            match (case["scheduler"].as_str().unwrap(), arguments.as_slice()) {
                ("flsw", &[beta, gamma]) => Box::new(Flsw { beta, gamma }),
                ("cwsm", &[beta]) => Box::new(Cwsm { beta }),
                ("constant", &[]) => Box::new(Constant),
                other => panic!("no scheduler for {other:?}"),
            };
        let (student, teacher) = (fixture.tensor(&case["student"]), fixture.tensor(&case["teacher"]));
        let base = case["base_temperature"].as_f64().unwrap();
        match (scheduler.temperature(&student, &teacher, base).unwrap(), fixture.temperature(&case["expected"])) {
            (Temperature::Scalar(found), Temperature::Scalar(expected)) => assert_eq!(found, expected),
            (Temperature::PerExample(found), Temperature::PerExample(expected)) => {
                let excess = excess(&found, &expected, 1e-6, 1e-5);
                assert!(excess <= 0.0, "{}: off by {excess:e} too much", case["name"]);
            }
            other => panic!("{}: {other:?}", case["name"]),
        }
    }
}

#[test]
fn probability_shift_agrees_and_leaves_its_input_alone() {
    let fixture = Fixture::read();
    for case in fixture.group("probability_shift") {
        let logits = fixture.tensor(&case["logits"]);
        let before = logits.copy();
        let shifted = probability_shift(&logits, &fixture.tensor(&case["labels"])).unwrap();
        assert!(shifted.equal(&fixture.tensor(&case["expected"])), "{}", case["name"]);
        assert!(logits.equal(&before));
    }
}

#[test]
fn selection_by_mask_agrees() {
    let fixture = Fixture::read();
    for case in fixture.group("logits_mask") {
        let selected = select_logits(&fixture.tensor(&case["logits"]), &fixture.tensor(&case["mask"])).unwrap();
        assert!(selected.equal(&fixture.tensor(&case["expected"])), "{}", case["name"]);
    }
}
