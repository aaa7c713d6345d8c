//! The matrix product, and elements picked by other tensors.

use tch::{Device, Kind, Tensor};
use wasmtime::component::Resource;

use super::{
    checks::{broadcast, dimension, elements, indices, of_kind, same_kind},
    cost::{CALL, COPY, Each, Estimate, MISS, PART, bytes, multiply_add, serial, slowness},
};
use crate::{
    error::{OpError, OpResult},
    limits::check_elements,
    permissions::Permission,
    state::State,
};

type Handle = Resource<Tensor>;

impl State {
    pub(super) fn matrix_product(&mut self, this: Handle, other: Handle) -> OpResult<Handle> {
        self.operation()?;
        let (this, other) = (self.tensor(&this)?, self.tensor(&other)?);
        same_kind(&this, &other)?;
        let product = Product::new(&this.size(), &other.size())?;
        // To multiply batches libtorch copies what broadcasts.
        for operand in [product.left, product.right] {
            check_elements(&self.limits, operand)?;
        }
        self.admit(&product.estimate(&this, &other)?)?;
        self.hold(this.f_matmul(&other)?)
    }

    pub(super) fn pick(&mut self, this: Handle, dim: i64, index: Handle) -> OpResult<Handle> {
        self.operation()?;
        let (this, index) = (self.tensor(&this)?, self.tensor(&index)?);
        of_kind(&index, Kind::Int64)?;
        let (shape, picked) = (this.size(), index.size());
        let dim = dimension(dim, shape.len())?;
        let fits =
            picked.len() == shape.len() && (0..shape.len()).all(|other| other == dim || picked[other] <= shape[other]);
        if !fits {
            let expected = format!("expected at most {shape:?} except in dimension {dim}");
            return Err(OpError::shape(format!("an index of {picked:?}; {expected}")));
        }
        let elements = elements(&picked)?;
        self.admit(&picking(&this, elements, elements, &index)?)?;
        indices(&index, shape[dim]).map_err(|error| self.disclosed(error))?;
        self.hold(this.f_gather(dim as i64, &index, false)?)
    }

    pub(super) fn pick_parts(&mut self, this: Handle, dim: i64, index: Handle) -> OpResult<Handle> {
        self.operation()?;
        let (this, index) = (self.tensor(&this)?, self.tensor(&index)?);
        of_kind(&index, Kind::Int64)?;
        let mut shape = this.size();
        let dim = dimension(dim, shape.len())?;
        let [count] = index.size()[..] else {
            return Err(OpError::shape(format!("an index of {:?}; expected one dimension", index.size())));
        };
        let size = std::mem::replace(&mut shape[dim], count);
        let elements = elements(&shape)?;
        // What is picked lies together as far as the dimensions behind it do.
        let together = if this.is_contiguous() { shape[dim + 1..].iter().product::<i64>().max(1) as u64 } else { 1 };
        let mut estimate = picking(&this, elements, elements / together, &index)?.in_order(&index)?;
        if this.requires_grad() {
            // The gradient copies the index once more. Of a dimension between others it adds the parts one by one.
            let places = index.numel() as u64;
            let copied = if index.is_contiguous() { 0 } else { places };
            let calls = if dim == 0 || dim + 1 == shape.len() { 0 } else { places.saturating_mul(CALL) };
            let work = serial(calls, this.device()).saturating_add(copied.saturating_mul(COPY));
            estimate = estimate.gradient(bytes(copied, Kind::Int64), work);
        }
        self.admit(&estimate)?;
        indices(&index, size).map_err(|error| self.disclosed(error))?;
        self.hold(this.f_index_select(dim as i64, &index)?)
    }

    /// How many there are follows from what the mask holds.
    pub(super) fn pick_where(&mut self, this: Handle, mask: Handle) -> OpResult<Handle> {
        self.permit(Permission::ReadValues)?;
        let (this, mask) = (self.tensor(&this)?, self.tensor(&mask)?);
        of_kind(&mask, Kind::Bool)?;
        let most = elements(&broadcast(&this.size(), &mask.size())?)?;
        // libtorch counts in two tensors of integers which elements come before each.
        let estimate =
            Estimate::new(most, this.f_kind()?, Each::CHOICE).copy(most, Kind::Int64).copy(most, Kind::Int64);
        self.admit(&estimate.gradients(&[&this], most, Each::CHOICE))?;
        self.hold(this.f_masked_select(&mask)?)
    }
}

