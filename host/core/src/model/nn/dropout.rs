use tch::Tensor;

use crate::Result;
use crate::model::Mode;

/// Dropout with a fixed probability; it does nothing outside training.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Dropout(pub f64);

impl Dropout {
    pub fn forward(self, input: Tensor, mode: Mode) -> Result<Tensor> {
        let probability = self.probability(mode);
        // Even at 0 the kernel would copy its input and draw from the generator.
        if probability == 0.0 { Ok(input) } else { Ok(input.f_dropout(probability, true)?) }
    }

    /// The probability that holds in `mode`.
    pub fn probability(self, mode: Mode) -> f64 {
        match mode {
            Mode::Train => self.0,
            Mode::Eval => 0.0,
        }
    }
}
