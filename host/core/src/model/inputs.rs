use tch::{Device, Kind, Tensor};

use super::{InputSpec, ModelError};
use crate::task::{IGNORED_LABEL, Task};
use crate::{Batch, Result};

/// What a model reads of a batch, checked.
#[derive(Debug)]
pub(super) struct Inputs {
    /// `[batch, length]`.
    pub ids: Tensor,
    /// `[batch, length]`; `None` stands for zeros.
    pub token_types: Option<Tensor>,
    /// `[batch, length]`, 0 for padding; `None` if there is no padding.
    pub mask: Option<Tensor>,
    pub length: i64,
}

impl Inputs {
    /// Takes `input_ids`, and `attention_mask` and `token_type_ids` where present, out of a batch on `device`.
    pub fn new(batch: &Batch, spec: &InputSpec, device: Device) -> Result<Self> {
        const EXPECTED: &str = "integers [batch, length]";
        let name = "input_ids";
        let ids = batch.get(name).ok_or(ModelError::NoInput { name, expected: EXPECTED })?;
        let [rows, length] = ids.size()[..] else { return Err(unlike(name, ids, EXPECTED)) };
        if rows == 0 || length == 0 {
            return Err(unlike(name, ids, "at least one example of at least one token"));
        }
        if let Some(limit) = spec.max_length.filter(|limit| length as usize > *limit) {
            let expected = format!("at most {limit} tokens; set `max_length` of the data to that or less");
            return Err(ModelError::Input { name, found: format!("{length} tokens long"), expected }.into());
        }
        check_integers(name, ids, &[rows, length], device)?;
        check_range(name, ids, spec.count(name), "words in its vocabulary")?;

        let name = "token_type_ids";
        let token_types = batch.get(name).filter(|_| spec.reads(name));
        if let Some(types) = token_types {
            check_integers(name, types, &[rows, length], device)?;
            check_range(name, types, spec.count(name), "token types")?;
        }
        Ok(Self {
            ids: ids.shallow_clone(),
            token_types: token_types.map(Tensor::shallow_clone),
            mask: mask(batch, &[rows, length], device)?,
            length,
        })
    }
}

/// Checks that `labels` are what a task's loss compares with these logits.
pub(super) fn check_labels(task: &Task, labels: &Tensor, logits: &Tensor) -> Result<()> {
    let name = "labels";
    let shape = logits.size();
    let Some((&outputs, positions)) = shape.split_last() else { return Ok(()) };
    if !task.labels_are_classes() {
        let is_one = outputs == 1 && labels.size() == positions;
        if !labels.is_floating_point() || (labels.size() != shape && !is_one) {
            return Err(unlike(name, labels, format!("float32 {:?}", if outputs == 1 { positions } else { &shape })));
        }
        return check_device(name, labels, logits.device());
    }
    check_integers(name, labels, positions, logits.device())?;
    if labels.device() == Device::Cpu {
        let counted = labels.f_masked_select(&labels.f_ne(IGNORED_LABEL)?)?;
        let of = if let Task::Spans = task { "positions, and -100 is ignored" } else { "classes, and -100 is ignored" };
        check_range(name, &counted, Some(outputs), of)?;
    }
    Ok(())
}

/// `attention_mask`, unless it is known to mask nothing.
fn mask(batch: &Batch, shape: &[i64], device: Device) -> Result<Option<Tensor>> {
    let name = "attention_mask";
    let Some(mask) = batch.get(name) else { return Ok(None) };
    if mask.size() != shape {
        return Err(unlike(name, mask, format!("the shape of `input_ids`, {shape:?}")));
    }
    check_device(name, mask, device)?;
    // Attention is faster without a mask. Looking costs nothing on the CPU; elsewhere it would stall the device at
    // every step.
    let masks_nothing = device == Device::Cpu && mask.f_ne(0)?.f_all()?.f_int64_value(&[])? != 0;
    Ok((!masks_nothing).then(|| mask.shallow_clone()))
}

/// Checks that a tensor holds integers, has `shape` and lies on `device`.
fn check_integers(name: &'static str, tensor: &Tensor, shape: &[i64], device: Device) -> Result<()> {
    if !matches!(tensor.f_kind()?, Kind::Int64 | Kind::Int) || tensor.size() != shape {
        return Err(unlike(name, tensor, format!("int64 {shape:?}")));
    }
    check_device(name, tensor, device)
}

/// Checks that indices lie in `0..count`, where looking is free. On another device it would stall every step: there
/// the data loader's own check, before the batch was moved, is what stands.
fn check_range(name: &'static str, indices: &Tensor, count: Option<i64>, of: &str) -> Result<()> {
    let Some(count) = count else { return Ok(()) };
    if indices.device() != Device::Cpu || indices.numel() == 0 {
        return Ok(());
    }
    let (lowest, highest) = (indices.f_min()?.f_int64_value(&[])?, indices.f_max()?.f_int64_value(&[])?);
    if 0 <= lowest && highest < count {
        return Ok(());
    }
    let found = if lowest < 0 { lowest } else { highest };
    let expected = format!("0 to {}: it has {count} {of}", count - 1);
    Err(ModelError::Input { name, found: format!("{found} at some position"), expected }.into())
}

fn check_device(name: &'static str, tensor: &Tensor, device: Device) -> Result<()> {
    if tensor.device() == device {
        return Ok(());
    }
    let expected = format!("a batch on its own device, {device:?}; move it with `Batch::to_device`");
    Err(ModelError::Input { name, found: format!("on {:?}", tensor.device()), expected }.into())
}

/// The error that a tensor is of another shape or kind than expected.
fn unlike(name: &'static str, tensor: &Tensor, expected: impl Into<String>) -> crate::Error {
    let kind = tensor.f_kind().map_or_else(|_| "of an unknown kind".to_owned(), |kind| format!("{kind:?}"));
    ModelError::Input { name, found: format!("{kind} {:?}", tensor.size()), expected: expected.into() }.into()
}
