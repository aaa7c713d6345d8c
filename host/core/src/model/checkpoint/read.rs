use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::{fs, io};

use indexmap::IndexMap;
use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors, TensorInfo};
use tch::{Kind, Tensor};

use crate::Result;
use crate::model::ModelError;
use crate::model::registry::Family;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The weights of a model's folder, mapped into memory. Tensors go by the names that they have in a model with a
/// head, whatever the files call them.
pub(in crate::model) struct Checkpoint {
    folder: PathBuf,
    files: Vec<WeightsFile>,
    /// The file and the name in it of each tensor.
    tensors: BTreeMap<String, (usize, String)>,
    is_body: bool,
}

struct WeightsFile {
    path: PathBuf,
    map: Mmap,
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
        let (start, end) = info.data_offsets;
        let bytes = &file.map[file.start + start..file.start + end];
        target.f_copy_(&Tensor::f_from_data_size(bytes, &target.size(), kind)?)?;
        Ok(())
    }

    fn find(&self, name: &str) -> Option<(&WeightsFile, &TensorInfo)> {
        let (file, stored) = self.tensors.get(name)?;
        let file = &self.files[*file];
        Some((file, file.metadata.info(stored)?))
    }
}

impl WeightsFile {
    fn open(path: PathBuf) -> Result<Self, ModelError> {
        let map = File::open(&path).and_then(|file| {
            // SAFETY: the map is only read while a model is being loaded. Who cuts the file short meanwhile ends the
            // process with a bus error; there is no protection against that short of copying the file.
            unsafe { Mmap::map(&file) }
        });
        let map = map.map_err(|source| ModelError::Read { path: path.clone(), source })?;
        match SafeTensors::read_metadata(&map) {
            // 8 bytes hold the header's length.
            Ok((header, metadata)) => Ok(Self { path, start: 8 + header, map, metadata }),
            Err(error) => {
                let found = match error {
                    SafeTensorError::MetadataIncompleteBuffer => {
                        "it is cut short or has bytes after its end".to_owned()
                    }
                    other => other.to_string(),
                };
                let reason = format!("not a whole safetensors file ({} bytes): {found}. Copy it again", map.len());
                Err(ModelError::Weights { path, reason })
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.metadata.offset_keys().into_iter()
    }
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
