//! Drives the host's operations by a guest that takes its choices from the fuzzer's bytes: which operation, on which
//! tensor, with which argument. Whatever the answer is, the process lives.
#![no_main]

use std::cell::RefCell;
use std::path::Path;

use brewer::{Adaptor, Batch, Outputs, Side, StepContext};
use brewer_plugin_host::{Engine, Limits, LogSink, Permission, Plugin, PluginAdaptor, PluginOptions};
use libfuzzer_sys::fuzz_target;
use tch::{Device, Kind, Tensor};

thread_local! {
    static GUEST: RefCell<PluginAdaptor> = RefCell::new(guest());
}

fn guest() -> PluginAdaptor {
    let options = PluginOptions {
        limits: Limits { tensor_elements: 1 << 16, tensor_bytes: 1 << 26, work: 1 << 28, ..Limits::default() },
        permissions: [Permission::ReadValues].into(),
        log: LogSink::new(|_, _, _| {}),
        ..PluginOptions::default()
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/plugins/guest-operations.wasm");
    let plugin = Plugin::load(&Engine::with_cache(None).expect("an engine"), path, options);
    PluginAdaptor::new(&plugin.expect("run `cargo xtask plugins` first")).expect("an instance")
}

fn batch(choices: &[u8]) -> Batch {
    let ones = |shape: &[i64]| Tensor::ones(shape, (Kind::Int64, Device::Cpu));
    let choices: Vec<i64> = choices.iter().map(|choice| i64::from(*choice)).collect();
    [("labels", ones(&[3])), ("attention_mask", ones(&[3, 4])), ("choices", Tensor::from_slice(&choices))]
        .into_iter()
        .collect()
}

fn outputs() -> Outputs {
    let ones = |shape: &[i64]| Tensor::ones(shape, (Kind::Float, Device::Cpu));
    let mut outputs = Outputs::new();
    outputs.insert("logits", Some(ones(&[3, 2]).set_requires_grad(true)));
    outputs.insert_list("hidden_states", (0..3).map(|_| Some(ones(&[3, 4, 8]))).collect());
    outputs
}

fuzz_target!(|choices: &[u8]| {
    let context = StepContext { side: Some(Side::Student), ..StepContext::default() };
    GUEST.with_borrow_mut(|guest| {
        let _ = guest.adapt(&context, &batch(choices), &outputs());
    });
});
