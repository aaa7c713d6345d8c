//! What tests of models and of training share: the recorded checkpoints, a folder of one's own to break them in, and an
//! observer that keeps what it is told.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use brewer::assemble::PluginSource;
use brewer::experiment::PluginSpec;
use brewer::model::{LoadOptions, Loaded, Model, load};
use brewer::train::{CheckpointEvent, EndEvent, EvaluationEvent, Observer, StepEvent};
use brewer::{Adaptor, Batch, OutputRequest, Outputs, Pass, Result};
use safetensors::tensor::{Dtype, SafeTensors, View, serialize_to_file};
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

pub const SEQUENCE: &str = "bert_sequence_classification";
pub const TOKEN: &str = "bert_token_classification";

/// torch has one generator: tests that draw random numbers take turns, or another's draw would come between two of one.
pub fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A recorded model's folder.
pub fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/models").join(name)
}

pub fn options(trainable: bool) -> LoadOptions {
    LoadOptions { trainable, ..LoadOptions::frozen(Device::Cpu) }
}

/// Options for another class than the checkpoint's.
pub fn as_class(architecture: &str, labels: &[&str]) -> LoadOptions {
    LoadOptions {
        architecture: Some(architecture.to_owned()),
        labels: (!labels.is_empty()).then(|| labels.iter().map(|&label| label.to_owned()).collect()),
        ..options(false)
    }
}

pub fn load_recorded(name: &str) -> Loaded {
    load(&recorded(name), &options(true)).unwrap()
}

/// The message of the error that loading `folder` ends in.
pub fn load_error(folder: &Path, options: &LoadOptions) -> String {
    match load(folder, options) {
        Ok(_) => panic!("{} was loaded", folder.display()),
        Err(error) => {
            assert_eq!(error.fault(), brewer::Fault::Input, "{error}");
            error.to_string()
        }
    }
}

/// All tensors of a safetensors file.
pub fn read_tensors(path: &Path) -> HashMap<String, Tensor> {
    let bytes = fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let convert = |view: safetensors::tensor::TensorView| {
        let kind = if view.dtype() == Dtype::I64 { Kind::Int64 } else { Kind::Float };
        let size: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        Tensor::from_data_size(view.data(), &size, kind)
    };
    tensors.tensors().into_iter().map(|(name, view)| (name, convert(view))).collect()
}

/// The recorded batch: the columns that were recorded, and as `labels` of spans their starts and ends.
pub fn batch_of(io: &HashMap<String, Tensor>) -> Batch {
    let columns = ["input_ids", "attention_mask", "token_type_ids", "labels"];
    let mut batch: Batch = columns.iter().filter_map(|&name| Some((name, io.get(name)?.shallow_clone()))).collect();
    if let (Some(starts), Some(ends)) = (io.get("start_positions"), io.get("end_positions")) {
        batch.insert("labels", Tensor::stack(&[starts, ends], 1));
    }
    batch
}

/// What a model returns in evaluation.
pub fn run(model: &dyn Model, batch: &Batch, request: &OutputRequest) -> Outputs {
    let mut pass = Pass::evaluation(request);
    model.forward(batch, &mut pass).unwrap();
    pass.into_outputs()
}

/// What a model returns in training.
pub fn train(model: &dyn Model, batch: &Batch, request: &OutputRequest) -> Outputs {
    let mut pass = Pass::training(request);
    model.forward(batch, &mut pass).unwrap();
    pass.into_outputs()
}

/// A request for some layers of lists, and some tensors.
pub fn request(names: &[&str], layers: &[(&str, usize)]) -> OutputRequest {
    let mut request = OutputRequest::nothing();
    names.iter().for_each(|name| request.add(name));
    layers.iter().for_each(|&(name, layer)| request.add_layer(name, layer));
    request
}

/// Which layers of the list `name` were computed.
pub fn computed(outputs: &Outputs, name: &str) -> Vec<bool> {
    outputs.list(name).unwrap().iter().map(|layer| layer.tensor.is_some()).collect()
}

/// Fails unless every element is within `absolute + relative·|expected|`.
pub fn assert_close(what: &str, found: &Tensor, expected: &Tensor, absolute: f64, relative: f64) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    let share = ((&found - &expected).abs() / (expected.abs() * relative + absolute)).max().double_value(&[]);
    assert!(share <= 1.0, "{what} is off by {share:.3} times its tolerance");
}

