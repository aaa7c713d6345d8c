//! What a plugin costs in each language: the adaptor that is the same in all of them, at the default limits, and its share
//! of a step of training.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brewer::model::{LoadOptions, from_config};
use brewer::{Adaptor, Batch, OutputRequest, Outputs, Pass, Side, StepContext};
use brewer_plugin_host::{CodeCache, Engine, Plugin, PluginAdaptor, PluginOptions};
use serde_json::json;
use tch::{Device, Kind, Tensor};

const LANGUAGES: [(&str, &str); 4] = [("Rust", ""), ("C", "-c"), ("JavaScript", "-javascript"), ("Python", "-python")];

/// Of what takes microseconds.
const SAMPLES: usize = 31;

/// How often a step calls an adaptor: for the teacher and for the student.
const CALLS_IN_A_STEP: f64 = 2.0;

/// Logits, seven hidden states and a mask; what is in the tensors makes no difference.
fn inputs() -> (Batch, Outputs) {
    let tensor = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let batch = [("attention_mask", tensor(&[32, 64]))].into_iter().collect();
    let mut outputs = Outputs::new();
    outputs.insert("logits", Some(tensor(&[32, 2])));
    outputs.insert_list("hidden_states", (0..7).map(|_| Some(tensor(&[32, 64, 8]))).collect());
    (batch, outputs)
}

/// The median time of a call: of `samples`, each of as many calls in a row.
fn median<T>(samples: usize, calls: u32, mut call: impl FnMut() -> T) -> Duration {
    let mut sample = || {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(call());
        }
        start.elapsed() / calls
    };
    sample();
    let mut times: Vec<Duration> = (0..samples).map(|_| sample()).collect();
    times.sort();
    times[samples / 2]
}

/// The time of a step of training at BERT-base's size: the student's forward and backward on 32 sequences of 64 tokens,
/// the least that a step has in it.
fn step() -> Duration {
    let config = json!({
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "vocab_size": 30522,
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": 512, "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
        "pad_token_id": 0, "num_labels": 2,
    });
    let folder = tempfile::tempdir().expect("a folder for the model");
    let file = folder.path().join("config.json");
    fs::write(&file, config.to_string()).expect("a configuration");
    let options = LoadOptions { trainable: true, ..LoadOptions::frozen(Device::Cpu) };
    let student = from_config(&file, &options).expect("a model");
    let ones = |shape: &[i64]| Tensor::ones(shape, (Kind::Int64, Device::Cpu));
    let batch: Batch = [("input_ids", ones(&[32, 64])), ("attention_mask", ones(&[32, 64])), ("labels", ones(&[32]))]
        .into_iter()
        .collect();
    let mut request = OutputRequest::nothing();
    request.add("loss");
    let train = || {
        let mut pass = Pass::training(&request);
        student.forward(&batch, &mut pass).expect("a forward");
        pass.into_outputs().tensor("loss").expect("a loss").backward();
    };
    median(3, 1, train)
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
    let context = StepContext { side: Some(Side::Teacher(0)), ..StepContext::default() };
    let (batch, outputs) = inputs();
    let step = step();
    println!(
        "a step of BERT-base: {step:.2?} (the student's forward and backward, 32 sequences of 64 tokens, on the CPU)\n"
    );
    println!(
        "{:<12}{:>12}{:>12}{:>14}{:>14}{:>12}{:>12}",
        "", "component", "compile", "cached load", "instantiate", "adapt", "of a step"
    );
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
        let cached_load = median(SAMPLES, 1, || load(&cached));
        let instantiate = median(SAMPLES, 10, || PluginAdaptor::new(&plugin).expect("an instance"));
        let mut adaptor = PluginAdaptor::new(&plugin).expect("an instance");
        let adapt = median(SAMPLES, 1000, || adaptor.adapt(&context, &batch, &outputs).expect("features"));
        println!(
            "{language:<12}{:>9} KiB{:>12}{:>14}{:>14}{:>12}{:>12}",
            size / 1024,
            format!("{compile:.1?}"),
            format!("{cached_load:.2?}"),
            format!("{instantiate:.1?}"),
            format!("{adapt:.1?}"),
            format!("{:.4} %", 100.0 * CALLS_IN_A_STEP * adapt.as_secs_f64() / step.as_secs_f64())
        );
    }
}
