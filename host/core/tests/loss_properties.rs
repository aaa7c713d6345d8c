//! Losses beyond TextBrewer's: their papers' formulas written out over numbers, their limits, and their gradients by
//! finite differences.

use brewer::loss::{DistillationConfig, LossPlan, PluginLosses};
use std::cell::RefCell;
use std::rc::Rc;

use brewer::loss::kd::{Dkd, Js, KdCe, KdInputs, KdLoss, ReverseKl};
use brewer::loss::matching::{MatchLoss, MinilmRelations};
use brewer::schedule::temperature::{Temperature, TemperatureScheduler};
use brewer::schedule::weight::WeightScheduler;
use brewer::{Features, Result};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const CLASSES: usize = 4;

fn random(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Double, Device::Cpu)) * 2.0
}

fn rows(logits: &Tensor) -> Vec<Vec<f64>> {
    let flat: Vec<f64> = Vec::try_from(&logits.reshape([-1])).unwrap();
    flat.chunks(*logits.size().last().unwrap() as usize).map(<[f64]>::to_vec).collect()
}

fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let exponentials: Vec<f64> = logits.iter().map(|logit| (logit / temperature).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|exponential| exponential / sum).collect()
}

fn kl(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| if *p == 0.0 { 0.0 } else { p * (p / q).ln() }).sum()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn compute(
    loss: &mut dyn KdLoss,
    student: &Tensor,
    teacher: &Tensor,
    temperature: &Temperature,
    labels: Option<&Tensor>,
) -> Tensor {
    loss.rows(&KdInputs { student, teacher, temperature, labels }).unwrap().mean(None::<Kind>)
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{found}, expected {expected}");
}

/// The gradient of `loss` at `point` by central differences.
fn check_gradient(mut loss: impl FnMut(&Tensor) -> Tensor, point: &Tensor) {
    let variable = point.copy().set_requires_grad(true);
    let gradient = Tensor::run_backward(&[loss(&variable)], &[&variable], false, false).remove(0);
    let step = 1e-5;
    for index in 0..point.numel() as i64 {
        let mut moved = |by: f64| {
            let moved = point.copy();
            let _ = moved.reshape([-1]).get(index).g_add_scalar_(by);
            loss(&moved).double_value(&[])
        };
        let expected = (moved(step) - moved(-step)) / (2.0 * step);
        let found = gradient.reshape([-1]).double_value(&[index]);
        assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "element {index}: {found}, not {expected}");
    }
}

/// What a paper defines for one example: from the teacher's and the student's probabilities and the target.
type Formula = fn(&[f64], &[f64], usize) -> f64;

fn cases() -> Vec<(Box<dyn KdLoss>, Formula)> {
    vec![
        (Box::new(ReverseKl), |teacher, student, _| kl(student, teacher)),
        (Box::new(Js { beta: 0.3 }), |teacher, student, _| {
            let mixture: Vec<f64> = teacher.iter().zip(student).map(|(t, s)| 0.3 * t + 0.7 * s).collect();
            0.3 * kl(teacher, &mixture) + 0.7 * kl(student, &mixture)
        }),
        (Box::new(Dkd { alpha: 1.5, beta: 4.0 }), |teacher, student, target| {
            let binary = |p: &[f64]| vec![p[target], 1.0 - p[target]];
            let others = |p: &[f64]| -> Vec<f64> {
                let others = p.iter().enumerate().filter(|(class, _)| *class != target);
                others.map(|(_, probability)| probability / (1.0 - p[target])).collect()
            };
            1.5 * kl(&binary(teacher), &binary(student)) + 4.0 * kl(&others(teacher), &others(student))
        }),
    ]
}

