use std::collections::BTreeMap;
use std::path::Path;

use tch::Tensor;

use super::Trained;
use crate::loss::LossError;
use crate::{Result, libtorch};

/// Gives projections the weights of a safetensors file: each parameter of `trained` must be there once, under its own
/// name (`projections.0.weight`) or under that of TextBrewer's list of projections (`0.weight`, and `0.0.weight` where
/// an activation follows), and nothing else.
pub fn restore_projections(path: &Path, trained: &[Trained<'_>]) -> Result<()> {
    let wrong = |found: String, expected: String| LossError::Value {
        key: format!("student.projections: {}", path.display()),
        found,
        expected,
    };
    let read = Tensor::read_safetensors(path)
        .map_err(|error| wrong(libtorch::message(&error), "a safetensors file".into()))?;
    let mut tensors: BTreeMap<String, Tensor> = read.into_iter().collect();
    for Trained { prefix, parameters, .. } in trained {
        let index = prefix.rsplit('.').next().unwrap_or(prefix);
        for (name, parameter) in parameters.iter() {
            let names = [format!("{prefix}.{name}"), format!("{index}.{name}"), format!("{index}.0.{name}")];
            let Some((name, tensor)) = names.iter().find_map(|name| tensors.remove_entry(name)) else {
                return Err(wrong("no such tensor".into(), format!("`{}`", names.join("` or `"))).into());
            };
            if tensor.size() != parameter.size() {
                let found = format!("`{name}` of {:?}", tensor.size());
                return Err(wrong(found, format!("{:?}, the shape of the projection", parameter.size())).into());
            }
            tch::no_grad(|| parameter.shallow_clone().f_copy_(&tensor))?;
        }
    }
    match tensors.keys().next() {
        Some(name) => {
            let expected = format!("only the projections of the {} matches that have one", trained.len());
            Err(wrong(format!("`{name}`"), expected).into())
        }
        None => Ok(()),
    }
}
