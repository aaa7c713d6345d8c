//! What operations take beside what they are thought to take: the numbers of `cost.rs` were set by this table.
//!
//! ```text
//! cargo test -p brewer-plugin-host calibration -- --ignored --nocapture
//! ```
//!
//! A line is an operation on one kind: its processor time and the part of the estimate that it is, then those of its
//! gradient. `ONLY=matmul,gather` chooses operations by parts of their names. With `THREADS=2` the last columns show on how
//! many threads an operation ran; the estimate is that of one.

use std::{env, fs, sync::Arc, thread};

use tch::{Device, Kind, Tensor};
use wasmtime::component::Resource;

use super::{Handle, is_float};
use crate::{
    bindings::{
        losses::{Host as _, Reduction},
        tensor::{self, HostTensor as _, HostTensorList, Scalar},
    },
    error::OpResult,
    limits::{Cost, Limits, Usage},
    permissions::Permission,
    plugin::Settings,
    state::State,
};

type Operation = fn(&mut State, &[Handle]) -> OpResult<Handle>;

/// An operation with a name and its operands.
type Case = (&'static str, Vec<Tensor>, Operation);

const KINDS: [Kind; 6] = [Kind::Float, Kind::Half, Kind::BFloat16, Kind::Double, Kind::Int64, Kind::Int8];

/// A handle that is used again.
fn again(handle: &Handle) -> Handle {
    Resource::new_borrow(handle.rep())
}

/// A method of one operand with further arguments, or of two.
macro_rules! of {
    ($name:ident $(, $argument:expr)*) => {
        (stringify!($name), |state: &mut State, x: &[Handle]| state.$name(again(&x[0]) $(, $argument)*))
    };
}
macro_rules! of_two {
    ($name:ident $(, $argument:expr)*) => {
        (stringify!($name), |state: &mut State, x: &[Handle]| state.$name(again(&x[0]), again(&x[1]) $(, $argument)*))
    };
}

fn elementwise() -> Vec<(&'static str, Operation)> {
    use tensor::Kind::{Bfloat16, Boolean, Float16, Float64, Int64};
    vec![
        of!(neg),
        of!(abs),
        of!(exp),
        of!(log),
        of!(sqrt),
        of!(tanh),
        of!(sigmoid),
        of!(relu),
        of!(gelu),
        of!(logical_not),
        of!(add_scalar, Scalar::Float(1.5)),
        of!(mul_scalar, Scalar::Float(1.5)),
        of!(div_scalar, Scalar::Float(1.5)),
        of!(pow_scalar, Scalar::Float(1.7)),
        of!(pow_scalar, Scalar::Int(3)),
        of!(pow_scalar, Scalar::Int(100)),
        of!(clamp, Some(Scalar::Float(0.2)), Some(Scalar::Float(0.8))),
        of!(eq_scalar, Scalar::Float(0.5)),
        of!(to_kind, Float64),
        of!(to_kind, Float16),
        of!(to_kind, Bfloat16),
        of!(to_kind, Int64),
        of!(to_kind, Boolean),
        of_two!(add),
        of_two!(mul),
        of_two!(div),
        of_two!(maximum),
        of_two!(eq),
        of_two!(logical_and),
        of_two!(mean_squared_error, Reduction::Mean),
        of_two!(kl_divergence, true, Reduction::Sum),
        of_two!(kl_divergence, false, Reduction::Sum),
        of_two!(binary_cross_entropy_with_logits, Reduction::Mean),
    ]
}

/// Along the last dimension and along the first.
fn along() -> Vec<(&'static str, Operation)> {
    vec![
        of!(sum, vec![], false),
        of!(sum, vec![-1], false),
        of!(sum, vec![0], false),
        of!(mean, vec![-1], false),
        of!(logsumexp, vec![-1], false),
        of!(logsumexp, vec![0], false),
        of!(max, vec![-1], false),
        of!(max, vec![0], false),
        of!(argmax, -1, false),
        of!(argmax, 0, false),
        of!(any, vec![-1], false),
        of!(all, vec![0], false),
        of!(norm, 2.0, vec![-1], false),
        of!(norm, 2.0, vec![0], false),
        of!(norm, 3.0, vec![-1], false),
        of!(softmax, -1),
        of!(softmax, 0),
        of!(log_softmax, -1),
        of_two!(cosine_similarity, -1),
        of_two!(cosine_similarity, 0),
    ]
}

fn random(shape: &[i64], kind: Kind) -> Tensor {
    let made = Tensor::rand(shape, (Kind::Float, Device::Cpu)) * if is_float(kind) { 1 } else { 100 };
    trained(made.to_kind(kind))
}

/// A leaf of the gradient graph.
fn trained(tensor: Tensor) -> Tensor {
    if is_float(tensor.kind()) { tensor.detach().set_requires_grad(true) } else { tensor }
}

/// Elements in order, in another order, repeated, and in rows of two.
fn forms(kind: Kind) -> Vec<(&'static str, [Tensor; 2])> {
    let two = |make: &dyn Fn() -> Tensor| [trained(make()), trained(make())];
    vec![
        ("in order", two(&|| random(&[512, 8192], kind))),
        ("transposed", two(&|| random(&[8192, 512], kind).transpose(0, 1))),
        ("repeated", two(&|| random(&[1, 8192], kind).expand([512, 8192], false))),
        ("thin", two(&|| random(&[1 << 21, 2], kind))),
    ]
}

fn products(kind: Kind) -> Vec<Case> {
    let random = |shape: &[i64]| random(shape, kind);
    let turned = |shape: &[i64]| random(shape).detach().transpose(0, 1);
    let matmul = of_two!(matmul).1;
    vec![
        ("matmul of squares", vec![random(&[1024, 1024]), random(&[1024, 1024])], matmul),
        ("matmul with a large matrix", vec![random(&[32, 4096]), random(&[4096, 4096])], matmul),
        ("matmul of turned squares", vec![turned(&[1024, 1024]), turned(&[1024, 1024])], matmul),
        ("matmul of a row", vec![random(&[1, 1 << 12]), random(&[1 << 12, 1 << 10])], matmul),
        ("matmul of a column and a row", vec![random(&[1 << 11, 1]), random(&[1, 1 << 11])], matmul),
        ("matmul with a vector", vec![random(&[1 << 12, 1 << 10]), random(&[1 << 10])], matmul),
        ("matmul of vectors", vec![random(&[1 << 22]), random(&[1 << 22])], matmul),
        ("matmul of attention", vec![random(&[384, 128, 64]), random(&[384, 64, 128])], matmul),
        ("matmul of small matrices", vec![random(&[1 << 18, 2, 2]), random(&[1 << 18, 2, 2])], matmul),
        ("matmul of rows and columns", vec![random(&[1 << 14, 1, 400]), random(&[1 << 14, 400, 1])], matmul),
        ("matmul of numbers", vec![random(&[1 << 20, 1, 1]), random(&[1 << 20, 1, 1])], matmul),
    ]
}

fn picking(kind: Kind) -> Vec<Case> {
    let random = |shape: &[i64]| random(shape, kind);
    let integers = |shape: &[i64], most: i64| Tensor::randint(most, shape, (Kind::Int64, Device::Cpu));
    let again_and_again = |count: i64| integers(&[1], 1024).expand([count], false);
    let mask = || integers(&[512, 8192], 2).to_kind(Kind::Bool);
    let cross_entropy = of_two!(cross_entropy, -100, Reduction::Mean).1;
    vec![
        ("gather in rows", vec![random(&[512, 8192]), integers(&[512, 8192], 8192)], |state, x| {
            state.gather(again(&x[0]), -1, again(&x[1]))
        }),
        ("gather in columns", vec![random(&[8192, 512]), integers(&[8192, 512], 8192)], |state, x| {
            state.gather(again(&x[0]), 0, again(&x[1]))
        }),
        ("gather of numbers", vec![random(&[1 << 25]), integers(&[1 << 22], 1 << 25)], |state, x| {
            state.gather(again(&x[0]), 0, again(&x[1]))
        }),
        ("index_select of rows", vec![random(&[8192, 512]), integers(&[8192], 8192)], |state, x| {
            state.index_select(again(&x[0]), 0, again(&x[1]))
        }),
        ("index_select of columns", vec![random(&[512, 8192]), integers(&[8192], 8192)], |state, x| {
            state.index_select(again(&x[0]), 1, again(&x[1]))
        }),
        ("index_select of numbers", vec![random(&[1 << 25]), integers(&[1 << 22], 1 << 25)], |state, x| {
            state.index_select(again(&x[0]), 0, again(&x[1]))
        }),
        ("index_select between", vec![random(&[16, 1024, 8]), integers(&[1 << 13], 1024)], |state, x| {
            state.index_select(again(&x[0]), 1, again(&x[1]))
        }),
        ("index_select of one between", vec![random(&[1, 1024, 1]), again_and_again(1 << 20)], |state, x| {
            state.index_select(again(&x[0]), 1, again(&x[1]))
        }),
        ("masked_fill", vec![random(&[512, 8192]), mask()], of_two!(masked_fill, Scalar::Int(1)).1),
        ("masked_select", vec![random(&[512, 8192]), mask()], of_two!(masked_select).1),
        ("where", vec![random(&[512, 8192]), mask(), random(&[512, 8192])], |state, x| {
            state.where_(again(&x[0]), again(&x[1]), again(&x[2]))
        }),
        ("cross_entropy of a vocabulary", vec![random(&[32, 30522]), integers(&[32], 30522)], cross_entropy),
        ("cross_entropy of two classes", vec![random(&[1 << 21, 2]), integers(&[1 << 21], 2)], cross_entropy),
        ("stack", vec![random(&[512, 4096]), random(&[512, 4096])], |state, x| {
            let list = HostTensorList::new(state)?;
            for tensor in x {
                state.push(Resource::new_borrow(list.rep()), again(tensor))?;
            }
            state.stack(list, -1)
        }),
        ("expand", vec![random(&[1, 8192])], of!(expand, vec![512, 8192]).1),
        ("reshape", vec![random(&[8192, 512]).transpose(0, 1)], of!(reshape, vec![-1]).1),
        ("select", vec![random(&[512, 8192])], of!(select, 0, 1).1),
    ]
}

fn state() -> State {
    let limits = Limits {
        call_seconds: 80_000.0,
        work: u64::MAX,
        tensor_bytes: u64::MAX,
        tensor_elements: u64::MAX,
        ..Limits::default()
    };
    let granted = [Permission::ReadValues].into_iter().collect();
    let settings = Settings { granted, ..Settings::of_tests() };
    State::new(Arc::new(settings), Arc::new(limits))
}

/// Processor time, in seconds: that of this thread, and that of all. It is brought up to date when a thread gives way.
fn processor_time() -> [f64; 2] {
    thread::yield_now();
    let of = |file: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.split_whitespace().next().map_or(0.0, |first| first.parse::<f64>().unwrap() / 1e9)
    };
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let all = tasks.map(|task| of(&task.unwrap().path().join("schedstat").to_string_lossy())).sum();
    [of("/proc/thread-self/schedstat"), all]
}

