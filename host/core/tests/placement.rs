//! A teacher on a device of its own.

#[path = "common/adapted.rs"]
mod adapted;

use std::sync::atomic::AtomicBool;

use adapted::{Adapt, assembled, mask, without_masks};
use brewer::callback::Scalars;
use brewer::{Device, Features};
use serde_json::{Value, json};

const ALL: Adapt = |_, batch, outputs| Features { inputs_mask: mask(batch), ..without_masks(outputs) };

/// The devices of teacher and student, and the losses of the first batch: as they are computed, and out of a cache.
fn run(keys: &[(&str, Value)]) -> ([Device; 2], [Scalars; 2]) {
    let matches = json!([{ "layer_T": 1, "layer_S": 1, "feature": "hidden", "loss": "hidden_mse", "weight": 1 }]);
    let of_all = [("distillation.intermediate_matches", matches), ("teacher.cache", json!({ "path": "cache" }))];
    let (mut assembled, _folder) = assembled(&[&of_all, keys].concat(), ALL).unwrap();
    let session = &mut assembled.session;
    let computed = session.check().unwrap().losses;
    session.open_caches().unwrap();
    session.fill_caches(&mut |_| {}, &AtomicBool::new(false)).unwrap();
    let cached = session.check().unwrap().losses;
    ([session.tasks[0].teachers[0].model.device(), session.student.device()], [computed, cached])
}

#[test]
fn a_teacher_may_name_the_device_of_the_student() {
    let (devices, losses) = run(&[("teacher.device", json!("cpu"))]);
    assert_eq!(devices, [Device::Cpu; 2]);
    assert_eq!(losses, run(&[]).1);
}

#[test]
fn a_device_that_is_not_there_is_named_by_its_key() {
    let error = assembled(&[("teacher.device", json!("tpu"))], ALL).map(drop).unwrap_err().to_string();
    assert_eq!(error, "teacher.device: device `tpu` is not known; expected auto, cpu, cuda or cuda:N");
}

#[test]
#[ignore = "needs a CUDA device"]
fn a_teacher_on_another_device_teaches_the_same() {
    brewer::device::load_cuda().unwrap();
    let expected = run(&[]).1;
    let of_teacher = json!({ "init": { "from": "teacher", "layers": [0, 1] } });
    let expected_of_teacher = run(&[("student", of_teacher.clone())]).1;
    for (teacher, student) in [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")] {
        let keys = [("teacher.device", json!(teacher)), ("training.device", json!(student))];
        let (devices, losses) = run(&keys);
        let device = |name| if name == "cpu" { Device::Cpu } else { Device::Cuda(0) };
        assert_eq!(devices, [device(teacher), device(student)]);
        let with_origin = [&keys[..], &[("student", of_teacher.clone())]].concat();
        let of_teacher = run(&with_origin).1;
        for (found, expected) in losses.iter().chain(&of_teacher).zip(expected.iter().chain(&expected_of_teacher)) {
            for (name, expected) in expected {
                let found = found[name];
                assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{name}: {found} and {expected}");
            }
        }
    }
}
