//! Views: the same elements in another shape.

use tch::Tensor;
use wasmtime::component::Resource;

use super::{
    checks::{dimension, dimensions, elements},
    cost::{COPY, Each, Estimate, bytes},
};
use crate::{
    bindings::tensor::ErrorCode,
    error::{OpError, OpResult},
    state::State,
};

type Handle = Resource<Tensor>;

impl State {
    /// All elements, as the gradient of the view has them.
    fn view(&mut self, this: Handle, op: impl FnOnce(&Tensor, &[i64]) -> OpResult<Tensor>) -> OpResult<Handle> {
        self.view_of(this, false, op)
    }

    /// A part of the elements.
    fn part(&mut self, this: Handle, op: impl FnOnce(&Tensor, &[i64]) -> OpResult<Tensor>) -> OpResult<Handle> {
        self.view_of(this, true, op)
    }

    fn view_of(
        &mut self,
        this: Handle,
        is_part: bool,
        op: impl FnOnce(&Tensor, &[i64]) -> OpResult<Tensor>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        let view = op(&this, &this.size())?;
        let kind = this.f_kind()?;
        let mut estimate = Estimate::view(view.numel() as u64, kind);
        if this.requires_grad() {
            // Of a part: zeros in place of the whole, the part copied into them, the sum with those of other parts.
            let whole = if is_part { this.numel() as u64 } else { 0 };
            estimate = estimate.gradient(bytes(whole, kind), whole.saturating_mul(3 * COPY));
        }
        self.admit(&estimate)?;
        self.hold(view)
    }

    pub(super) fn view_select(&mut self, this: Handle, dim: i64, index: i64) -> OpResult<Handle> {
        self.part(this, |this, shape| {
            let dim = dimension(dim, shape.len())?;
            let size = shape[dim];
            if !(-size..size).contains(&index) {
                return Err(OpError::argument(format!("the index {index} is outside a dimension of size {size}")));
            }
            Ok(this.f_select(dim as i64, index)?)
        })
    }

    pub(super) fn view_narrow(&mut self, this: Handle, dim: i64, start: i64, length: i64) -> OpResult<Handle> {
        self.part(this, |this, shape| {
            let dim = dimension(dim, shape.len())?;
            let size = shape[dim];
            let end = start.checked_add(length);
            if start < 0 || length < 0 || end.is_none_or(|end| end > size) {
                let range = format!("{length} elements from {start} on");
                return Err(OpError::argument(format!("{range} are not within a dimension of size {size}")));
            }
            Ok(this.f_narrow(dim as i64, start, length)?)
        })
    }