#[test]
fn values_and_gradients_are_those_of_the_formulas() {
    tch::manual_seed(1);
    let (student, teacher) = (random(&[5, CLASSES as i64]), random(&[5, CLASSES as i64]));
    let labels = Tensor::from_slice(&[0_i64, 3, 1, 2, -100]);
    let per_example = [1.0, 2.0, 0.5, 4.0, 3.0];
    for (mut loss, formula) in cases() {
        for temperature in [Temperature::Scalar(2.0), Temperature::PerExample(Tensor::from_slice(&per_example))] {
            let of_row = |row: usize| match temperature {
                Temperature::Scalar(temperature) => temperature,
                Temperature::PerExample(_) => per_example[row],
            };
            let expected = mean((0..5).map(|row| {
                let (teacher, student) = (&rows(&teacher)[row], &rows(&student)[row]);
                let largest = (0..CLASSES).max_by(|a, b| teacher[*a].total_cmp(&teacher[*b])).unwrap();
                let target = [0, 3, 1, 2, largest][row];
                formula(&softmax(teacher, of_row(row)), &softmax(student, of_row(row)), target)
            }));
            let mut value = |student: &Tensor| compute(loss.as_mut(), student, &teacher, &temperature, Some(&labels));
            near(value(&student).double_value(&[]), expected);
            check_gradient(value, &student);
        }
    }
}

#[test]
fn equal_predictions_cost_nothing() {
    tch::manual_seed(2);
    let logits = random(&[6, CLASSES as i64]);
    for (mut loss, _) in cases() {
        near(compute(loss.as_mut(), &logits, &logits.copy(), &Temperature::Scalar(3.0), None).double_value(&[]), 0.0);
    }
}

#[test]
fn the_mixing_weight_leads_from_the_forward_to_the_reverse_divergence() {
    tch::manual_seed(3);
    let (student, teacher) = (random(&[3, CLASSES as i64]), random(&[3, CLASSES as i64]));
    let js = |beta, student: &Tensor, teacher: &Tensor| {
        compute(&mut Js { beta }, student, teacher, &Temperature::Scalar(1.0), None).double_value(&[])
    };
    let pairs: Vec<_> =
        rows(&teacher).iter().zip(rows(&student)).map(|(t, s)| (softmax(t, 1.0), softmax(&s, 1.0))).collect();
    let (forward, reverse) = (mean(pairs.iter().map(|(t, s)| kl(t, s))), mean(pairs.iter().map(|(t, s)| kl(s, t))));
    let small = 1e-7;
    assert!((js(small, &student, &teacher) / small / forward - 1.0).abs() < 1e-4);
    assert!((js(1.0 - small, &student, &teacher) / small / reverse - 1.0).abs() < 1e-4);
    near(js(0.5, &student, &teacher), js(0.5, &teacher, &student));
    assert!(js(0.5, &student, &teacher) <= 2_f64.ln());
}

/// KD is TCKD + (1 − p)·NCKD, p the teacher's probability of the target (the paper's equation 7).
#[test]
fn decoupled_terms_make_up_the_classical_loss() {
    tch::manual_seed(4);
    let (student, teacher) = (random(&[1, CLASSES as i64]), random(&[1, CLASSES as i64]));
    let label = Tensor::from_slice(&[2_i64]);
    let one = Temperature::Scalar(1.0);
    let weight = 1.0 - softmax(&rows(&teacher)[0], 1.0)[2];
    let decoupled = compute(&mut Dkd { alpha: 1.0, beta: weight }, &student, &teacher, &one, Some(&label));
    let cross_entropy = |student| compute(&mut KdCe, student, &teacher, &one, None).double_value(&[]);
    near(decoupled.double_value(&[]), cross_entropy(&student) - cross_entropy(&teacher));
}