/// What it takes to pick `elements` elements of a tensor from `places`, whose gradient is as large as the whole.
fn picking(this: &Tensor, elements: u64, places: u64, index: &Tensor) -> OpResult<Estimate> {
    let (kind, whole) = (this.f_kind()?, this.numel() as u64);
    let work = elements.saturating_mul(2 * COPY).saturating_add((index.numel() as u64).saturating_mul(2 * COPY));
    let work = work.saturating_add(places.saturating_mul(MISS));
    let estimate = Estimate::new(elements, kind, Each::LOGIC).work(work);
    if !this.requires_grad() {
        return Ok(estimate);
    }
    let all = whole.saturating_mul(3 * COPY).saturating_add(elements.saturating_mul(10 * COPY));
    // Places that many indices may name are added to by one core.
    let added = serial(places.saturating_mul(MISS), this.device());
    let work = all.saturating_mul(slowness(kind)).saturating_add(added);
    Ok(estimate.gradient(bytes(whole, kind).saturating_add(bytes(elements, kind)), work))
}

/// The sizes of a matrix product, in elements.
struct Product {
    left: u64,
    right: u64,
    inner: u64,
    result: u64,
    /// How many products of two matrices it is.
    matrices: u64,
}

impl Product {
    fn new(left: &[i64], right: &[i64]) -> OpResult<Self> {
        let refused = || OpError::shape(format!("{left:?} and {right:?} have no matrix product"));
        // A vector is a row on the left and a column on the right.
        let (left_front, rows, inner) = match *left {
            [] => return Err(refused()),
            [inner] => (&[][..], 1, inner),
            [ref front @ .., rows, inner] => (front, rows, inner),
        };
        let (right_front, inner_right, columns) = match *right {
            [] => return Err(refused()),
            [inner] => (&[][..], inner, 1),
            [ref front @ .., inner, columns] => (front, inner, columns),
        };
        if inner != inner_right {
            return Err(refused());
        }
        let front = broadcast(left_front, right_front).map_err(|_| refused())?;
        let size = |rows: i64, columns: i64| elements(&[&front[..], &[rows, columns]].concat());
        Ok(Self {
            left: size(rows, inner)?,
            right: size(inner, columns)?,
            inner: inner as u64,
            result: size(rows, columns)?,
            matrices: elements(&front)?,
        })
    }

    /// What it takes, with a product as large for the gradient of each operand.
    fn estimate(&self, left: &Tensor, right: &Tensor) -> OpResult<Estimate> {
        let kind = left.f_kind()?;
        let each = multiply_add(kind, self.right / self.matrices.max(1), left.device());
        let products = self.result.saturating_mul(self.inner.max(1)).saturating_mul(each);
        // Few products of many elements wait for memory, small matrices for their calls.
        let moved = self.left.saturating_add(self.right).saturating_add(self.result).saturating_mul(COPY);
        let work = products.saturating_add(moved.saturating_mul(slowness(kind)));
        let (parts, parts_of_gradient) = self.parts(kind, left.device());
        let (work, work_of_gradient) = (work.saturating_add(parts), work.saturating_add(parts_of_gradient));
        let mut estimate = Estimate::new(self.result, kind, Each::LOGIC).work(work);
        for (operand, whole) in [(left, self.left), (right, self.right)] {
            let is_ready = whole == operand.numel() as u64 && operand.is_contiguous();
            if !is_ready || !matches!(kind, Kind::Float | Kind::Double) {
                estimate = estimate.copy(whole, kind);
            }
            if operand.requires_grad() {
                // Then its sum, where the operand was repeated.
                estimate = estimate.gradient(bytes(whole, kind).saturating_mul(2), work_of_gradient);
            }
        }
        Ok(estimate)
    }

