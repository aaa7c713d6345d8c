//! From features to the rows of logits that a KD loss compares.

use tch::{Kind, Tensor};

use crate::{Features, Result};

/// The rows of a pair of logits, after masks were applied.
pub(super) struct Rows {
    /// `[rows, classes]`.
    pub student: Tensor,
    /// `[rows, classes]`.
    pub teacher: Tensor,
    /// The labels of the rows, `[rows]`, or `[rows, classes]` where they are numbers of the logits' shape.
    pub labels: Option<Tensor>,
}

impl Rows {
    /// Those of the logits at `index`; with `is_shifted` the teacher's logits are shifted to the labels. Without
    /// `has_labels` the labels are left out.
    pub fn new(
        student: &Features,
        teacher: &Features,
        index: usize,
        is_shifted: bool,
        has_labels: bool,
    ) -> Result<Self> {
        let labels = student.labels.get(index);
        let of_student = selected(student, index, None)?;
        let of_teacher = selected(teacher, index, labels.filter(|_| is_shifted))?;
        let labels = match labels.filter(|_| has_labels) {
            Some(labels) => Some(labels_of_rows(student, index, labels, &of_student)?),
            None => None,
        };
        Ok(Self { student: flat(&of_student)?, teacher: flat(&of_teacher)?, labels })
    }
}

/// `[…, classes]` as `[rows, classes]`.
fn flat(logits: &Tensor) -> Result<Tensor> {
    let classes = logits.size().last().copied().unwrap_or(1);
    Ok(logits.f_reshape([-1, classes])?)
}

/// The logits that the mask keeps, shifted to the labels if there are any. Labels may belong to all positions or to the
/// selected ones.
fn selected(features: &Features, index: usize, labels: Option<&Tensor>) -> Result<Tensor> {
    let logits = &features.logits[index];
    let for_all_positions = |labels: &&Tensor| labels.size() == logits.size()[..logits.dim() - 1];
    let (before, after) = match labels {
        Some(labels) if for_all_positions(&labels) => (Some(labels), None),
        other => (None, other),
    };
    let mut logits = match before {
        Some(labels) => probability_shift(logits, labels)?,
        None => logits.shallow_clone(),
    };
    if let Some(mask) = mask_of(features, index) {
        logits = select_logits(&logits, mask)?;
    }
    match after {
        Some(labels) => probability_shift(&logits, labels),
        None => Ok(logits),
    }
}

/// The labels of the selected logits, which may be those of all positions.
fn labels_of_rows(student: &Features, index: usize, labels: &Tensor, selected: &Tensor) -> Result<Tensor> {
    let positions = &selected.size()[..selected.dim() - 1];
    if labels.size() == selected.size() {
        return flat(labels);
    }
    match mask_of(student, index).filter(|_| labels.size() != positions) {
        Some(mask) => Ok(select_logits(&labels.f_unsqueeze(-1)?, mask)?.f_reshape([-1])?),
        None => Ok(labels.f_reshape([-1])?),
    }
}

/// The logits at the positions that a mask keeps: `[batch, length, classes]` and `[batch, length]` give
/// `[selected, classes]`, in order. Logits of `[batch, classes]` have no positions and are returned as they are.
pub fn select_logits(logits: &Tensor, mask: &Tensor) -> Result<Tensor> {
    if logits.dim() != 3 {
        return Ok(logits.shallow_clone());
    }
    let positions = mask.f_flatten(0, -1)?.f_nonzero()?.f_squeeze_dim(-1)?;
    Ok(logits.f_flatten(0, 1)?.f_index_select(0, &positions)?)
}

/// Swaps, in each row of the teacher's logits, the largest logit with the label's, so that the label's is the largest
/// (Wen et al., “Preparing Lessons: Improve Knowledge Distillation with Better Supervision”, arXiv:1911.07471).
/// `[…, classes]` and integer labels `[…]`; rows whose label is negative are left alone. The input is not changed.
pub fn probability_shift(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let largest_at = logits.f_argmax(-1, true)?;
    let labels = labels.f_to_kind(Kind::Int64)?.f_unsqueeze(-1)?;
    let label_at = labels.f_where_self(&labels.f_ge(0)?, &largest_at)?;
    let largest = logits.f_gather(-1, &largest_at, false)?;
    let of_label = logits.f_gather(-1, &label_at, false)?;
    Ok(logits.f_scatter(-1, &largest_at, &of_label)?.f_scatter(-1, &label_at, &largest)?)
}

/// The shape of what a mask selects of the logits, without selecting it.
pub(super) fn selected_shape(logits: &Tensor, mask: Option<&Tensor>) -> Result<Vec<i64>> {
    let shape = logits.size();
    match (shape.as_slice(), mask) {
        (&[_, _, classes], Some(mask)) => Ok(vec![mask.f_ne(0)?.f_sum(Kind::Int64)?.f_int64_value(&[])?, classes]),
        (_, _) => Ok(shape),
    }
}

/// The mask of the logits at `index`: its own, or the only one.
pub(super) fn mask_of(features: &Features, index: usize) -> Option<&Tensor> {
    match features.logits_mask.as_slice() {
        [mask] => Some(mask),
        masks => masks.get(index),
    }
}