#[test]
fn relations_follow_their_formula_and_leave_padding_out() {
    tch::manual_seed(5);
    let mut relations = MinilmRelations { heads: 2 };
    let side = |hidden: i64| -> Vec<Tensor> { (0..3).map(|_| random(&[2, 3, hidden])).collect() };
    let (student, teacher) = (side(4), side(6));
    let mask = Tensor::from_slice2(&[[1_i64, 1, 1], [1, 1, 0]]);
    let mut value = |student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>| {
        relations.loss(student, teacher, mask).unwrap().mean().unwrap()
    };

    let vector = |tensor: &Tensor, batch: i64, at: i64, head: i64| -> Vec<f64> {
        let size = tensor.size()[2] / 2;
        (0..size).map(|element| tensor.double_value(&[batch, at, head * size + element])).collect()
    };
    let relation = |tensor: &Tensor, batch: i64, query: i64, head: i64, length: i64| {
        let of = |at| vector(tensor, batch, at, head);
        let scores: Vec<f64> =
            (0..length).map(|key| of(query).iter().zip(of(key)).map(|(q, k)| q * k).sum::<f64>()).collect();
        softmax(&scores, (of(query).len() as f64).sqrt())
    };
    let formula = |lengths: [i64; 2]| -> f64 {
        let of_pair = |(student, teacher): (&Tensor, &Tensor)| {
            let positions = lengths
                .iter()
                .enumerate()
                .flat_map(|(batch, length)| (0..*length).map(move |at| (batch as i64, at, *length)));
            mean(positions.flat_map(|(batch, at, length)| [0, 1].map(|head| (batch, at, length, head))).map(
                |(batch, at, length, head)| {
                    kl(&relation(teacher, batch, at, head, length), &relation(student, batch, at, head, length))
                },
            ))
        };
        student.iter().zip(&teacher).map(of_pair).sum()
    };
    near(value(&student, &teacher, None).double_value(&[]), formula([3, 3]));
    near(value(&student, &teacher, Some(&mask)).double_value(&[]), formula([3, 2]));
    near(value(&student, &student, Some(&mask)).double_value(&[]), 0.0);
    check_gradient(
        |query| {
            let student = [query.shallow_clone(), student[1].shallow_clone(), student[2].shallow_clone()];
            value(&student, &teacher, Some(&mask))
        },
        &student[0],
    );
    let shapes = |tensors: &[Tensor]| tensors.iter().map(Tensor::size).collect::<Vec<_>>();
    assert!(relations.check(&shapes(&student), &shapes(&teacher)).is_ok());
    assert!(MinilmRelations { heads: 4 }.check(&shapes(&student), &shapes(&teacher)).is_err());
}

