//! The contract's tensor: each method is counted, checked, and handed to libtorch.

#[cfg(test)]
mod calibration;
mod checks;
mod cost;
mod create;
mod elementwise;
mod kind;
mod losses;
mod product;
mod reduce;
mod temperature;
mod views;

use tch::Tensor;
use wasmtime::component::Resource;

use self::cost::Each;
pub(crate) use self::{
    checks::{indices, is_float},
    cost::{COPY, bytes},
    kind::{kind_of, name_of},
};
use crate::{
    bindings::tensor::{self, Scalar},
    error::OpResult,
    state::State,
};

type Handle = Resource<Tensor>;

impl tensor::HostTensor for State {
    fn shape(&mut self, this: Handle) -> wasmtime::Result<Vec<i64>> {
        self.operation()?;
        Ok(self.handles.get(&this)?.size())
    }

    fn kind(&mut self, this: Handle) -> wasmtime::Result<tensor::Kind> {
        self.operation()?;
        let kind = self.handles.get(&this)?.f_kind().ok().and_then(kind_of);
        // Tensors of other kinds are refused before they get a handle, and no operation makes one.
        kind.ok_or_else(|| wasmtime::Error::msg("a tensor of a kind outside the contract"))
    }

    fn share(&mut self, this: Handle) -> OpResult<Handle> {
        self.operation()?;
        let (tensor, origin) = (self.tensor(&this)?, self.handles.origin(&this).cloned());
        self.hold_from(origin, tensor)
    }

    fn detach(&mut self, this: Handle) -> OpResult<Handle> {
        self.operation()?;
        let detached = self.tensor(&this)?.f_detach()?;
        self.hold(detached)
    }

    fn to_kind(&mut self, this: Handle, kind: tensor::Kind) -> OpResult<Handle> {
        self.convert(this, kind)
    }

    fn select(&mut self, this: Handle, dim: i64, index: i64) -> OpResult<Handle> {
        self.view_select(this, dim, index)
    }

    fn narrow(&mut self, this: Handle, dim: i64, start: i64, length: i64) -> OpResult<Handle> {
        self.view_narrow(this, dim, start, length)
    }

    fn reshape(&mut self, this: Handle, shape: Vec<i64>) -> OpResult<Handle> {
        self.view_reshape(this, &shape)
    }

    fn permute(&mut self, this: Handle, dims: Vec<i64>) -> OpResult<Handle> {
        self.view_permute(this, &dims)
    }

    fn transpose(&mut self, this: Handle, first: i64, second: i64) -> OpResult<Handle> {
        self.view_transpose(this, first, second)
    }

    fn squeeze(&mut self, this: Handle, dim: i64) -> OpResult<Handle> {
        self.view_squeeze(this, dim)
    }

    fn unsqueeze(&mut self, this: Handle, dim: i64) -> OpResult<Handle> {
        self.view_unsqueeze(this, dim)
    }

    fn expand(&mut self, this: Handle, shape: Vec<i64>) -> OpResult<Handle> {
        self.view_expand(this, &shape)
    }

    fn flatten(&mut self, this: Handle, first: i64, last: i64) -> OpResult<Handle> {
        self.view_flatten(this, first, last)
    }

