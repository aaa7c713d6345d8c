//! Checks of dimensions, shapes and kinds. They come before libtorch computes, whose own come late or with a trace of C++.

use tch::{Device, Kind, Tensor};

use crate::{
    bindings::tensor::ErrorCode,
    error::{OpError, OpResult},
};

/// libtorch refuses more than 64 dimensions in some operations and aborts in none; half of it is plenty.
const MAX_DIMENSIONS: usize = 32;

/// The dimension `dim` of a tensor with `rank` dimensions, counted from 0.
pub(super) fn dimension(dim: i64, rank: usize) -> OpResult<usize> {
    let rank_signed = rank as i64;
    if (-rank_signed..rank_signed).contains(&dim) {
        return Ok(dim.rem_euclid(rank_signed) as usize);
    }
    Err(OpError::new(ErrorCode::BadDimension, format!("there is no dimension {dim} in a tensor of {rank}")))
}

/// The dimension `dim` of a shape, counted from 0, and how many rows lie along it.
pub(super) fn rows_along(shape: &[i64], dim: i64) -> OpResult<(usize, u64)> {
    let dim = dimension(dim, shape.len())?;
    Ok((dim, elements(shape)? / shape[dim].max(1) as u64))
}

/// Several dimensions, each at most once; all if none is named.
pub(super) fn dimensions(dims: &[i64], rank: usize) -> OpResult<Vec<i64>> {
    if dims.is_empty() {
        return Ok((0..rank as i64).collect());
    }
    let mut seen = Vec::with_capacity(dims.len().min(rank));
    for &dim in dims {
        let dim_from_start = dimension(dim, rank)? as i64;
        if seen.contains(&dim_from_start) {
            return Err(OpError::new(ErrorCode::BadDimension, format!("dimension {dim} is named twice")));
        }
        seen.push(dim_from_start);
    }
    Ok(seen)
}

/// The number of elements of a shape.
pub(super) fn elements(shape: &[i64]) -> OpResult<u64> {
    if shape.len() > MAX_DIMENSIONS {
        let found = shape.len();
        return Err(OpError::shape(format!("{found} dimensions; a tensor has at most {MAX_DIMENSIONS}")));
    }
    let sizes = shape.iter().map(|&size| u64::try_from(size));
    let mut product: u64 = 1;
    for size in sizes {
        let size = size.map_err(|_| OpError::shape(format!("the shape {shape:?} has a negative size")))?;
        // A size of 0 counts as 1 here: whatever a view leaves out or puts first, the product of its sizes is a number
        // in the arithmetic of libtorch and `tch`, whose integers are signed.
        product = match product.checked_mul(size.max(1)) {
            Some(product) if product <= i64::MAX as u64 => product,
            _ => return Err(OpError::shape(format!("the shape {shape:?} has too many elements"))),
        };
    }
    Ok(if shape.contains(&0) { 0 } else { product })
}

/// The shape of an operation that broadcasts.
pub(super) fn broadcast(left: &[i64], right: &[i64]) -> OpResult<Vec<i64>> {
    let rank = left.len().max(right.len());
    let size =
        |shape: &[i64], index: usize| (index + shape.len()).checked_sub(rank).map_or(1, |position| shape[position]);
    (0..rank)
        .map(|index| match (size(left, index), size(right, index)) {
            (left, right) if left == right => Ok(left),
            (1, size) | (size, 1) => Ok(size),
            _ => Err(OpError::shape(format!("the shapes {left:?} and {right:?} do not broadcast"))),
        })
        .collect()
}

pub(super) fn same_shape(left: &Tensor, right: &Tensor) -> OpResult<()> {
    let (left, right) = (left.size(), right.size());
    if left == right {
        return Ok(());
    }
    Err(OpError::shape(format!("the shapes {left:?} and {right:?} differ; expected one shape")))
}

pub(crate) fn is_float(kind: Kind) -> bool {
    matches!(kind, Kind::Half | Kind::BFloat16 | Kind::Float | Kind::Double)
}

pub(super) fn floating(tensor: &Tensor) -> OpResult<()> {
    let kind = tensor.f_kind()?;
    if is_float(kind) {
        return Ok(());
    }
    Err(OpError::kind(format!("a tensor of {}; expected floating-point numbers", super::name_of(kind))))
}

pub(super) fn of_kind(tensor: &Tensor, expected: Kind) -> OpResult<()> {
    let kind = tensor.f_kind()?;
    if kind == expected {
        return Ok(());
    }
    let (found, expected) = (super::name_of(kind), super::name_of(expected));
    Err(OpError::kind(format!("a tensor of {found}; expected {expected}")))
}

/// Both of one kind: what multiplies matrices does not promote.
pub(super) fn same_kind(left: &Tensor, right: &Tensor) -> OpResult<()> {
    let (left, right) = (left.f_kind()?, right.f_kind()?);
    if left == right {
        return Ok(());
    }
    let (left, right) = (super::name_of(left), super::name_of(right));
    Err(OpError::kind(format!("tensors of {left} and of {right}; expected one kind")))
}

/// Checks that all elements of an `int64` tensor lie in `0..size`. libtorch checks as well, but on a GPU by an
/// assertion after which the process can use the device no more.
pub(crate) fn indices(index: &Tensor, size: i64) -> OpResult<()> {
    if index.numel() == 0 {
        return Ok(());
    }
    // One pass and one transfer: looking at a tensor waits for its device.
    let (least, most) = index.f_aminmax(None, false)?;
    let bounds = Tensor::f_stack(&[least, most], 0)?.f_to_device(Device::Cpu)?;
    let (least, most) = (bounds.f_int64_value(&[0])?, bounds.f_int64_value(&[1])?);
    if least < 0 || most >= size {
        let found = if least < 0 { least } else { most };
        return Err(OpError::argument(format!("the index {found} is outside 0..{size}")));
    }
    Ok(())
}