#[test]
fn wrong_names_and_parameters_say_what_was_expected() {
    for (spec, expected) in [
        (json!("jss"), "unknown variant `jss`, expected one of `ce`, `mse`"),
        (json!(["js", 2]), r#"["js",2]; expected ["js", beta] (2.0; expected a number between 0 and 1)"#),
        (json!(["dkd", "a"]), r#"["dkd", alpha, beta] (the text "a"; expected a number)"#),
        (json!(["ce", 1]), "no parameters"),
        (json!([]), "a name or a list of a name and its parameters"),
    ] {
        let config = serde_json::from_value::<DistillationConfig>(json!({ "kd_loss_type": spec }));
        let error = config.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// A plugin's KD loss: one number for each row, and which of them it is given at a time; or one number for all.
struct OfATest {
    is_whole: bool,
    given: Rc<RefCell<Vec<i64>>>,
}

impl KdLoss for OfATest {
    fn name(&self) -> &str {
        "plugin of-a-test"
    }

    fn rows(&mut self, inputs: &KdInputs<'_>) -> Result<Tensor> {
        self.given.borrow_mut().push(inputs.student.size()[0]);
        let rows = (inputs.student - inputs.teacher).square().sum_dim_intlist(-1, false, None::<Kind>);
        Ok(if self.is_whole { rows.mean(None::<Kind>) } else { rows })
    }
}

#[derive(Default)]
struct Plugins(Rc<RefCell<Vec<i64>>>);

impl PluginLosses for Plugins {
    fn kd_loss(&mut self, _key: &str, name: &str) -> Result<Box<dyn KdLoss>> {
        Ok(Box::new(OfATest { is_whole: name == "whole", given: self.0.clone() }))
    }

    fn match_loss(&mut self, _key: &str, _name: &str) -> Result<Box<dyn MatchLoss>> {
        unreachable!()
    }

    fn temperature_scheduler(&mut self, _key: &str, _name: &str) -> Result<Box<dyn TemperatureScheduler>> {
        unreachable!()
    }

    fn weight_scheduler(&mut self, _key: &str, _name: &str) -> Result<Box<dyn WeightScheduler>> {
        unreachable!()
    }
}

/// The loss of logits `[2, 4, classes]`, of which a mask keeps seven positions, with a temperature and a label for each.
fn planned(kd_loss: &Value, chunk: Option<usize>, student: &Tensor, plugins: &mut Plugins) -> Result<Tensor> {
    let distillation = json!({
        "kd_loss_type": kd_loss, "kd_chunk_rows": chunk, "kd_loss_weight": 0.7, "temperature": 3,
        "temperature_scheduler": ["flsw", 1, 1], "kd_loss_scale": "temperature_squared",
    });
    let config: DistillationConfig = serde_json::from_value(distillation).unwrap();
    let mask = Tensor::from_slice2(&[[1_i64, 1, 1, 1], [1, 1, 1, 0]]);
    let teacher = Tensor::arange(32, (Kind::Double, Device::Cpu)).sin().reshape([2, 4, 4]) * 4.0;
    let labels = Tensor::from_slice2(&[[0_i64, 3, 1, 2], [-100, 1, 0, -100]]);
    let side = |logits: Tensor| Features {
        logits: vec![logits],
        logits_mask: vec![mask.shallow_clone()],
        labels: vec![labels.shallow_clone()],
        ..Features::default()
    };
    let mut plan = LossPlan::new(&config, Device::Cpu, plugins)?;
    Ok(plan.compute(&side(student.shallow_clone()), &side(teacher))?.total)
}

#[test]
fn chunks_of_rows_have_the_value_and_the_gradient_of_the_whole() {
    tch::manual_seed(6);
    let losses = [json!("ce"), json!("mse"), json!("bce"), json!("reverse_kl"), json!(["js", 0.3]), json!("dkd")];
    for kd_loss in losses.iter().chain([&json!("plugin:rows")]) {
        let logits = random(&[2, 4, CLASSES as i64]).set_requires_grad(true);
        // The student's logits lead on: what flows back passes through what made them.
        let student = logits.tanh() * 3.0;
        let differentiated = |chunk| {
            let loss = planned(kd_loss, chunk, &student, &mut Plugins::default()).unwrap();
            let gradient = Tensor::run_backward(&[&loss], &[&logits], true, false).remove(0);
            (loss.double_value(&[]), gradient)
        };
        let whole = differentiated(None);
        assert!(whole.1.abs().max().double_value(&[]) > 1e-3, "{kd_loss}");
        for chunk in [1, 3, 7, 100] {
            let (value, gradient) = differentiated(Some(chunk));
            near(value, whole.0);
            assert!(gradient.allclose(&whole.1, 1e-9, 1e-12, false), "{kd_loss} by {chunk}: {gradient} {}", whole.1);
            let value = tch::no_grad(|| planned(kd_loss, Some(chunk), &student, &mut Plugins::default()).unwrap());
            near(value.double_value(&[]), whole.0);
        }
    }
}

#[test]
fn a_loss_is_given_the_rows_of_one_chunk_at_a_time() {
    let student = random(&[2, 4, CLASSES as i64]).set_requires_grad(true);
    let mut plugins = Plugins::default();
    for (chunk, given) in [(None, vec![7]), (Some(3), vec![3, 3, 1]), (Some(7), vec![7])] {
        drop(planned(&json!("plugin:rows"), chunk, &student, &mut plugins).unwrap());
        assert_eq!(plugins.0.take(), given);
    }
}

#[test]
fn a_loss_that_is_one_number_for_all_rows_is_not_computed_in_chunks() {
    let student = random(&[2, 4, CLASSES as i64]).set_requires_grad(true);
    drop(planned(&json!("plugin:whole"), None, &student, &mut Plugins::default()).unwrap());
    // A batch that one chunk holds is refused as well: the next may be larger.
    for chunk in [3, 100] {
        let error = planned(&json!("plugin:whole"), Some(chunk), &student, &mut Plugins::default()).unwrap_err();
        let expected = "distillation.kd_chunk_rows: plugin of-a-test returned one number for all rows";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
