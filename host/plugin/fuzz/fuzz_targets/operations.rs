//! Drives the host's operations by a guest that takes its choices from the fuzzer's bytes: which operation, on which
//! tensor, with which argument. Whatever the answer is, the process lives.
#![no_main]

use std::cell::RefCell;
use std::path::Path;

use brewer::{AdaptContext, Adaptor, Batch, Outputs, Role};
use brewer_plugin_host::{CodeCache, Engine, Limits, LogSink, Permission, Plugin, PluginAdaptor, PluginOptions};
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tch::{Device, Kind, Tensor};

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
}

fn plugin(choices: &[u8]) -> Plugin {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let options = PluginOptions {
        config: Some(json!({ "choices": choices })),
        limits: Limits { tensor_elements: 1 << 16, tensor_bytes: 1 << 26, work: 1 << 28, ..Limits::default() },
        permissions: [Permission::ReadValues, Permission::WriteValues].into(),
        seed: 0,
        log: LogSink::new(|_, _, _| {}),
    };
    ENGINE.with_borrow_mut(|engine| {
        let cache = || CodeCache::new(root.join("target/fuzz-cache"));
        let engine = engine.get_or_insert_with(|| Engine::with_cache(Some(cache())).expect("an engine"));
        let path = root.join("target/plugins/guest-operations.wasm");
        Plugin::load(engine, path, options).expect("run `cargo xtask plugins` first")
    })
}

fn inputs() -> (Batch, Outputs) {
    let ones = |shape: &[i64], kind| Tensor::ones(shape, (kind, Device::Cpu));
    let batch =
        [("labels", ones(&[3], Kind::Int64)), ("attention_mask", ones(&[3, 4], Kind::Int64))].into_iter().collect();
    let mut outputs = Outputs::new();
    outputs.insert("logits", Some(ones(&[3, 2], Kind::Float).set_requires_grad(true)));
    outputs.insert_list("hidden_states", (0..3).map(|_| Some(ones(&[3, 4, 8], Kind::Float))).collect());
    (batch, outputs)
}

fuzz_target!(|choices: &[u8]| {
    let mut adaptor = PluginAdaptor::new(&plugin(choices)).expect("an instance");
    let (batch, outputs) = inputs();
    let context = AdaptContext { role: Role::Student, task: None, step: 0 };
    let _ = adaptor.adapt(&context, &batch, &outputs);
});
