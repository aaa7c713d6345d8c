//! Losses beyond TextBrewer's: their papers' formulas written out over numbers, their limits, and their gradients by
//! finite differences.

use brewer::loss::{
    Dkd, Js, KdCe, KdInputs, KdLoss, MatchLoss, MinilmRelations, NameAndParameters, ReverseKl, kd_loss,
};
use brewer::temperature::Temperature;
use serde_json::json;
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
    loss: &dyn KdLoss,
    student: &Tensor,
    teacher: &Tensor,
    temperature: &Temperature,
    labels: Option<&Tensor>,
) -> Tensor {
    loss.loss(&KdInputs { student, teacher, temperature, labels }).unwrap()
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{found}, expected {expected}");
}

/// The gradient of `loss` at `point` by central differences.
fn check_gradient(loss: impl Fn(&Tensor) -> Tensor, point: &Tensor) {
    let variable = point.copy().set_requires_grad(true);
    let gradient = Tensor::run_backward(&[loss(&variable)], &[&variable], false, false).remove(0);
    let step = 1e-5;
    for index in 0..point.numel() as i64 {
        let moved = |by: f64| {
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
    for (loss, formula) in cases() {
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
            let value = |student: &Tensor| compute(loss.as_ref(), student, &teacher, &temperature, Some(&labels));
            near(value(&student).double_value(&[]), expected);
            check_gradient(value, &student);
        }
    }
}

#[test]
fn equal_predictions_cost_nothing() {
    tch::manual_seed(2);
    let logits = random(&[2, 3, CLASSES as i64]);
    for (loss, _) in cases() {
        near(compute(loss.as_ref(), &logits, &logits.copy(), &Temperature::Scalar(3.0), None).double_value(&[]), 0.0);
    }
}

#[test]
fn the_mixing_weight_leads_from_the_forward_to_the_reverse_divergence() {
    tch::manual_seed(3);
    let (student, teacher) = (random(&[3, CLASSES as i64]), random(&[3, CLASSES as i64]));
    let js = |beta, student: &Tensor, teacher: &Tensor| {
        compute(&Js { beta }, student, teacher, &Temperature::Scalar(1.0), None).double_value(&[])
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
    let decoupled = compute(&Dkd { alpha: 1.0, beta: weight }, &student, &teacher, &one, Some(&label));
    let cross_entropy = |student| compute(&KdCe, student, &teacher, &one, None).double_value(&[]);
    near(decoupled.double_value(&[]), cross_entropy(&student) - cross_entropy(&teacher));
}

#[test]
fn relations_follow_their_formula_and_leave_padding_out() {
    tch::manual_seed(5);
    let relations = MinilmRelations { heads: 2 };
    let side = |hidden: i64| -> Vec<Tensor> { (0..3).map(|_| random(&[2, 3, hidden])).collect() };
    let (student, teacher) = (side(4), side(6));
    let mask = Tensor::from_slice2(&[[1_i64, 1, 1], [1, 1, 0]]);
    let value = |student: &[Tensor], mask: Option<&Tensor>| relations.loss(student, &teacher, mask).unwrap();

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
    near(value(&student, None).double_value(&[]), formula([3, 3]));
    near(value(&student, Some(&mask)).double_value(&[]), formula([3, 2]));
    near(relations.loss(&student, &student, Some(&mask)).unwrap().double_value(&[]), 0.0);
    check_gradient(
        |query| value(&[query.shallow_clone(), student[1].shallow_clone(), student[2].shallow_clone()], Some(&mask)),
        &student[0],
    );
    let shapes = |tensors: &[Tensor]| tensors.iter().map(Tensor::size).collect::<Vec<_>>();
    assert!(relations.check(&shapes(&student), &shapes(&teacher)).is_ok());
    assert!(MinilmRelations { heads: 4 }.check(&shapes(&student), &shapes(&teacher)).is_err());
}

#[test]
fn wrong_names_and_parameters_say_what_was_expected() {
    for (spec, expected) in [
        (json!("jss"), "did you mean `js`"),
        (json!(["js", 2]), "a number between 0 and 1"),
        (json!(["dkd", 1]), "two numbers"),
        (json!(["ce", 1]), "no parameters"),
        (json!(["js", "half"]), "numbers as parameters"),
        (json!([]), "is not known"),
    ] {
        let spec: NameAndParameters = serde_json::from_value(spec).unwrap();
        let error = kd_loss(&spec).err().unwrap().to_string();
        assert!(error.starts_with("distillation.kd_loss_type") && error.contains(expected), "{error}");
    }
}
