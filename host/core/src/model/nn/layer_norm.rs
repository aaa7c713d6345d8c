use tch::Tensor;

use crate::Result;
use crate::model::builder::{Init, Scope};

/// Layer normalization over the last dimension.
#[derive(Debug)]
pub(in crate::model) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    size: i64,
    epsilon: f64,
}

impl LayerNorm {
    pub fn new(mut scope: Scope, size: i64, epsilon: f64) -> Result<Self> {
        Ok(Self {
            weight: scope.parameter("weight", &[size], Init::Ones)?,
            bias: scope.parameter("bias", &[size], Init::Zeros)?,
            size,
            epsilon,
        })
    }

    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Ok(input.f_layer_norm([self.size], Some(&self.weight), Some(&self.bias), self.epsilon, true)?)
    }
}
