use tch::Tensor;

use crate::Result;
use crate::model::builder::{Init, Scope};

/// `x·Wᵀ + b`, with `weight` `[output, input]` and `bias` `[output]`.
#[derive(Debug)]
pub(in crate::model) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub fn new(mut scope: Scope, input: i64, output: i64) -> Result<Self> {
        Ok(Self {
            weight: scope.parameter("weight", &[output, input], Init::Normal)?,
            bias: scope.parameter("bias", &[output], Init::Zeros)?,
        })
    }

    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Ok(input.f_linear(&self.weight, Some(&self.bias))?)
    }
}
