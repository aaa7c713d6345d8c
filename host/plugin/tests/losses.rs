//! The built-in losses, temperatures and weights written once more as a plugin: the same values and gradients.

mod common;

use brewer::StepContext;
use brewer::loss::{KdInputs, KdLoss, MatchLoss, NameAndParameters, kd_loss, match_loss};
use brewer::temperature::{Cwsm, Flsw, Temperature, TemperatureScheduler};
use brewer::weight::{WeightScheduler, weight_scheduler};
use brewer_plugin_host::{
    Plugin, PluginKdLoss, PluginMatchLoss, PluginOptions, PluginTemperatureScheduler, PluginWeightScheduler,
};
use common::{component, engine, silent};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

/// The plugin, asked to be the loss of that name.
fn plugin(loss: &str) -> Plugin {
    let options = PluginOptions { config: Some(json!({ "loss": loss })), log: silent(), ..Default::default() };
    Plugin::load(&engine(), component("guest-losses"), options).unwrap()
}

fn random(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Double, Device::Cpu))
}

fn trained(shape: &[i64]) -> Tensor {
    random(shape).set_requires_grad(true)
}

/// A built-in with these parameters.
fn spec(list: Value) -> NameAndParameters {
    serde_json::from_value(list).unwrap()
}

/// The value of a loss, and its gradient with respect to some tensors.
fn differentiated(loss: &Tensor, inputs: &[Tensor]) -> (f64, Vec<Tensor>) {
    let gradients = Tensor::run_backward(&[loss], inputs, true, false);
    (loss.double_value(&[]), gradients)
}

#[track_caller]
fn assert_agree(name: &str, found: &Tensor, expected: &Tensor, inputs: &[Tensor]) {
    let (found, expected) = (differentiated(found, inputs), differentiated(expected, inputs));
    assert!((found.0 - expected.0).abs() < 1e-6 * (1.0 + expected.0.abs()), "{name}: {} {}", found.0, expected.0);
    for (found, expected) in found.1.iter().zip(&expected.1) {
        assert!(found.allclose(expected, 1e-5, 1e-7, false), "{name}: {found} {expected}");
    }
}

#[test]
fn kd_losses_agree() {
    let labels = Tensor::from_slice(&[2i64, 0, -100, 3]);
    for (name, list, labels) in [
        ("ce", json!("ce"), None),
        ("mse", json!("mse"), None),
        ("reverse_kl", json!("reverse_kl"), None),
        ("js", json!(["js", 0.5]), None),
        ("dkd", json!(["dkd", 1, 8]), None),
        ("dkd", json!(["dkd", 1, 8]), Some(&labels)),
    ] {
        let (own, built_in) = (PluginKdLoss::new(&plugin(name)).unwrap(), kd_loss(&spec(list)).unwrap());
        let (student, teacher) = (trained(&[4, 5]), random(&[4, 5]));
        for temperature in [Temperature::Scalar(3.0), Temperature::PerExample(random(&[4]).abs() + 1.0)] {
            let inputs = KdInputs { student: &student, teacher: &teacher, temperature: &temperature, labels };
            let (found, expected) = (own.loss(&inputs).unwrap(), built_in.loss(&inputs).unwrap());
            assert_agree(name, &found, &expected, std::slice::from_ref(&student));
        }
    }
}

#[test]
fn match_losses_agree() {
    let mask = Tensor::from_slice(&[1i64, 1, 1, 0, 1, 1, 0, 0]).reshape([2, 4]);
    for (name, list) in [
        ("hidden_mse", json!("hidden_mse")),
        ("cos", json!("cos")),
        ("pkd", json!("pkd")),
        ("fsp", json!("fsp")),
        ("mmd", json!("mmd")),
        ("minilm_relations", json!(["minilm_relations", 2])),
        ("attention_mse", json!("attention_mse")),
        ("attention_mse_sum", json!("attention_mse_sum")),
        ("attention_ce", json!("attention_ce")),
        ("attention_ce_mean", json!("attention_ce_mean")),
    ] {
        let (own, built_in) = (PluginMatchLoss::new(&plugin(name)).unwrap(), match_loss("loss", &spec(list)).unwrap());
        assert_eq!(own.num_layers(), built_in.num_layers(), "{name}");
        let shape: &[i64] = if name.starts_with("attention") { &[2, 3, 4, 4] } else { &[2, 4, 6] };
        let layers = own.num_layers();
        let student: Vec<Tensor> = (0..layers).map(|_| trained(shape)).collect();
        let teacher: Vec<Tensor> = (0..layers).map(|_| random(shape)).collect();
        for mask in [None, Some(&mask)] {
            let found = own.loss(&student, &teacher, mask).unwrap();
            let expected = built_in.loss(&student, &teacher, mask).unwrap();
            assert_agree(name, &found, &expected, &student);
        }
    }
}

#[test]
fn temperatures_agree() {
    let (student, teacher) = (random(&[4, 5]), random(&[4, 5]));
    let built_in: [(&str, Box<dyn TemperatureScheduler>); 2] =
        [("flsw", Box::new(Flsw { beta: 1.5, gamma: 2.0 })), ("cwsm", Box::new(Cwsm { beta: 1.5 }))];
    for (name, built_in) in built_in {
        let own = PluginTemperatureScheduler::new(&plugin(name)).unwrap();
        let per_example = |scheduler: &dyn TemperatureScheduler| match scheduler.temperature(&student, &teacher, 8.0) {
            Ok(Temperature::PerExample(values)) => values,
            other => panic!("{name}: {other:?}"),
        };
        assert!(per_example(&own).allclose(&per_example(built_in.as_ref()), 1e-9, 1e-12, false), "{name}");
    }
    let own = PluginTemperatureScheduler::new(&plugin("constant")).unwrap();
    assert!(matches!(own.temperature(&student, &teacher, 8.0), Ok(Temperature::Scalar(8.0))));
}

#[test]
fn weights_agree() {
    for name in ["linear_decay", "linear_growth"] {
        let mut own = PluginWeightScheduler::new(&plugin(name)).unwrap();
        let mut built_in = weight_scheduler("key", name).unwrap();
        for progress in [0.0, 0.25, 1.0] {
            let context = StepContext { progress, ..StepContext::default() };
            assert_eq!(own.weight(&context).unwrap(), built_in.weight(&context).unwrap(), "{name}");
        }
    }
}
