use tch::Tensor;

use crate::Result;
use crate::model::builder::{Init, Scope};

/// A table of vectors, `weight` `[entries, size]`.
#[derive(Debug)]
pub(in crate::model) struct Embedding {
    weight: Tensor,
    padding_index: Option<i64>,
}

impl Embedding {
    /// The row at `padding_index` starts at zero and gets no gradient.
    pub fn new(mut scope: Scope, entries: i64, size: i64, padding_index: Option<i64>) -> Result<Self> {
        let init = padding_index.map_or(Init::Normal, Init::NormalExceptRow);
        Ok(Self { weight: scope.parameter("weight", &[entries, size], init)?, padding_index })
    }

    /// The vectors of `ids`, of any shape: `[…, size]`.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        Ok(Tensor::f_embedding(&self.weight, ids, self.padding_index.unwrap_or(-1), false, false)?)
    }

    /// The first `count` vectors, `[count, size]`: a view, not a copy.
    pub fn first(&self, count: i64) -> Result<Tensor> {
        Ok(self.weight.f_narrow(0, 0, count)?)
    }
}
