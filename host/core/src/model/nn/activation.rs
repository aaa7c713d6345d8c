use tch::Tensor;

use crate::Result;

/// The activations that a config may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::model) enum Activation {
    /// With the error function, not an approximation.
    Gelu,
    /// With tanh in place of the error function.
    #[serde(alias = "gelu_pytorch_tanh")]
    GeluNew,
    Relu,
    #[serde(alias = "swish")]
    Silu,
    Tanh,
}

impl Activation {
    pub fn forward(self, input: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Activation::Gelu => input.f_gelu("none")?,
            Activation::GeluNew => input.f_gelu("tanh")?,
            Activation::Relu => input.f_relu()?,
            Activation::Silu => input.f_silu()?,
            Activation::Tanh => input.f_tanh()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name, and its value at 0.7 by its formula.
    #[test]
    fn names_and_values() {
        for (name, expected) in [
            ("gelu", 0.530_625_443_443_849),
            ("gelu_new", 0.530_570_134_705_117),
            ("gelu_pytorch_tanh", 0.530_570_134_705_117),
            ("relu", 0.7),
            ("silu", 0.467_731_440_517_716),
            ("swish", 0.467_731_440_517_716),
            ("tanh", 0.604_367_777_117_164),
        ] {
            let activation: Activation = serde_json::from_value(name.into()).unwrap();
            let found = activation.forward(&Tensor::from(0.7_f64)).unwrap().double_value(&[]);
            assert!((found - expected).abs() < 1e-12, "{name}: {found}, expected {expected}");
        }
    }
}
