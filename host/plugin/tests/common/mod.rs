//! What the tests of plugins share: components that were built, and something to call them with.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use brewer::{Adaptor, Batch, Features, Outputs, Side, StepContext};
use brewer_plugin_host::{Engine, Limits, LogSink, Permission, Plugin, PluginAdaptor, PluginOptions};
use serde_json::Value;
use tch::{Kind, Tensor};

/// A component that `cargo xtask plugins`, or `cargo xtask languages`, built.
pub fn component(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let path = folder.join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is missing: run `cargo xtask languages`", path.display());
    path
}

/// An engine for a whole test program.
pub fn engine() -> Engine {
    static ENGINE: std::sync::OnceLock<Engine> = std::sync::OnceLock::new();
    ENGINE.get_or_init(|| Engine::with_cache(None).unwrap()).clone()
}

pub fn silent() -> LogSink {
    LogSink::new(|_, _, _| {})
}

/// The component `name` with options, ready to be called.
pub fn adaptor_with(name: &str, options: PluginOptions) -> PluginAdaptor {
    PluginAdaptor::new(&Plugin::load(&engine(), component(name), options).unwrap()).unwrap()
}

/// The guest of many faces, asked to do one thing.
pub fn guest(config: Value, limits: Limits, permissions: &[Permission]) -> PluginAdaptor {
    let permissions = permissions.iter().copied().collect();
    let options = PluginOptions { config: Some(config), limits, permissions, log: silent(), ..Default::default() };
    adaptor_with("guest-misbehaving", options)
}

pub fn student(step: u64) -> StepContext {
    StepContext { step, side: Some(Side::Student), ..StepContext::default() }
}

pub fn teacher(index: usize) -> StepContext {
    StepContext { side: Some(Side::Teacher(index)), ..StepContext::default() }
}

/// Three sequences of four tokens.
pub fn batch() -> Batch {
    [
        ("input_ids", Tensor::from_slice(&[5i64; 12]).reshape([3, 4])),
        ("attention_mask", Tensor::from_slice(&[1i64, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1]).reshape([3, 4])),
        ("labels", Tensor::from_slice(&[0i64, 1, 1])),
    ]
    .into_iter()
    .collect()
}

/// Logits of two classes, seven hidden states of size 8, six attention maps, a loss.
pub fn outputs() -> Outputs {
    let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, tch::Device::Cpu));
    let mut outputs = Outputs::new();
    outputs.insert("loss", Some(Tensor::from(0.5f32)));
    outputs.insert("logits", Some(random(&[3, 2])));
    outputs.insert_list("hidden_states", (0..7).map(|_| Some(random(&[3, 4, 8]))).collect());
    outputs.insert_list("attentions", (0..6).map(|_| Some(random(&[3, 2, 4, 4]))).collect());
    outputs
}

/// The same of a student that is trained.
pub fn trained_outputs() -> Outputs {
    let mut trained = outputs();
    let logits = trained.tensor("logits").unwrap().copy().set_requires_grad(true);
    trained.insert("logits", Some(logits));
    trained
}

/// Calls an adaptor that is expected to fail, and returns its message.
pub fn failure(adaptor: &mut PluginAdaptor) -> String {
    adaptor.adapt(&student(3), &batch(), &outputs()).expect_err("the call succeeded").to_string()
}

pub fn same(left: &Tensor, right: &Tensor) -> bool {
    left.size() == right.size() && left.equal(right)
}

/// Whether two results hold the same numbers.
pub fn assert_same(left: &Features, right: &Features) {
    let all = |left: &[Tensor], right: &[Tensor]| {
        left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
    };
    assert!(all(&left.logits, &right.logits), "logits");
    assert!(all(&left.logits_mask, &right.logits_mask), "logits_mask");
    assert!(all(&left.labels, &right.labels), "labels");
    assert!(all(&left.losses, &right.losses), "losses");
    assert!(all(left.inputs_mask.as_slice(), right.inputs_mask.as_slice()), "inputs_mask");
    for (left, right) in [(&left.hidden, &right.hidden), (&left.attention, &right.attention)] {
        assert_eq!(left.len(), right.len());
        for (left, right) in left.iter().zip(right) {
            assert_eq!(left.origin, right.origin);
            match (&left.tensor, &right.tensor) {
                (Some(left), Some(right)) => assert!(same(left, right)),
                (left, right) => assert!(left.is_none() && right.is_none()),
            }
        }
    }
}

/// What this process occupies of the machine's memory.
pub fn resident_kib() -> u64 {
    status_kib("VmRSS:")
}

/// A number of KiB that the kernel knows of this process.
pub fn status_kib(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
