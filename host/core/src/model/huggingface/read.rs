use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use indexmap::IndexMap;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde_json::Value;
use tch::{Kind, Tensor};

use super::ModelConfig;
use crate::Result;
use crate::model::ModelError;
use crate::model::families::Family;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The most bytes of a safetensors header, by the definition of the format.
const MAX_HEADER: u64 = 100_000_000;

/// The weights of a model's folder: their names and shapes, and the open files that hold their numbers. Tensors go by
/// the names that they have in a model with a head, whatever the files call them.
pub(in crate::model) struct Checkpoint {
    folder: PathBuf,
    files: Vec<WeightsFile>,
    /// The file and the name in it of each tensor.
    tensors: BTreeMap<String, (usize, String)>,
    is_body: bool,
}

struct WeightsFile {
    path: PathBuf,
    /// Read by position and not through a mapping: a file that is cut short meanwhile is an error then, and would be a
    /// signal that ends the process.
    file: File,
    /// Where the tensors' bytes begin.
    start: usize,
    metadata: Metadata,
}

impl Checkpoint {
    /// Opens the weights in `folder` and checks that the files are whole.
    pub fn open(folder: &Path, family: &Family) -> Result<Self, ModelError> {
        let files = match WeightsFile::open(folder.join(SINGLE)) {
            Err(ModelError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => shards(folder)?,
            file => vec![file?],
        };
        let names = || files.iter().enumerate().flat_map(|(at, file)| file.names().map(move |name| (at, name)));
        let is_body = !names().any(|(_, name)| name.starts_with(family.body));
        let tensors =
            names().filter_map(|(at, name)| Some((family.parameter_name(&name, is_body)?, (at, name)))).collect();
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
    pub fn copy(&self, name: &str, mut target: Tensor) -> Result<()> {
        let Some((file, info)) = self.find(name) else { return Ok(()) };
        let kind = match info.dtype {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::F64 => Kind::Double,
            other => {
                let reason = format!(
                    "`{name}` holds {other}; supported are F32, F16, BF16 and F64. Save the model in one of them, \
                     without quantization"
                );
                return Err(ModelError::Weights { path: file.path.clone(), reason }.into());
            }
        };
        let bytes = file.read(name, info)?;
        target.f_copy_(&Tensor::f_from_data_size(&bytes, &target.size(), kind)?)?;
        Ok(())
    }

    fn find(&self, name: &str) -> Option<(&WeightsFile, &TensorInfo)> {
        let (file, stored) = self.tensors.get(name)?;
        let file = &self.files[*file];
        Some((file, file.metadata.info(stored)?))
    }
}

impl WeightsFile {
    /// Reads the names and shapes of a file, and checks that it is as long as they say.
    fn open(path: PathBuf) -> Result<Self, ModelError> {
        let unreadable = |source| ModelError::Read { path: path.clone(), source };
        let file = File::open(&path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let not_whole = |found: &str| {
            let reason = format!("not a whole safetensors file ({length} bytes): {found}. Copy it again");
            ModelError::Weights { path: path.clone(), reason }
        };
        let mut size = [0; 8];
        if length < size.len() as u64 {
            return Err(not_whole("it has no header"));
        }
        file.read_exact_at(&mut size, 0).map_err(unreadable)?;
        let size = u64::from_le_bytes(size);
        let rest = length - 8;
        if size > rest || size > MAX_HEADER {
            return Err(not_whole(&format!("its header would have {size} bytes")));
        }
        let mut header = vec![0; size as usize];
        file.read_exact_at(&mut header, 8).map_err(unreadable)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| not_whole(&format!("its header is broken: {error}")))?;
        let end = end_of_tensors(&metadata).map_err(|found| not_whole(&found))?;
        if size + end as u64 != rest {
            return Err(not_whole("it is cut short or has bytes after its end"));
        }
        let start = 8 + header.len();
        Ok(Self { path, file, start, metadata })
    }

    /// The bytes of a tensor.
    fn read(&self, name: &str, info: &TensorInfo) -> Result<Vec<u8>, ModelError> {
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        let read = self.file.read_exact_at(&mut bytes, (self.start + start) as u64);
        read.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                let reason = format!("it was cut short while `{name}` was read from it. Copy it again");
                ModelError::Weights { path: self.path.clone(), reason }
            }
            _ => ModelError::Read { path: self.path.clone(), source },
        })?;
        Ok(bytes)
    }

    fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.metadata.offset_keys().into_iter()
    }
}

/// Where the last tensor's bytes end. They lie one after the other, and each tensor has as many as its shape says.
fn end_of_tensors(metadata: &Metadata) -> Result<usize, String> {
    let mut expected = 0;
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let (start, end) = info.data_offsets;
        let elements = info.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let bits = elements.and_then(|elements| elements.checked_mul(info.dtype.bitsize()));
        let found = end.checked_sub(start).and_then(|bytes| bytes.checked_mul(8));
        if start != expected || found.is_none() || found != bits {
            return Err(format!("`{name}` has bytes {start} to {end}, which is not {} {:?}", info.dtype, info.shape));
        }
        expected = end;
    }
    Ok(expected)
}

/// The files that the index of a sharded checkpoint names.
fn shards(folder: &Path) -> Result<Vec<WeightsFile>, ModelError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }

    let path = folder.join(INDEX);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            let hint = conversion(folder);
            return Err(ModelError::NoWeights { folder: folder.to_owned(), hint });
        }
        Err(source) => return Err(ModelError::Read { path, source }),
    };
    let broken = |reason| ModelError::Weights { path: path.clone(), reason };
    let index: Index =
        serde_json::from_slice(&text).map_err(|error| broken(format!("not an index of weights: {error}")))?;
    let mut by_name = IndexMap::new();
    for (tensor, file) in &index.weight_map {
        if !by_name.contains_key(file) {
            if Path::new(file).file_name() != Some(file.as_ref()) {
                return Err(broken(format!("it names the file `{file}`, which is not in this folder")));
            }
            by_name.insert(file, WeightsFile::open(folder.join(file))?);
        }
        if by_name[file].metadata.info(tensor).is_none() {
            return Err(broken(format!("it says that `{tensor}` is in {file}, but it is not there")));
        }
    }
    Ok(by_name.into_values().collect())
}

/// What to do with weights of an older format, if there are any: the same tensors, written once more by Python.
fn conversion(folder: &Path) -> String {
    let has = |name: &str| folder.join(name).exists();
    let shown = folder.display();
    if has("pytorch_model.bin") {
        format!(
            ", but pytorch_model.bin. Python makes the one of the other: python3 -c 'import torch; from \
             safetensors.torch import save_file; save_file({{name: tensor.clone().contiguous() for name, tensor in \
             torch.load(\"{shown}/pytorch_model.bin\", map_location=\"cpu\", weights_only=True).items()}}, \
             \"{shown}/model.safetensors\", {{\"format\": \"pt\"}})'"
        )
    } else if ["pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"].into_iter().any(has) {
        let from = if has("tf_model.h5") { ", from_tf=True" } else { "" };
        format!(
            "; it has weights of an older format. Python makes new ones: python3 -c 'from transformers import AutoModel; \
             AutoModel.from_pretrained(\"{shown}\"{from}).save_pretrained(\"{shown}\")', with the class of the model in \
             place of AutoModel to keep its head"
        )
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::families;

    #[test]
    fn weights_that_are_cut_short_while_they_are_read_are_an_error() {
        let recorded =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/models/bert_token_classification");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SINGLE);
        fs::copy(recorded.join(SINGLE), &path).unwrap();
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
