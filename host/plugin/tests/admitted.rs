//! What is admitted takes no more memory than was counted: the gradients, and the losses of the features. A process of its
//! own, because what is measured is the memory of the whole process.

mod common;

use std::fs;

use brewer::loss::matching::{MatchLoss, Mmd};
use brewer::{Adaptor, Features, Outputs};
use brewer_plugin_host::Limits;
use common::{batch, guest, resident_kib, status_kib, student, trained_outputs};
use serde_json::json;
use tch::{Device, Kind, Tensor};

const MIB: u64 = 1 << 20;

/// What the libtorch of a small computation takes beside its tensors, in KiB.
const SLACK_KIB: u64 = 8 * 1024;

/// The features that a guest makes within so many MiB of tensors.
fn made(deed: &str, outputs: &Outputs, mib: u64) -> Option<Features> {
    let limits = Limits { tensor_bytes: mib * MIB, work: 1 << 60, call_seconds: 600.0, ..Limits::default() };
    guest(json!({ "do": deed }), limits, &[]).adapt(&student(3), &batch(), outputs).ok()
}

/// Looks for the lowest limit that admits the deed, in MiB, and checks that the memory of the deed and of `train` is below.
#[track_caller]
fn check(deed: &str, outputs: &Outputs, train: fn(&Features)) {
    let (mut refused, mut admitted) = (0, 2048);
    assert!(made(deed, outputs, admitted).is_some(), "{deed}");
    while admitted - refused > 1 {
        let middle = refused.midpoint(admitted);
        if made(deed, outputs, middle).is_some() { admitted = middle } else { refused = middle }
    }
    // Once: the process keeps some of the memory that it gives back, and needs less the second time.
    let before = resident_kib();
    // The kernel's peak begins anew.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    train(&made(deed, outputs, admitted).unwrap());
    let taken = status_kib("VmHWM:").saturating_sub(before);
    println!("{deed} took {taken} KiB, and {admitted} MiB admit it");
    assert!(taken <= admitted * 1024 + SLACK_KIB, "{deed} took {taken} KiB, and {admitted} MiB admit it");
}

/// Two layers of the student's, each number of which `square-hidden` makes a position.
fn wide_outputs() -> Outputs {
    let mut outputs = trained_outputs();
    let layer = || Tensor::randn([3, 16, 48], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    outputs.insert_list("hidden_states", vec![Some(layer()), Some(layer())]);
    outputs
}

#[test]
fn what_is_counted_is_what_is_taken() {
    // What the first gradient of a process makes, whatever its size.
    let small = Tensor::ones([2, 2, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    small.bmm(&small).sum(Kind::Float).backward();
    let of_loss = |features: &Features| features.losses[0].backward();
    for deed in ["gradient-of-views", "gradient-of-temperatures", "gradient-of-picks"] {
        check(deed, &trained_outputs(), of_loss);
    }
    check("square-hidden", &wide_outputs(), |features| {
        let layers: Vec<Tensor> =
            features.hidden.iter().flat_map(|layer| layer.tensor.as_ref().map(Tensor::shallow_clone)).collect();
        let of_teacher: Vec<Tensor> = layers.iter().map(|layer| layer.detach() * 2).collect();
        Mmd.loss(&layers, &of_teacher, None).unwrap().sum.backward();
    });
}
