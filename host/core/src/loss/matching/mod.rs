//! Match losses: distances between intermediate features of student and teacher, a file each.

mod attention_ce;
mod attention_mse;
mod cos;
mod fsp;
mod hidden_mse;
mod minilm_relations;
mod mmd;
mod pkd;

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

pub use attention_ce::{AttentionCe, AttentionCeMean};
pub use attention_mse::{AttentionMse, AttentionMseSum};
pub use cos::Cos;
pub use fsp::Fsp;
pub use hidden_mse::HiddenMse;
pub use minilm_relations::MinilmRelations;
pub use mmd::Mmd;
pub use pkd::Pkd;

use super::sum_kind;
use crate::named::{self, registry};
use crate::{Result, RoleState, StepContext};

/// A distance between intermediate features of student and teacher.
pub trait MatchLoss {
    /// The name in the `loss` of an intermediate match.
    fn name(&self) -> &str;

    /// How many layers of each side it takes; where it is 1, `layer_T` and `layer_S` are numbers and not lists.
    fn num_layers(&self) -> usize {
        1
    }

    /// Whether shapes fit, for the check before step 0: the shapes of the student's layers (after the projection) and
    /// of the teacher's. An error says what was expected.
    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String>;

    /// Called before the calls of each forward step, and once more where a step is computed again: what depends on the calls
    /// made at a step begins anew.
    fn begin_step(&mut self, _context: &StepContext) {}

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }

    /// The loss of the layers of student and teacher; the mask is `[batch, length]`, 1 where a position counts.
    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<LossSum>;
}

/// A loss as a sum and what it is a sum of: the engine takes the mean. Both are in float32 at least, whatever the layers
/// are: a sum of 16 bits overflows, and a count of them is rounded. Nothing here waits for the device.
#[derive(Debug)]
pub struct LossSum {
    /// A scalar with a gradient.
    pub sum: Tensor,
    /// How many numbers were added, a scalar: all, or as many as a mask keeps.
    pub count: Tensor,
}

impl LossSum {
    /// A mean that is computed already.
    pub fn of_mean(mean: Tensor) -> Result<Self> {
        Ok(Self { count: mean.f_detach()?.f_ones_like()?, sum: mean })
    }

    /// All of `losses`, of whatever shape.
    pub fn of_all(losses: &Tensor) -> Result<Self> {
        let count = Tensor::f_full([0i64; 0], losses.numel() as f64, (Kind::Float, losses.device()))?;
        Ok(Self { sum: losses.f_sum(sum_kind(losses)?)?, count })
    }

    /// Those of `losses` at whose position the mask, of the same shape, is 1; all if there is none.
    pub fn of_positions(losses: &Tensor, mask: Option<&Tensor>) -> Result<Self> {
        let Some(mask) = mask else { return Self::of_all(losses) };
        let mask = mask.f_to_kind(losses.f_kind()?)?;
        let kind = sum_kind(losses)?;
        Ok(Self { sum: losses.f_mul(&mask)?.f_sum(kind)?, count: mask.f_sum(kind)? })
    }

    /// Those of `losses` `[batch, length, length]`, or `[batch, heads, length, length]`, for which the mask
    /// `[batch, length]` is 1 at both positions; it is of the losses' kind.
    pub fn of_pairs(losses: &Tensor, mask: &Tensor) -> Result<Self> {
        let kind = sum_kind(losses)?;
        let count = mask.f_sum_dim_intlist(1, false, kind)?.f_square()?.f_sum(kind)?;
        let (mask, count) = match losses.size().as_slice() {
            [_, heads, _, _] => (mask.f_unsqueeze(1)?, count.f_mul_scalar(*heads)?),
            _ => (mask.shallow_clone(), count),
        };
        let counted = losses.f_mul(&mask.f_unsqueeze(-1)?)?.f_mul(&mask.f_unsqueeze(-2)?)?;
        Ok(Self { sum: counted.f_sum(kind)?, count })
    }

    /// The loss, a scalar.
    pub fn mean(&self) -> Result<Tensor> {
        Ok(self.sum.f_div(&self.count)?)
    }
}