/// What a thing took: the seconds of this thread, and on how many threads it ran. Medians.
#[derive(Default)]
struct Took(Vec<[f64; 2]>);

impl Took {
    fn add(&mut self, before: [f64; 2]) {
        let after = processor_time();
        self.0.push([after[0] - before[0], after[1] - before[1]]);
    }

    fn median(&self) -> (f64, f64) {
        let mut sorted = self.0.clone();
        sorted.sort_by(|left, right| left[0].total_cmp(&right[0]));
        let [own, all] = sorted[sorted.len() / 2];
        (own, all / own.max(1e-9))
    }
}

/// Prints an operation's line; an operation that is not defined on the operands has none. Returns whether it took longer
/// than was thought.
fn is_late(name: &str, form: &str, operands: &[Tensor], operation: Operation) -> bool {
    let kind = operands[0].kind();
    let mut state = state();
    let (mut forward, mut backward, mut cost) = (Took::default(), Took::default(), Cost::default());
    for round in 0..8 {
        let handles: Vec<Handle> =
            operands.iter().map(|operand| state.hold(operand.shallow_clone()).unwrap()).collect();
        state.call.usage = Usage::default();
        let before = processor_time();
        let Ok(handle) = operation(&mut state, &handles) else { return false };
        // The first makes room for the rest.
        if round > 0 {
            forward.add(before);
        }
        cost = state.call.usage.call;
        let result = state.tensor(&handle).unwrap();
        state.handles.end_call();
        if !result.requires_grad() {
            continue;
        }
        let sum = result.sum(None::<Kind>);
        drop(result);
        let leaves: Vec<&Tensor> = operands.iter().filter(|operand| operand.requires_grad()).collect();
        let before = processor_time();
        Tensor::run_backward(&[sum], &leaves, false, false);
        if round > 0 {
            backward.add(before);
        }
    }
    let mut is_late = false;
    let mut text = format!("{name:32} {form:10} {kind:8?}");
    for (took, work) in [(forward, cost.work), (backward, cost.gradient_work)] {
        if took.0.is_empty() {
            continue;
        }
        let (seconds, threads) = took.median();
        let part = seconds / (work as f64 / 1e10);
        text.push_str(&format!(" {:9.2} ms {part:5.2} on {threads:.1}", seconds * 1e3));
        // What is brief is not worth a refusal.
        is_late |= part > 1.0 && seconds > 1e-3;
    }
    println!("{text}{}", if is_late { "  LATE" } else { "" });
    is_late
}

#[test]
#[ignore = "measures: run it alone"]
fn calibration() {
    tch::set_num_threads(env::var("THREADS").map_or(1, |threads| threads.parse().unwrap()));
    let only = env::var("ONLY").unwrap_or_default();
    let asked = |name: &str| only.split(',').any(|part| name.contains(part));
    let mut late = vec![];
    for kind in KINDS {
        for (form, operands) in forms(kind) {
            for (name, operation) in elementwise().into_iter().chain(along()) {
                if asked(name) && is_late(name, form, &operands, operation) {
                    late.push(format!("{name} {form} {kind:?}"));
                }
            }
        }
        for (name, operands, operation) in products(kind).into_iter().chain(picking(kind)) {
            if asked(name) && is_late(name, "", &operands, operation) {
                late.push(format!("{name} {kind:?}"));
            }
        }
    }
    assert!(late.is_empty(), "these take longer than thought: {late:#?}");
}
