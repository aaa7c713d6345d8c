use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensorError, View, serialize_to_file};
use tch::{Device, Kind, Tensor};

use super::ModelConfig;
use crate::Result;
use crate::files::{self, TemporaryFile};
use crate::model::{ModelError, Parameters};

/// Writes `config.json` and `model.safetensors` to `folder`, which is made if it is not there. The files that stood
/// there are replaced only when both new ones are on disk. A tied parameter is written under each of its names.
pub(in crate::model) fn write(folder: &Path, config: &ModelConfig, parameters: &Parameters) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ModelError::Write { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let views = parameters.named().map(|(name, tensor)| Ok((name, FloatView::new(name, tensor)?)));
    let views = views.collect::<Result<Vec<_>>>()?;

    let weights_path = folder.join("model.safetensors");
    let weights = TemporaryFile::new(&weights_path).map_err(failed(&weights_path))?;
    write_weights(views, weights.path()).and_then(|()| weights.sync()).map_err(failed(&weights_path))?;

    let config_path = folder.join("config.json");
    let description = TemporaryFile::new(&config_path).map_err(failed(&config_path))?;
    fs::write(description.path(), config.to_json()).and_then(|()| description.sync()).map_err(failed(&config_path))?;

    weights.place().map_err(failed(&weights_path))?;
    description.place().map_err(failed(&config_path))?;
    // The new names are on disk only when the folder is.
    files::sync_folder(folder).map_err(failed(folder))?;
    Ok(())
}

fn write_weights(views: Vec<(&str, FloatView)>, path: &Path) -> io::Result<()> {
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    serialize_to_file(views, Some(metadata), path).map_err(|error| match error {
        SafeTensorError::IoError(error) => error,
        other => io::Error::other(other),
    })
}

/// A float32 tensor as bytes.
struct FloatView {
    /// On the CPU and contiguous.
    tensor: Tensor,
    shape: Vec<usize>,
}

impl FloatView {
    fn new(name: &str, tensor: &Tensor) -> Result<Self> {
        let kind = tensor.f_kind()?;
        if kind != Kind::Float {
            return Err(ModelError::ParameterKind { name: name.to_owned(), found: kind }.into());
        }
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
        let shape = tensor.size().into_iter().map(|size| size as usize).collect();
        Ok(Self { tensor, shape })
    }
}

impl View for FloatView {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        if self.data_len() == 0 {
            return Cow::Borrowed(&[]);
        }
        // SAFETY: the tensor is on the CPU, contiguous and of float32 (`new` checks it), thus its elements are
        // `data_len` bytes from `data_ptr` on, and it lives as long as `self`.
        Cow::Borrowed(unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast::<u8>(), self.data_len()) })
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_is_not_float32_is_named() {
        for kind in [Kind::BFloat16, Kind::Half, Kind::Double] {
            let error = FloatView::new("pooler.weight", &Tensor::zeros([3, 2], (kind, Device::Cpu))).err().unwrap();
            let expected = ["`pooler.weight`", &format!("{kind:?}"), "float32"];
            assert!(expected.iter().all(|part| error.to_string().contains(part)), "{error}");
        }
    }
}
