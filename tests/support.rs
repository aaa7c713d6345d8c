//! What the tests of the binary share: how to start it, and how to read what it wrote.
#![allow(dead_code, reason = "every test crate uses a part of it")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;

/// The binary, to be run in `folder`. It computes on one thread, because tests run side by side, and keeps compiled
/// plugins away from the user's cache.
pub fn brewer_host(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brewer-host"));
    command
        .current_dir(folder)
        .env("OMP_NUM_THREADS", "1")
        .env("BREWER_CACHE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"));
    command
}

/// A recorded run: its models, its data and what came out of it.
pub fn recorded_run(name: &str) -> PathBuf {
    repository().join("tests/parity/runs").join(name)
}

/// The repository's root.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// A plugin that the set-up builds.
pub fn plugin(name: &str) -> PathBuf {
    let path = repository().join("target/plugins").join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is missing; run `cargo xtask plugins`", path.display());
    path
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The JSON objects of a file that has one on each line.
pub fn read_lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A tensor of a safetensors file.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    pub shape: Vec<usize>,
    pub numbers: Vec<f32>,
}

/// All tensors of a safetensors file, which are float32.
pub fn read_tensors(path: &Path) -> BTreeMap<String, Weights> {
    let bytes = fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let numbers = |data: &[u8]| data.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    let read = |(name, view): (String, TensorView)| {
        (name, Weights { shape: view.shape().to_vec(), numbers: numbers(view.data()) })
    };
    tensors.tensors().into_iter().map(read).collect()
}

/// Writes a checkpoint's tensors, as transformers does.
pub fn write_tensors(path: &Path, tensors: &BTreeMap<String, Weights>) {
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, weights)| (name, weights.numbers.iter().flat_map(|number| number.to_le_bytes()).collect()))
        .collect();
    let views = tensors
        .iter()
        .map(|(name, weights)| (name, TensorView::new(Dtype::F32, weights.shape.clone(), &bytes[name]).unwrap()));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    fs::write(path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}

/// The optimizer steps after which a run saved a checkpoint. Nothing else may lie in `checkpoints`.
pub fn checkpoint_steps(output_dir: &Path) -> Vec<u64> {
    let mut steps: Vec<u64> = names_in(&output_dir.join("checkpoints"))
        .iter()
        .map(|name| name.strip_prefix("step-").and_then(|step| step.parse().ok()).unwrap_or_else(|| panic!("{name}")))
        .collect();
    steps.sort_unstable();
    steps
}

/// The sorted names in a folder.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
