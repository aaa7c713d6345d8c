//! What a plugin costs: a call, an instance, loading from the cache, compiling.

use std::{hint::black_box, path::Path};

use brewer::{AdaptContext, Adaptor, Batch, Outputs, Role};
use brewer_plugin_host::{CodeCache, Engine, Plugin, PluginAdaptor, PluginOptions};
use criterion::{Criterion, criterion_group, criterion_main};
use tch::{Device, Kind, Tensor};

/// Logits, seven hidden states and a mask; what is in the tensors makes no difference.
fn inputs() -> (Batch, Outputs) {
    let tensor = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let batch = [("attention_mask", tensor(&[32, 64]))].into_iter().collect();
    let mut outputs = Outputs::new();
    outputs.insert("logits", Some(tensor(&[32, 2])));
    outputs.insert_list("hidden_states", (0..7).map(|_| Some(tensor(&[32, 64, 8]))).collect());
    (batch, outputs)
}

fn benchmark(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins/sequence-classification.wasm");
    let folder = tempfile::tempdir().expect("a folder for the cache");
    let cached = Engine::with_cache(Some(CodeCache::new(folder.path().join("plugins")))).expect("an engine");
    let uncached = Engine::with_cache(None).expect("an engine");
    let load = |engine: &Engine| {
        Plugin::load(engine, &path, PluginOptions::default()).expect("run `cargo xtask plugins` first")
    };
    let plugin = load(&cached);

    let mut adaptor = PluginAdaptor::new(&plugin).expect("an instance");
    let context = AdaptContext { role: Role::Teacher(0), task: None, step: 0 };
    let (batch, outputs) = inputs();
    criterion.bench_function("adapt", |bencher| {
        bencher.iter(|| black_box(adaptor.adapt(&context, &batch, &outputs).expect("features")));
    });
    criterion.bench_function("instantiate", |bencher| {
        bencher.iter(|| black_box(PluginAdaptor::new(&plugin).expect("an instance")));
    });
    criterion.bench_function("load from the cache", |bencher| bencher.iter(|| black_box(load(&cached))));
    criterion.bench_function("compile", |bencher| bencher.iter(|| black_box(load(&uncached))));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = benchmark
}
criterion_main!(benches);
