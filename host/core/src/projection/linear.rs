use tch::{Device, Kind, Tensor};

use super::Projection;
use crate::Result;
use crate::model::Parameters;

/// What follows the linear map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The linear map alone.
    None,
    /// max(0, x) behind it.
    Relu,
    /// tanh x behind it.
    Tanh,
}

/// `activation(x Wᵀ + b)` with weights drawn from a normal distribution of standard deviation 0.02 and a bias of 0.
pub struct LinearProjection {
    parameters: Parameters,
    weight: Tensor,
    bias: Tensor,
    activation: Activation,
}

impl LinearProjection {
    /// `weight` is `[dim_teacher, dim_student]`, `bias` `[dim_teacher]`.
    pub fn new(dim_student: i64, dim_teacher: i64, activation: Activation, device: Device) -> Result<Self> {
        let options = (Kind::Float, device);
        let weight =
            Tensor::f_randn([dim_teacher, dim_student], options)?.f_mul_scalar(0.02)?.f_set_requires_grad(true)?;
        let bias = Tensor::f_zeros([dim_teacher], options)?.f_set_requires_grad(true)?;
        let mut parameters = Parameters::new();
        parameters.insert("weight", weight.shallow_clone());
        parameters.insert("bias", bias.shallow_clone());
        Ok(Self { parameters, weight, bias, activation })
    }
}

impl Projection for LinearProjection {
    fn project(&self, features: &Tensor) -> Result<Tensor> {
        let projected = features.f_linear(&self.weight, Some(&self.bias))?;
        Ok(match self.activation {
            Activation::None => projected,
            Activation::Relu => projected.f_relu()?,
            Activation::Tanh => projected.f_tanh()?,
        })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}
