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
        let is_wanted = |name: &&str| !new_head || family.is_below_head(name);
        let names = std::iter::once(name).chain(parameters.other_names(name));
        let stored: Vec<&str> = names.filter(is_wanted).filter(|name| checkpoint.shape(name).is_some()).collect();
        for &name in &stored {
            if let Some(shape) = checkpoint.shape(name).filter(|shape| *shape != tensor.size()) {
                mismatch.misshapen.push((name.to_owned(), shape, tensor.size()));
            }
        }
        match stored.is_empty() {
            false => found.push((stored, tensor)),
            true if new_head && !family.is_shared(name) => filled.new.push(name.to_owned()),
            true => mismatch.missing.push(name.to_owned()),
        }
    }
    for name in checkpoint.names() {
        let is_below_head = family.is_below_head(name);
        if parameters.get(name).is_some() && (is_below_head || !new_head) {
            continue;
        }
        // Classes without a pooler were once saved with one.
        let is_unused = name.starts_with(family.pooler) || family.unused.iter().any(|unused| name.starts_with(unused));
        if is_unused || (new_head && !is_below_head) {
            filled.left_out.push(name.to_owned());
        } else {
            mismatch.extra.push(name.to_owned());
        }
    }
    if !mismatch.is_empty() {
        return Err(ModelError::Mismatch(Box::new(mismatch)).into());
    }
    for (stored, tensor) in found {
        let Some((&first, others)) = stored.split_first() else { continue };
        checkpoint.copy(first, tensor.shallow_clone())?;
        for &name in others {
            let other = tensor.f_empty_like()?;
            checkpoint.copy(name, other.shallow_clone())?;
            if !other.f_equal(tensor)? {
                let names = (first.to_owned(), name.to_owned());
                return Err(ModelError::Untied { folder: checkpoint.folder().to_owned(), names }.into());
            }
        }
    }
    for name in &filled.new {
        unfilled.initialize(name)?;
    }
    Ok(filled)
}