/// The loss of a match in a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", remote = "Self")]
#[schemars(remote = "MatchLossConfig", transform = named::schema)]
pub enum MatchLossConfig {
    /// Cross-entropy of attention scores.
    AttentionCe,
    /// Cross-entropy of attention scores averaged over heads.
    AttentionCeMean,
    /// Mean squared error of attention maps.
    AttentionMse,
    /// Mean squared error of attention maps summed over heads.
    AttentionMseSum,
    /// Cosine distance of hidden states.
    Cos,
    /// Mean squared error of the flow between two layers.
    Fsp,
    /// Another name of `fsp`.
    Gram,
    /// Mean squared error of hidden states.
    HiddenMse,
    /// Relations among queries, keys and values, as in MiniLMv2.
    MinilmRelations {
        /// The number of relation heads.
        #[serde(default = "default_heads")]
        heads: NonZeroU32,
    },
    /// Mean squared error of the similarities of positions between two layers.
    Mmd,
    /// Another name of `mmd`.
    Nst,
    /// Squared distance of the normalised states at the first position.
    Pkd,
    /// A plugin's, by its name in `plugins.losses`.
    #[serde(rename = "plugin:NAME")]
    Plugin(String),
}

registry!(MatchLossConfig);

impl MatchLossConfig {
    /// The loss; a plugin's is made by `plugin`.
    pub fn make(&self, plugin: impl FnOnce(&str) -> Result<Box<dyn MatchLoss>>) -> Result<Box<dyn MatchLoss>> {
        Ok(match self {
            Self::AttentionCe => Box::new(AttentionCe),
            Self::AttentionCeMean => Box::new(AttentionCeMean),
            Self::AttentionMse => Box::new(AttentionMse),
            Self::AttentionMseSum => Box::new(AttentionMseSum),
            Self::Cos => Box::new(Cos),
            Self::Fsp | Self::Gram => Box::new(Fsp),
            Self::HiddenMse => Box::new(HiddenMse),
            Self::MinilmRelations { heads } => Box::new(MinilmRelations { heads: heads.get().into() }),
            Self::Mmd | Self::Nst => Box::new(Mmd),
            Self::Pkd => Box::new(Pkd),
            Self::Plugin(name) => plugin(name)?,
        })
    }
}

fn default_heads() -> NonZeroU32 {
    MinilmRelations::DEFAULT_HEADS
}

/// For losses that compare layers element by element: both sides have one shape of that rank.
fn same_shape(student: &[Vec<i64>], teacher: &[Vec<i64>], ranks: &[usize], form: &str) -> Result<(), String> {
    for (student, teacher) in student.iter().zip(teacher) {
        if !ranks.contains(&student.len()) {
            return Err(form.to_owned());
        }
        if student != teacher {
            return Err(format!("{form} of the same shape on both sides"));
        }
    }
    Ok(())
}

/// For losses of attention maps whose heads are summed or averaged: the shapes agree in all but the number of heads.
fn same_shape_without_heads(student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
    let without_heads = |shapes: &[Vec<i64>]| -> Vec<Vec<i64>> {
        shapes
            .iter()
            .map(|shape| if shape.len() == 4 { vec![shape[0], shape[2], shape[3]] } else { shape.clone() })
            .collect()
    };
    let form = "[batch, heads, length, length] or [batch, length, length]";
    if student.iter().zip(teacher).any(|(student, teacher)| student.len() != teacher.len()) {
        return Err(format!("{form}, of the same rank on both sides"));
    }
    same_shape(&without_heads(student), &without_heads(teacher), &[3], form)
}

const HIDDEN_FORM: &str = "[batch, length, hidden]";
const ATTENTION_FORM: &str = "[batch, heads, length, length]";

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn layers_of_16_bits_are_summed_and_counted_in_32() {
        // More numbers than float16 can count, and more tokens in a row than bfloat16 can.
        let (hidden, maps): (&[i64], &[i64]) = (&[2, 300, 120], &[1, 2, 300, 300]);
        let none = |_: &str| -> Result<Box<dyn MatchLoss>> { unreachable!("no loss is a plugin's") };
        for kind in [Kind::Half, Kind::BFloat16] {
            for (spec, shape) in [
                (MatchLossConfig::HiddenMse, hidden),
                (MatchLossConfig::AttentionMse, maps),
                (MatchLossConfig::AttentionMseSum, &[1, 300, 300]),
            ] {
                let options = (kind, Device::Cpu);
                let (student, teacher) = (Tensor::full(shape, 4, options), Tensor::full(shape, 2, options));
                let mask = Tensor::ones([shape[0], 300], (Kind::Int64, Device::Cpu));
                let _ = mask.narrow(1, 259, 41).zero_();
                for mask in [None, Some(&mask)] {
                    let loss = spec.make(none).unwrap().loss(&[student.copy()], &[teacher.copy()], mask);
                    let mean = loss.unwrap().mean().unwrap();
                    assert_eq!((mean.kind(), mean.double_value(&[])), (Kind::Float, 4.0), "{spec:?}, {kind:?}");
                }
            }
        }
    }
}
