//! What a plugin costs in each language: the adaptor that is the same in all of them, at the default limits.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brewer::{AdaptContext, Adaptor, Batch, Outputs, Role};
use brewer_plugin_host::{CodeCache, Engine, Plugin, PluginAdaptor, PluginOptions};
use tch::{Device, Kind, Tensor};

const LANGUAGES: [(&str, &str); 4] = [("Rust", ""), ("C", "-c"), ("JavaScript", "-javascript"), ("Python", "-python")];

/// Batches of calls whose median is reported.
const SAMPLES: usize = 31;

/// Logits, seven hidden states and a mask; what is in the tensors makes no difference.
fn inputs() -> (Batch, Outputs) {
    let tensor = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let batch = [("attention_mask", tensor(&[32, 64]))].into_iter().collect();
    let mut outputs = Outputs::new();
    outputs.insert("logits", Some(tensor(&[32, 2])));
    outputs.insert_list("hidden_states", (0..7).map(|_| Some(tensor(&[32, 64, 8]))).collect());
    (batch, outputs)
}

/// The median time of a call, measured `calls` at a time.
fn median<T>(calls: u32, mut call: impl FnMut() -> T) -> Duration {
    let mut sample = || {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(call());
        }
        start.elapsed() / calls
    };
    sample();
    let mut samples: Vec<Duration> = (0..SAMPLES).map(|_| sample()).collect();
    samples.sort();
    samples[SAMPLES / 2]
}

fn component(suffix: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/plugins")
        .join(format!("sequence-classification{suffix}.wasm"))
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder for the cache");
    let cached = Engine::with_cache(Some(CodeCache::new(folder.path().join("plugins")))).expect("an engine");
    let uncached = Engine::with_cache(None).expect("an engine");
    let context = AdaptContext { role: Role::Teacher(0), task: None, step: 0 };
    let (batch, outputs) = inputs();
    println!("{:<12}{:>12}{:>12}{:>14}{:>14}{:>12}", "", "component", "compile", "cached load", "instantiate", "adapt");
    for (language, suffix) in LANGUAGES {
        let path = component(suffix);
        let load = |engine: &Engine| {
            Plugin::load(engine, &path, PluginOptions::default()).expect("run `cargo xtask languages` first")
        };
        let size = path.metadata().expect("run `cargo xtask languages` first").len();
        let start = Instant::now();
        black_box(load(&uncached));
        let compile = start.elapsed();
        let plugin = load(&cached);
        let cached_load = median(1, || load(&cached));
        let instantiate = median(10, || PluginAdaptor::new(&plugin).expect("an instance"));
        let mut adaptor = PluginAdaptor::new(&plugin).expect("an instance");
        let adapt = median(1000, || adaptor.adapt(&context, &batch, &outputs).expect("features"));
        println!(
            "{language:<12}{:>9} KiB{:>12}{:>14}{:>14}{:>12}",
            size / 1024,
            format!("{compile:.1?}"),
            format!("{cached_load:.2?}"),
            format!("{instantiate:.1?}"),
            format!("{adapt:.1?}")
        );
    }
}