    /// May copy, when the elements do not lie in memory as the shape needs them.
    pub(super) fn view_reshape(&mut self, this: Handle, shape: &[i64]) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        let old = this.size();
        let count = elements(&old)?;
        let new = resolve(shape, count).ok_or_else(|| {
            OpError::shape(format!("{old:?} has {count} elements and cannot be reshaped to {shape:?}"))
        })?;
        elements(&new)?;
        let kind = this.f_kind()?;
        let mut estimate =
            if this.is_contiguous() { Estimate::view(count, kind) } else { Estimate::new(count, kind, Each::LOGIC) };
        if this.requires_grad() {
            // The gradient's elements may lie in another order than those of the tensor.
            estimate = estimate.gradient(bytes(count, kind), count.saturating_mul(COPY));
        }
        self.admit(&estimate)?;
        self.hold(this.f_reshape(new)?)
    }

    pub(super) fn view_permute(&mut self, this: Handle, dims: &[i64]) -> OpResult<Handle> {
        self.view(this, |this, shape| {
            if dims.len() != shape.len() {
                let expected = format!("a tensor of {} dimensions is permuted by all of them", shape.len());
                return Err(OpError::new(ErrorCode::BadDimension, format!("{expected}, not by {dims:?}")));
            }
            Ok(this.f_permute(dimensions(dims, shape.len())?)?)
        })
    }

    pub(super) fn view_transpose(&mut self, this: Handle, first: i64, second: i64) -> OpResult<Handle> {
        self.view(this, |this, shape| {
            let (first, second) = (dimension(first, shape.len())?, dimension(second, shape.len())?);
            Ok(this.f_transpose(first as i64, second as i64)?)
        })
    }

    pub(super) fn view_squeeze(&mut self, this: Handle, dim: i64) -> OpResult<Handle> {
        self.view(this, |this, shape| Ok(this.f_squeeze_dim(dimension(dim, shape.len())? as i64)?))
    }

    pub(super) fn view_unsqueeze(&mut self, this: Handle, dim: i64) -> OpResult<Handle> {
        self.view(this, |this, shape| {
            // There is one place more than there are dimensions.
            let dim = dimension(dim, shape.len() + 1)?;
            let mut new = shape.to_vec();
            new.insert(dim, 1);
            elements(&new)?;
            Ok(this.f_unsqueeze(dim as i64)?)
        })
    }

    pub(super) fn view_expand(&mut self, this: Handle, target: &[i64]) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        let shape = this.size();
        let refused = || OpError::shape(format!("{shape:?} cannot be expanded to {target:?}"));
        let added = target.len().checked_sub(shape.len()).ok_or_else(refused)?;
        let mut new = Vec::with_capacity(target.len());
        for (position, &size) in target.iter().enumerate() {
            let old = position.checked_sub(added).map(|position| shape[position]);
            new.push(match (old, size) {
                (Some(old), -1) => old,
                (Some(1) | None, size) if size >= 0 => size,
                (Some(old), size) if old == size => size,
                _ => return Err(refused()),
            });
        }
        let (repeated, kind) = (elements(&new)?, this.f_kind()?);
        let mut estimate = Estimate::view(repeated, kind);
        if this.requires_grad() {
            // The gradient is a sum over all that was repeated.
            estimate = estimate.gradient(bytes(this.numel() as u64, kind), repeated.saturating_mul(COPY));
        }
        self.admit(&estimate)?;
        self.hold(this.f_expand(new, false)?)
    }

    pub(super) fn view_flatten(&mut self, this: Handle, first: i64, last: i64) -> OpResult<Handle> {
        let shape = self.tensor(&this)?.size();
        let (first, last) = (dimension(first, shape.len())?, dimension(last, shape.len())?);
        if first > last {
            return Err(OpError::argument(format!("dimension {first} comes after dimension {last}")));
        }
        let mut new = shape[..first].to_vec();
        new.push(elements(&shape[first..=last])? as i64);
        new.extend(&shape[last + 1..]);
        self.view_reshape(this, &new)
    }
}

/// The shape with its -1 replaced, if it holds `count` elements.
fn resolve(shape: &[i64], count: u64) -> Option<Vec<i64>> {
    let mut known: u64 = 1;
    let mut open = None;
    for (position, &size) in shape.iter().enumerate() {
        match size {
            -1 if open.is_none() => open = Some(position),
            size => known = known.checked_mul(u64::try_from(size).ok()?)?,
        }
    }
    let mut shape = shape.to_vec();
    if let Some(position) = open {
        shape[position] = i64::try_from(count.checked_div(known)?).ok()?;
        known *= shape[position] as u64;
    }
    (known == count).then_some(shape)
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn an_open_size_follows_from_the_others() {
        assert_eq!(resolve(&[2, -1], 6), Some(vec![2, 3]));
        assert_eq!(resolve(&[-1], 0), Some(vec![0]));
        assert_eq!(resolve(&[], 1), Some(vec![]));
    }

    #[test]
    fn a_shape_that_does_not_fit_is_none() {
        for (shape, count) in [(&[4, -1][..], 6), (&[-1, -1], 6), (&[0, -1], 0), (&[-2, -3], 6), (&[7], 6)] {
            assert_eq!(resolve(shape, count), None, "{shape:?}");
        }
        assert_eq!(resolve(&[i64::MAX, i64::MAX], 1), None);
    }
}