    /// What the calls for the matrices of a batch take beside their elements, and those of a gradient. Below some size
    /// libtorch multiplies matrices itself, on all cores; larger ones are a call each, one after the other, which takes
    /// microseconds.
    fn parts(&self, kind: Kind, device: Device) -> (u64, u64) {
        /// From so many multiply-adds on a matrix is a call (`bmm_out_or_baddbmm_` of ATen's LinearAlgebra.cpp).
        const APART: u64 = 400;
        const OF_FLOATS: u64 = 25 * CALL;
        const OF_OTHERS: u64 = 150 * CALL;
        let calls = |each: u64| serial(self.matrices.saturating_mul(each), device);
        let together = self.matrices.saturating_mul(PART);
        let multiply_adds = (self.result / self.matrices.max(1)).saturating_mul(self.inner);
        match kind {
            _ if device != Device::Cpu || self.matrices == 1 || multiply_adds < APART => (together, together),
            Kind::Float | Kind::Double => (together, calls(OF_FLOATS)),
            _ => (calls(OF_OTHERS), calls(OF_OTHERS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::{super::is_float, CALL, COPY, MISS, PART, Product, picking};
    use crate::limits::{Limits, Usage};

    /// What a product of two square matrices takes.
    fn work(size: i64, kind: Kind, needs_gradient: bool) -> (u64, u64) {
        let matrix = Tensor::zeros([size, size], (kind, Device::Cpu)).set_requires_grad(needs_gradient);
        let product = Product::new(&matrix.size(), &matrix.size()).unwrap();
        let cost = product.estimate(&matrix, &matrix).unwrap().cost();
        (cost.work, cost.gradient_work)
    }

    #[test]
    fn a_product_costs_by_its_kind_and_twice_more_with_gradients() {
        let (product, gradient) = work(1000, Kind::Float, true);
        assert!((1_000_000_000..1_500_000_000).contains(&product), "{product}");
        assert!((2_000_000_000..2_500_000_000).contains(&gradient), "{gradient}");
        assert_eq!(work(1000, Kind::Float, false).1, 0);
        for kind in [Kind::Half, Kind::BFloat16, Kind::Int64, Kind::Int8] {
            assert!(work(1000, kind, false).0 > 15 * product, "{kind:?}");
        }
    }

    /// Of BERT-base, 32 sequences of 128 tokens: a projection of hidden states, what attention maps are made of, the
    /// gradient included.
    #[test]
    fn products_of_ordinary_losses_are_within_the_default_limits() {
        let products = [(&[32, 128, 768][..], &[768, 768][..]), (&[32, 12, 128, 64], &[32, 12, 64, 128])];
        for kind in [Kind::Float, Kind::Half, Kind::BFloat16] {
            for (left, right) in products {
                // One element is enough to ask for the estimate of many.
                let trained = |shape: &[i64]| {
                    Tensor::zeros([1], (kind, Device::Cpu)).set_requires_grad(true).expand(shape, false)
                };
                let cost = Product::new(left, right).unwrap().estimate(&trained(left), &trained(right)).unwrap().cost();
                let spent = Usage::default().spend(&Limits::default(), &cost, Device::Cpu, Default::default);
                assert_eq!(spent, Ok(()), "{kind:?}: {left:?} and {right:?}");
            }
        }
    }

    #[test]
    fn small_products_cost_what_they_move() {
        let cost = |left: &[i64], right: &[i64]| {
            let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
            Product::new(left, right).unwrap().estimate(&zeros(left), &zeros(right)).unwrap().cost().work
        };
        assert!(cost(&[1_000_000], &[1_000_000]) > 2_000_000 * COPY);
        assert!(cost(&[1_000_000, 1, 1], &[1, 1]) > 1_000_000 * PART);
    }

    /// On one thread, whatever there are.
    #[test]
    fn calls_one_after_the_other_cost_the_time_of_all_cores() {
        let cores = crate::limits::cores(Device::Cpu);
        let cost = |kind: Kind| {
            let matrices = |shape: &[i64]| Tensor::zeros(shape, (kind, Device::Cpu)).set_requires_grad(is_float(kind));
            let (left, right) = ([100, 1, 400], [100, 400, 1]);
            Product::new(&left, &right).unwrap().estimate(&matrices(&left), &matrices(&right)).unwrap().cost()
        };
        assert!(cost(Kind::Float).gradient_work > 2 * 100 * 25 * CALL * cores);
        assert!(cost(Kind::Half).gradient_work > 2 * 100 * 150 * CALL * cores);
        assert!(cost(Kind::Int64).work > 100 * 150 * CALL * cores);
    }

    #[test]
    fn what_is_picked_costs_by_the_places_that_it_comes_from() {
        let (tensor, index) =
            (Tensor::zeros([100, 100], (Kind::Float, Device::Cpu)), Tensor::zeros([100], (Kind::Int64, Device::Cpu)));
        let work = |places: u64| picking(&tensor, 10_000, places, &index).unwrap().cost().work;
        assert_eq!(work(10_000) - work(100), 9_900 * MISS);
    }

    #[test]
    fn sizes_of_products() {
        let product = Product::new(&[5, 1, 2, 3], &[7, 3, 4]).unwrap();
        assert_eq!((product.left, product.right, product.inner, product.result), (210, 420, 3, 280));
        assert_eq!(Product::new(&[3], &[3]).unwrap().result, 1);
        assert_eq!(Product::new(&[2, 3], &[3]).unwrap().result, 2);
        for (left, right) in [(&[2, 3][..], &[2, 3][..]), (&[], &[3]), (&[2, 2, 3], &[3, 3, 4])] {
            assert!(Product::new(left, right).is_err(), "{left:?} {right:?}");
        }
    }
}