/// Fails unless the difference as a whole is within `relative` of the expected tensor as a whole, by their norms.
pub fn assert_close_as_a_whole(what: &str, found: &Tensor, expected: &Tensor, relative: f64) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    let found = ((&found - &expected).norm() / expected.norm()).double_value(&[]);
    assert!(found <= relative, "{what} is off by {found:.2e} of its norm");
}

/// Makes a model compute in float64, so that rounding does not hide or feign a difference.
pub fn widen(model: &dyn Model) {
    for (_, parameter) in model.parameters().iter() {
        parameter.shallow_clone().set_data(&parameter.to_kind(Kind::Double));
    }
}

/// A tensor to be written, as raw bytes.
#[derive(Clone)]
pub struct Raw {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl View for Raw {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.bytes.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// A copy of a recorded checkpoint that a test may change.
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    pub fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in ["config.json", "model.safetensors"] {
            fs::copy(recorded(name).join(file), folder.path().join(file)).unwrap();
        }
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn weights(&self) -> PathBuf {
        self.path().join("model.safetensors")
    }

    /// Rewrites the weights.
    pub fn change_weights(&self, change: impl FnOnce(Vec<(String, Raw)>) -> Vec<(String, Raw)>) {
        let bytes = fs::read(self.weights()).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors().into_iter();
        let raw = tensors.map(|(name, view)| {
            let raw = Raw { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() };
            (name, raw)
        });
        serialize_to_file(change(raw.collect()), None, &self.weights()).unwrap();
    }

    /// Rewrites every name of the weights; `None` leaves the tensor out.
    pub fn rename_weights(&self, rename: impl Fn(&str) -> Option<String>) {
        self.change_weights(|tensors| {
            tensors.into_iter().filter_map(|(name, raw)| Some((rename(&name)?, raw))).collect()
        });
    }

    /// Sets a key of the config; `Value::Null` removes it.
    pub fn set(&self, key: &str, value: impl Into<Value>) {
        let path = self.path().join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let keys = config.as_object_mut().unwrap();
        match value.into() {
            Value::Null => drop(keys.shift_remove(key)),
            value => drop(keys.insert(key.to_owned(), value)),
        }
        fs::write(path, config.to_string()).unwrap();
    }
}

/// For experiments that name no plugin.
pub struct NoPlugins;

impl PluginSource for NoPlugins {
    fn adaptor(&mut self, _spec: &PluginSpec) -> Result<Box<dyn Adaptor>> {
        unreachable!("the experiment names no plugin")
    }
}

#[derive(Default)]
pub struct Recorder {
    pub steps: Vec<StepEvent>,
    pub evaluations: Vec<EvaluationEvent>,
    pub checkpoints: Vec<CheckpointEvent>,
    pub end: Option<EndEvent>,
}

impl Observer for Recorder {
    fn on_step(&mut self, step: &StepEvent) -> Result<()> {
        self.steps.push(step.clone());
        Ok(())
    }

    fn on_evaluation(&mut self, evaluation: &EvaluationEvent) -> Result<()> {
        self.evaluations.push(evaluation.clone());
        Ok(())
    }

    fn on_checkpoint(&mut self, checkpoint: &CheckpointEvent) -> Result<()> {
        self.checkpoints.push(checkpoint.clone());
        Ok(())
    }

    fn on_end(&mut self, end: &EndEvent) -> Result<()> {
        self.end = Some(end.clone());
        Ok(())
    }
}

/// Two models with the same parameters, to the bit.
pub fn assert_same_parameters(found: &dyn Model, expected: &dyn Model) {
    assert_eq!(found.parameters().iter().count(), expected.parameters().iter().count());
    for (name, tensor) in expected.parameters().iter() {
        assert_eq!(found.parameters().get(name).unwrap(), tensor, "{name}");
    }
}

/// Each of these stands in the text.
pub fn assert_contains(found: &str, expected: &[&str]) {
    for part in expected {
        assert!(found.contains(part), "found {found:?}\nexpected {part:?}");
    }
}
