use super::{Checkpoint, Mismatch};
use crate::Result;
use crate::model::ModelError;
use crate::model::builder::Unfilled;
use crate::model::families::Architecture;

/// What a checkpoint did not share with the model that was made of it.
#[derive(Debug, Default)]
pub(in crate::model) struct Filled {
    /// Parameters that were initialized at random.
    pub new: Vec<String>,
    /// Tensors of the checkpoint that were not used.
    pub left_out: Vec<String>,
}

/// Fills a model's parameters from a checkpoint. The body must be complete. With `new_head` the head is initialized at
/// random whatever the checkpoint has under its names; otherwise it must be there, too.
pub(in crate::model) fn fill(
    unfilled: &Unfilled,
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    new_head: bool,
) -> Result<Filled> {
    let family = architecture.family;
    let mut filled = Filled::default();
    let mut mismatch = Mismatch {
        folder: checkpoint.folder().to_owned(),
        architecture: architecture.name.to_owned(),
        missing: vec![],
        extra: vec![],
        misshapen: vec![],
    };
    let parameters = unfilled.parameters();
    let mut found = vec![];
    for (name, tensor) in parameters.iter() {
        let is_body = name.starts_with(family.body);
        match checkpoint.shape(name).filter(|_| is_body || !new_head) {
            Some(shape) if shape == tensor.size() => found.push(name),
            Some(shape) => mismatch.misshapen.push((name.to_owned(), shape, tensor.size())),
            None if new_head && !family.is_shared(name) => filled.new.push(name.to_owned()),
            None => mismatch.missing.push(name.to_owned()),
        }
    }
    for name in checkpoint.names() {
        let is_body = name.starts_with(family.body);
        if parameters.get(name).is_some() && (is_body || !new_head) {
            continue;
        }
        // Classes without a pooler were once saved with one.
        if name.starts_with(family.pooler) || (new_head && !is_body) {
            filled.left_out.push(name.to_owned());
        } else {
            mismatch.extra.push(name.to_owned());
        }
    }
    if !mismatch.is_empty() {
        return Err(ModelError::Mismatch(Box::new(mismatch)).into());
    }
    for name in found {
        if let Some(tensor) = parameters.get(name) {
            checkpoint.copy(name, tensor.shallow_clone())?;
        }
    }
    for name in &filled.new {
        unfilled.initialize(name)?;
    }
    Ok(filled)
}
