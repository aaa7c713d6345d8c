//! Losses.

use tch::{Kind, Reduction, TchError, Tensor};
use wasmtime::component::Resource;

use super::{
    checks::{elements, floating, indices, of_kind, rows_along, same_kind, same_shape},
    cost::{Each, Estimate},
};
use crate::{
    bindings::losses::{self, Reduction as Asked},
    error::{OpError, OpResult},
    state::State,
};

type Handle = Resource<Tensor>;

fn reduction(asked: Asked) -> Reduction {
    match asked {
        Asked::None => Reduction::None,
        Asked::Mean => Reduction::Mean,
        Asked::Sum => Reduction::Sum,
    }
}

impl State {
    /// A loss of two floating-point tensors of one shape. It takes the norm of `rows` rows of each.
    fn pairwise(
        &mut self,
        left: Handle,
        right: Handle,
        each: Each,
        rows: u64,
        op: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let (left, right) = (self.tensor(&left)?, self.tensor(&right)?);
        floating(&left)?;
        same_kind(&left, &right)?;
        same_shape(&left, &right)?;
        let elements = elements(&left.size())?;
        let estimate = Estimate::new(elements, left.f_kind()?, each).rows(rows.saturating_mul(2), Each::NORM);
        self.admit(&estimate.gradients(&[&left, &right], elements, each))?;
        self.hold(op(&left, &right)?)
    }
}

impl losses::Host for State {
    fn cross_entropy(&mut self, logits: Handle, labels: Handle, ignore_index: i64, asked: Asked) -> OpResult<Handle> {
        self.operation()?;
        let (logits, labels) = (self.tensor(&logits)?, self.tensor(&labels)?);
        floating(&logits)?;
        of_kind(&labels, Kind::Int64)?;
        let (shape, places) = (logits.size(), labels.size());
        let Some((&classes, front)) = shape.split_last() else {
            return Err(OpError::shape("the logits are a scalar; expected [..., classes]"));
        };
        if front != places {
            return Err(OpError::shape(format!("labels of {places:?} for logits of {shape:?}; expected {front:?}")));
        }
        // Without a class no label is right but an ignored one: libtorch would tell which ones are.
        if classes == 0 {
            return Err(OpError::shape(format!("logits of {shape:?} have no classes; expected one at least")));
        }
        let total = elements(&shape)?;
        let estimate = Estimate::new(total, logits.f_kind()?, Each::SOFTMAX).in_order(&logits)?;
        let rows = labels.numel() as u64;
        let estimate = estimate.rows(rows, Each::SOFTMAX).copy(rows, Kind::Int64).in_order(&labels)?;
        self.admit(&estimate.gradients(&[&logits], total, Each::SOFTMAX))?;
        // An ignored label may be any number; class 0 stands in for it where labels are checked.
        let counted = labels.f_masked_fill(&labels.f_eq(ignore_index)?, 0)?;
        indices(&counted, classes).map_err(|error| self.disclosed(error))?;
        let (rows, flat) = (elements(&places)? as i64, labels.f_reshape([-1])?);
        let loss = logits
            .f_reshape([rows, classes])?
            .f_cross_entropy_loss::<Tensor>(&flat, None, reduction(asked), ignore_index, 0.0)
            .map_err(|error| self.disclosed(error.into()))?;
        let loss = if asked == Asked::None { loss.f_reshape(&places)? } else { loss };
        self.hold(loss)
    }

    fn mean_squared_error(&mut self, input: Handle, target: Handle, asked: Asked) -> OpResult<Handle> {
        self.pairwise(input, target, Each::LOSS, 0, |input, target| input.f_mse_loss(target, reduction(asked)))
    }

    fn kl_divergence(&mut self, input: Handle, target: Handle, log_target: bool, asked: Asked) -> OpResult<Handle> {
        self.pairwise(input, target, Each::COMPOSED_LOSS, 0, |input, target| {
            input.f_kl_div(target, reduction(asked), log_target)
        })
    }

    fn binary_cross_entropy_with_logits(&mut self, logits: Handle, targets: Handle, asked: Asked) -> OpResult<Handle> {
        self.pairwise(logits, targets, Each::COMPOSED_LOSS, 0, |logits, targets| {
            logits.f_binary_cross_entropy_with_logits::<Tensor>(targets, None, None, reduction(asked))
        })
    }

    fn cosine_similarity(&mut self, left: Handle, right: Handle, dim: i64) -> OpResult<Handle> {
        let (dim, rows) = rows_along(&self.handles.get(&left)?.size(), dim)?;
        // PyTorch's own guard against vectors of length 0.
        const EPSILON: f64 = 1e-8;
        self.pairwise(left, right, Each::COMPOSED_LOSS, rows, |left, right| {
            Tensor::f_cosine_similarity(left, right, dim as i64, EPSILON)
        })
    }
}
