use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use indexmap::IndexMap;
use serde_json::Value;
use tch::Tensor;

use super::weights_file::{StoredTensor, WeightsFile};
use super::{ModelConfig, torch_file};
use crate::Result;
use crate::model::ModelError;
use crate::model::families::Family;

/// What reads the names and places of a file's tensors.
type Open = fn(PathBuf) -> Result<WeightsFile, ModelError>;

/// The weights that a folder may have: one file, or the index of several; the first that is there is read.
const FORMATS: [(&str, &str, Open); 2] = [
    ("model.safetensors", "model.safetensors.index.json", WeightsFile::open),
    ("pytorch_model.bin", "pytorch_model.bin.index.json", torch_file::open),
];

/// The weights of a model's folder: their names and shapes, and the open files that hold their numbers. Tensors go by
/// the names that they have in a model with a head, whatever the files call them.
pub(in crate::model) struct Checkpoint {
    folder: PathBuf,
    files: Vec<WeightsFile>,
    /// The file and the name in it of each tensor.
    tensors: BTreeMap<String, (usize, String)>,
    is_body: bool,
}

impl Checkpoint {
    /// Opens the weights in `folder` and checks that the files are whole.
    pub fn open(folder: &Path, family: &Family) -> Result<Self, ModelError> {
        let files = open_files(folder)?;
        let names = || files.iter().enumerate().flat_map(|(at, file)| file.tensors.keys().map(move |name| (at, name)));
        let is_body = !names().any(|(_, name)| name.starts_with(family.body));
        let tensors = names()
            .filter_map(|(at, name)| Some((family.parameter_name(name, is_body)?, (at, name.clone()))))
            .collect();
        Ok(Self { folder: folder.to_owned(), files, tensors, is_body })
    }

    /// Whether it is a body alone, saved without the prefix that a body has below a head.
    pub fn is_body(&self) -> bool {
        self.is_body
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        let (_, info) = self.find(name)?;
        Some(info.shape.iter().map(|&size| size as i64).collect())
    }

    /// Compares the sizes in a model's config with the shapes here, before anything is allocated for them.
    pub fn check_sizes(&self, config: &ModelConfig, family: &Family) -> Result<(), ModelError> {
        let layers = self.names().filter_map(|name| family.layer_of(name)).max().map_or(0, |last| last as i64 + 1);
        let in_shape = family.sizes.iter().filter_map(|size| {
            let (file, info) = self.find(size.tensor)?;
            let found = *info.shape.get(size.dim)? as i64;
            Some((size.key, found, format!("`{}` is {:?}", size.tensor, info.shape), file.path.as_path()))
        });
        let has = format!("there are {layers} layers");
        let of_layers = (family.num_layers, layers, has, self.folder.as_path());
        let of_layers = family.layers.map(|_| of_layers);
        for (key, found, shown, file) in in_shape.chain(of_layers) {
            // What is no number is refused with all other keys that are wrong in themselves.
            let is_other = |value: &&Value| value.is_number() && value.as_i64() != Some(found);
            let Some(value) = config.get(key).filter(is_other) else { continue };
            return Err(config.invalid(format!(
                "`{key}` is {value}, but in {} {shown}; expected {found}: take config.json and weights from one \
                 checkpoint",
                file.display()
            )));
        }
        Ok(())
    }

    /// Copies the tensor `name`, converted to float32, into `target` of the same shape.
    pub fn copy(&self, name: &str, target: Tensor) -> Result<()> {
        match self.find(name) {
            Some((file, stored)) => file.copy(stored, name, target),
            None => Ok(()),
        }
    }

    fn find(&self, name: &str) -> Option<(&WeightsFile, &StoredTensor)> {
        let (file, stored) = self.tensors.get(name)?;
        let file = &self.files[*file];
        Some((file, file.tensors.get(stored)?))
    }
}

/// The files of a folder's weights.
fn open_files(folder: &Path) -> Result<Vec<WeightsFile>, ModelError> {
    for (single, index, open) in FORMATS {
        match open(folder.join(single)) {
            Err(ModelError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            file => return Ok(vec![file?]),
        }
        match fs::read(folder.join(index)) {
            Ok(text) => return shards(&folder.join(index), &text, open),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ModelError::Read { path: folder.join(index), source }),
        }
    }
    Err(ModelError::NoWeights { folder: folder.to_owned(), hint: conversion(folder) })
}

/// The files that the index of a sharded checkpoint names.
fn shards(path: &Path, text: &[u8], open: Open) -> Result<Vec<WeightsFile>, ModelError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }

    let broken = |reason| ModelError::Weights { path: path.to_owned(), reason };
    let index: Index =
        serde_json::from_slice(text).map_err(|error| broken(format!("not an index of weights: {error}")))?;
    let mut by_name = IndexMap::new();
    for (tensor, file) in &index.weight_map {
        if !by_name.contains_key(file) {
            if Path::new(file).file_name() != Some(file.as_ref()) {
                return Err(broken(format!("it names the file `{file}`, which is not in this folder")));
            }
            by_name.insert(file, open(path.with_file_name(file))?);
        }
        if !by_name[file].tensors.contains_key(tensor) {
            return Err(broken(format!("it says that `{tensor}` is in {file}, but it is not there")));
        }
    }
    Ok(by_name.into_values().collect())
}

/// What to do with weights of another framework, if there are any: the same tensors, written once more by Python.
fn conversion(folder: &Path) -> String {
    let has = |name: &str| folder.join(name).exists();
    let shown = folder.display();
    if ["tf_model.h5", "flax_model.msgpack"].into_iter().any(has) {
        let from = if has("tf_model.h5") { ", from_tf=True" } else { ", from_flax=True" };
        format!(
            "; it has weights of another framework. transformers before version 5 makes new ones: python3 -c 'from \
             transformers import AutoModel; AutoModel.from_pretrained(\"{shown}\"{from}).save_pretrained(\"{shown}\")', with \
             the class of the model in place of AutoModel to keep its head"
        )
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tch::Kind;

    use super::*;
    use crate::model::families;

    #[test]
    fn weights_that_are_cut_short_while_they_are_read_are_an_error() {
        let recorded =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/models/bert_token_classification");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        fs::copy(recorded.join("model.safetensors"), &path).unwrap();
        let family = families::find("BertForTokenClassification").unwrap().family;
        let checkpoint = Checkpoint::open(folder.path(), family).unwrap();
        let name = "bert.embeddings.word_embeddings.weight";
        let target = Tensor::zeros(checkpoint.shape(name).unwrap(), (Kind::Float, tch::Device::Cpu));
        checkpoint.copy(name, target.shallow_clone()).unwrap();
        assert!(target.abs().sum(Kind::Float).double_value(&[]) > 0.0);
        // Another process writes the file anew.
        File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
        let error = checkpoint.copy(name, target).unwrap_err().to_string();
        assert!(error.contains("model.safetensors: it was cut short while `bert.embeddings.word"), "{error}");
    }
}
