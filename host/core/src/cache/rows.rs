//! Between a batch's padded tensor and the bytes of its examples, which have no padding.

use tch::{Device, Kind, Tensor};

use super::layout::Entry;
use super::{CacheDtype, CacheError};
use crate::Result;
use crate::describe::describe;

/// The bytes of each example of a batch, of `lengths` tokens each; `tensor` is `[batch, …]`, padded to the longest.
pub(super) fn split(entry: &Entry, tensor: &Tensor, lengths: &[usize], dtype: CacheDtype) -> Result<Vec<Vec<u8>>> {
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let padded = entry.shape(longest);
    let expected: Vec<i64> = [lengths.len()].iter().chain(&padded).map(|&size| size as i64).collect();
    if tensor.size() != expected {
        return Err(CacheError::Misfit {
            name: entry.slot.to_string(),
            found: describe(tensor),
            expected: format!("{expected:?}"),
        }
        .into());
    }
    let kind = entry.kind.stored(dtype);
    let whole = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(kind)?.f_contiguous()?;
    let size = kind.elt_size_in_bytes();
    let mut bytes = vec![0; whole.numel() * size];
    let num_elements = whole.numel();
    whole.f_copy_data_u8(&mut bytes, num_elements)?;
    let row_bytes = padded.iter().product::<usize>() * size;
    let split = lengths.iter().enumerate().map(|(row, &length)| {
        let mut own = vec![0; entry.num_bytes(length, dtype)];
        let from = &bytes[row * row_bytes..(row + 1) * row_bytes];
        copy(&mut own, &entry.shape(length), from, &padded);
        own
    });
    Ok(split.collect())
}

/// Puts the bytes of an example of `length` tokens into its row of a batch padded to `longest`.
pub(super) fn place(entry: &Entry, example: &[u8], length: usize, row: &mut [u8], longest: usize) {
    copy(row, &entry.shape(longest), example, &entry.shape(length));
}

/// The tensor of a batch whose rows were placed: `[batch, …]`.
pub(super) fn tensor(entry: &Entry, bytes: &[u8], batch: usize, longest: usize, dtype: CacheDtype) -> Result<Tensor> {
    let shape: Vec<i64> = [batch].iter().chain(&entry.shape(longest)).map(|&size| size as i64).collect();
    let stored: Kind = entry.kind.stored(dtype);
    Ok(Tensor::f_from_data_size(bytes, &shape, stored)?.f_to_kind(entry.kind.kind())?)
}

/// Copies the elements whose indices both arrays have; both are dense, and differ in dimensions, not in their number.
fn copy(to: &mut [u8], to_shape: &[usize], from: &[u8], from_shape: &[usize]) {
    if to.is_empty() || from.is_empty() {
        return;
    }
    if to_shape == from_shape {
        to.copy_from_slice(from);
        return;
    }
    let (to_step, from_step) = (to.len() / to_shape[0], from.len() / from_shape[0]);
    for (to, from) in to.chunks_exact_mut(to_step).zip(from.chunks_exact(from_step)) {
        copy(to, &to_shape[1..], from, &from_shape[1..]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cache::layout::{Dim, NumberKind, Slot};

    proptest! {
        /// What was stored comes back in a batch of any other examples, with zeros for padding.
        #[test]
        fn rows_come_back_in_other_batches(
            lengths in prop::collection::vec(1_usize..6, 1..5),
            heads in 1_usize..3,
            is_square: bool,
        ) {
            let dims = if is_square { vec![Dim::Fixed(heads), Dim::Length, Dim::Length] } else { vec![Dim::Length, Dim::Fixed(heads)] };
            let entry = Entry { slot: Slot::Hidden(0), dims, kind: NumberKind::Float };
            let longest = *lengths.iter().max().unwrap();
            let shape: Vec<i64> = [lengths.len()].iter().chain(&entry.shape(longest)).map(|&size| size as i64).collect();
            let batch = Tensor::randn(&shape, (Kind::Float, Device::Cpu));
            let rows = split(&entry, &batch, &lengths, CacheDtype::Float32).unwrap();
            let wide = longest + 2;
            for (row, &length) in lengths.iter().enumerate() {
                prop_assert_eq!(rows[row].len(), entry.num_bytes(length, CacheDtype::Float32));
                let mut bytes = vec![0; entry.num_bytes(wide, CacheDtype::Float32)];
                place(&entry, &rows[row], length, &mut bytes, wide);
                let found = tensor(&entry, &bytes, 1, wide, CacheDtype::Float32).unwrap();
                let mut expected = batch.get(row as i64).unsqueeze(0);
                let mut own = found.shallow_clone();
                for (dim, kind) in entry.dims.iter().enumerate() {
                    if *kind == Dim::Length {
                        expected = expected.narrow(dim as i64 + 1, 0, length as i64);
                        own = own.narrow(dim as i64 + 1, 0, length as i64);
                    }
                }
                prop_assert!(own.equal(&expected));
                // Nothing stands outside the example's own elements.
                prop_assert!((found.abs().sum(Kind::Float) - expected.abs().sum(Kind::Float)).abs().double_value(&[]) < 1e-4);
            }
        }
    }
}
