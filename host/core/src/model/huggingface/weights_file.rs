//! An open file of weights: which tensors it holds and where; and safetensors files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use safetensors::tensor::{Dtype, Metadata};
use tch::{Kind, Tensor};

use crate::Result;
use crate::model::ModelError;

/// The most bytes of a safetensors header, by the definition of the format.
const MAX_HEADER: u64 = 100_000_000;

/// The names, shapes and places of the tensors in a file. It is read by position and not through a mapping: a file that is
/// cut short meanwhile is an error then, and would be a signal that ends the process.
pub(super) struct WeightsFile {
    pub path: PathBuf,
    pub file: File,
    pub tensors: BTreeMap<String, StoredTensor>,
}

/// Where a tensor lies in its file, row by row.
pub(super) struct StoredTensor {
    /// `None` where it is of a kind that weights are not.
    pub kind: Option<Kind>,
    /// The kind as the file calls it.
    pub dtype: String,
    pub shape: Vec<usize>,
    /// Its first byte, and how many it has.
    pub start: u64,
    pub length: usize,
}

impl WeightsFile {
    /// Opens a safetensors file: reads the names and shapes, and checks that it is as long as they say.
    pub fn open(path: PathBuf) -> Result<Self, ModelError> {
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
        let (tensors, end) = tensors_after(&metadata, 8 + size).map_err(|found| not_whole(&found))?;
        if end != length {
            return Err(not_whole("it is cut short or has bytes after its end"));
        }
        Ok(Self { path, file, tensors })
    }

    /// Copies a tensor of this file, converted to float32, into `target` of the same shape. `name` is what messages call it.
    pub fn copy(&self, stored: &StoredTensor, name: &str, mut target: Tensor) -> Result<()> {
        let Some(kind) = stored.kind else {
            let reason = format!(
                "`{name}` holds {}; supported are F32, F16, BF16 and F64. Save the model in one of them, without quantization",
                stored.dtype
            );
            return Err(ModelError::Weights { path: self.path.clone(), reason }.into());
        };
        let mut bytes = vec![0; stored.length];
        let read = self.file.read_exact_at(&mut bytes, stored.start);
        read.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                let reason = format!("it was cut short while `{name}` was read from it. Copy it again");
                ModelError::Weights { path: self.path.clone(), reason }
            }
            _ => ModelError::Read { path: self.path.clone(), source },
        })?;
        target.f_copy_(&Tensor::f_from_data_size(&bytes, &target.size(), kind)?)?;
        Ok(())
    }
}

/// The tensors that a header describes, whose bytes begin at `start`, and where the last one's end. They lie one after the
/// other, and each has as many bytes as its shape says.
fn tensors_after(metadata: &Metadata, start: u64) -> Result<(BTreeMap<String, StoredTensor>, u64), String> {
    let mut tensors = BTreeMap::new();
    let mut expected = 0;
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let (from, to) = info.data_offsets;
        let elements = info.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let bits = elements.and_then(|elements| elements.checked_mul(info.dtype.bitsize()));
        let found = to.checked_sub(from).and_then(|bytes| bytes.checked_mul(8));
        if from != expected || found.is_none() || found != bits {
            return Err(format!("`{name}` has bytes {from} to {to}, which is not {} {:?}", info.dtype, info.shape));
        }
        expected = to;
        let kind = match info.dtype {
            Dtype::F32 => Some(Kind::Float),
            Dtype::F16 => Some(Kind::Half),
            Dtype::BF16 => Some(Kind::BFloat16),
            Dtype::F64 => Some(Kind::Double),
            _ => None,
        };
        let (dtype, shape) = (info.dtype.to_string(), info.shape.clone());
        tensors.insert(name, StoredTensor { kind, dtype, shape, start: start + from as u64, length: to - from });
    }
    Ok((tensors, start.saturating_add(expected as u64)))
}