    fn add(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::SIMPLE, Tensor::f_add)
    }

    fn sub(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::SIMPLE, Tensor::f_sub)
    }

    fn mul(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::PRODUCT, Tensor::f_mul)
    }

    fn div(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::QUOTIENT, Tensor::f_div)
    }

    fn maximum(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::LARGER, Tensor::f_maximum)
    }

    fn minimum(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::LARGER, Tensor::f_minimum)
    }

    fn add_scalar(&mut self, this: Handle, other: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, other, Each::SIMPLE, Tensor::f_add_scalar)
    }

    fn sub_scalar(&mut self, this: Handle, other: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, other, Each::SIMPLE, Tensor::f_sub_scalar)
    }

    fn mul_scalar(&mut self, this: Handle, other: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, other, Each::SIMPLE, Tensor::f_mul_scalar)
    }

    fn div_scalar(&mut self, this: Handle, other: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, other, Each::SIMPLE, Tensor::f_div_scalar)
    }

    fn pow_scalar(&mut self, this: Handle, exponent: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, exponent, Each::POWER, Tensor::f_pow_tensor_scalar)
    }

    fn clamp(&mut self, this: Handle, min: Option<Scalar>, max: Option<Scalar>) -> OpResult<Handle> {
        self.clamp_between(this, min, max)
    }

    fn neg(&mut self, this: Handle) -> OpResult<Handle> {
        self.unary(this, Each::SIMPLE, Tensor::f_neg)
    }

    fn abs(&mut self, this: Handle) -> OpResult<Handle> {
        self.unary(this, Each::QUOTIENT, Tensor::f_abs)
    }

    fn exp(&mut self, this: Handle) -> OpResult<Handle> {
        self.unary(this, Each::FUNCTION, Tensor::f_exp)
    }

    fn log(&mut self, this: Handle) -> OpResult<Handle> {
        self.unary(this, Each::FUNCTION, Tensor::f_log)
    }

    fn sqrt(&mut self, this: Handle) -> OpResult<Handle> {
        self.unary(this, Each::FUNCTION, Tensor::f_sqrt)
    }

    fn tanh(&mut self, this: Handle) -> OpResult<Handle> {
        self.unary(this, Each::FUNCTION, Tensor::f_tanh)
    }

    fn sigmoid(&mut self, this: Handle) -> OpResult<Handle> {
        self.unary(this, Each::FUNCTION, Tensor::f_sigmoid)
    }

    fn relu(&mut self, this: Handle) -> OpResult<Handle> {
        self.unary(this, Each::SIMPLE, Tensor::f_relu)
    }

    fn gelu(&mut self, this: Handle) -> OpResult<Handle> {
        self.float_unary(this, Each::FUNCTION, |this| this.f_gelu("none"))
    }

    fn eq(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::LOGIC, Tensor::f_eq_tensor)
    }

    fn ne(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::LOGIC, Tensor::f_ne_tensor)
    }

    fn lt(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::LOGIC, Tensor::f_lt_tensor)
    }

    fn le(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::LOGIC, Tensor::f_le_tensor)
    }

    fn gt(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::LOGIC, Tensor::f_gt_tensor)
    }

    fn ge(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::LOGIC, Tensor::f_ge_tensor)
    }

    fn logical_and(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::LOGIC, Tensor::f_logical_and)
    }

    fn logical_or(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.binary(this, other, Each::LOGIC, Tensor::f_logical_or)
    }

    fn eq_scalar(&mut self, this: Handle, other: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, other, Each::LOGIC, Tensor::f_eq)
    }

    fn ne_scalar(&mut self, this: Handle, other: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, other, Each::LOGIC, Tensor::f_ne)
    }

    fn lt_scalar(&mut self, this: Handle, other: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, other, Each::LOGIC, Tensor::f_lt)
    }

    fn le_scalar(&mut self, this: Handle, other: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, other, Each::LOGIC, Tensor::f_le)
    }

    fn gt_scalar(&mut self, this: Handle, other: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, other, Each::LOGIC, Tensor::f_gt)
    }

    fn ge_scalar(&mut self, this: Handle, other: Scalar) -> OpResult<Handle> {
        self.with_scalar(this, other, Each::LOGIC, Tensor::f_ge)
    }

    fn logical_not(&mut self, this: Handle) -> OpResult<Handle> {
        self.unary(this, Each::LOGIC, Tensor::f_logical_not)
    }

    fn where_(&mut self, this: Handle, condition: Handle, other: Handle) -> OpResult<Handle> {
        self.choose(this, condition, other)
    }

    fn sum(&mut self, this: Handle, dims: Vec<i64>, keep_dims: bool) -> OpResult<Handle> {
        self.reduce(this, &dims, Each::SIMPLE, |this, dims| this.f_sum_dim_intlist(dims, keep_dims, None))
    }

    fn mean(&mut self, this: Handle, dims: Vec<i64>, keep_dims: bool) -> OpResult<Handle> {
        self.float_reduce(this, &dims, Each::SIMPLE, |this, dims| this.f_mean_dim(dims, keep_dims, None))
    }

    fn logsumexp(&mut self, this: Handle, dims: Vec<i64>, keep_dims: bool) -> OpResult<Handle> {
        self.float_reduce(this, &dims, Each::LOG_SUM, |this, dims| this.f_logsumexp(dims, keep_dims))
    }

    fn max(&mut self, this: Handle, dims: Vec<i64>, keep_dims: bool) -> OpResult<Handle> {
        self.reduce_some(this, &dims, Each::EXTREME, |this, dims| this.f_amax(dims, keep_dims))
    }

    fn min(&mut self, this: Handle, dims: Vec<i64>, keep_dims: bool) -> OpResult<Handle> {
        self.reduce_some(this, &dims, Each::EXTREME, |this, dims| this.f_amin(dims, keep_dims))
    }

    fn norm(&mut self, this: Handle, p: f64, dims: Vec<i64>, keep_dims: bool) -> OpResult<Handle> {
        self.float_reduce(this, &dims, Each::NORM, |this, dims| this.f_norm_scalaropt_dim(p, dims, keep_dims))
    }

    fn any(&mut self, this: Handle, dims: Vec<i64>, keep_dims: bool) -> OpResult<Handle> {
        self.reduce(this, &dims, Each::LOGIC, |this, dims| this.f_any_dims(dims, keep_dims))
    }

    fn all(&mut self, this: Handle, dims: Vec<i64>, keep_dims: bool) -> OpResult<Handle> {
        self.reduce(this, &dims, Each::LOGIC, |this, dims| this.f_all_dims(dims, keep_dims))
    }

    fn argmax(&mut self, this: Handle, dim: i64, keep_dim: bool) -> OpResult<Handle> {
        self.reduce_some(this, &[dim], Each::PLACE, |this, dims| this.f_argmax(dims[0], keep_dim))
    }

    fn softmax(&mut self, this: Handle, dim: i64) -> OpResult<Handle> {
        self.along(this, dim, |this, dim| this.f_softmax(dim, None))
    }

    fn log_softmax(&mut self, this: Handle, dim: i64) -> OpResult<Handle> {
        self.along(this, dim, |this, dim| this.f_log_softmax(dim, None))
    }

    fn matmul(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.matrix_product(this, other)
    }

    fn gather(&mut self, this: Handle, dim: i64, index: Handle) -> OpResult<Handle> {
        self.pick(this, dim, index)
    }

    fn index_select(&mut self, this: Handle, dim: i64, index: Handle) -> OpResult<Handle> {
        self.pick_parts(this, dim, index)
    }

    fn masked_fill(&mut self, this: Handle, mask: Handle, value: Scalar) -> OpResult<Handle> {
        self.fill_where(this, mask, value)
    }

    fn masked_select(&mut self, this: Handle, mask: Handle) -> OpResult<Handle> {
        self.pick_where(this, mask)
    }

    fn drop(&mut self, this: Handle) -> wasmtime::Result<()> {
        self.handles.remove(&this);
        Ok(())
    }
}
