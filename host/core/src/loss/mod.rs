//! Losses: one file each, and the plan that sums them.

mod attention_ce;
mod attention_ce_mean;
mod attention_mse;
mod attention_mse_sum;
mod config;
mod cos;
mod error;
mod fsp;
mod hidden_mse;
mod kd_ce;
mod kd_mse;
mod mmd;
mod pkd;
mod plan;
mod select;

use tch::Tensor;

pub use attention_ce::AttentionCe;
pub use attention_ce_mean::AttentionCeMean;
pub use attention_mse::AttentionMse;
pub use attention_mse_sum::AttentionMseSum;
pub use config::{CustomMatch, DistillationConfig, IntermediateMatch, KdLossScale, LayerIndex, ModuleNames};
pub use cos::Cos;
pub use error::LossError;
pub use fsp::Fsp;
pub use hidden_mse::HiddenMse;
pub use kd_ce::KdCe;
pub use kd_mse::KdMse;
pub use mmd::Mmd;
pub use pkd::Pkd;
pub use plan::{KdTerm, Loss, LossPlan, MatchTerm, Side, Term, check_features, hard_label_loss};
pub use select::{probability_shift, select_logits};

use crate::Result;
use crate::temperature::Temperature;

/// A distance between the predictions of student and teacher.
pub trait KdLoss {
    /// The name in `kd_loss_type`.
    fn name(&self) -> &str;

    /// A scalar from two tensors of logits of one shape, `[batch, labels]`, `[batch, length, labels]` or
    /// `[selected, labels]`; the gradient flows to `student` only, because the teacher's has none.
    fn loss(&self, student: &Tensor, teacher: &Tensor, temperature: &Temperature) -> Result<Tensor>;
}

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

    /// A scalar from the layers of student and teacher and the mask `[batch, length]`, 1 where a position counts.
    fn loss(&self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor>;
}

/// The names that `kd_loss_type` may have.
pub const KD_LOSSES: &[&str] = &["ce", "mse"];

/// The built-in KD loss of that name.
pub fn kd_loss(name: &str) -> Option<Box<dyn KdLoss>> {
    Some(match name {
        "ce" => Box::new(KdCe),
        "mse" => Box::new(KdMse),
        _ => return None,
    })
}

/// The names that the `loss` of an intermediate match may have.
pub const MATCH_LOSSES: &[&str] = &[
    "attention_ce",
    "attention_ce_mean",
    "attention_mse",
    "attention_mse_sum",
    "cos",
    "fsp",
    "gram",
    "hidden_mse",
    "mmd",
    "nst",
    "pkd",
];

/// The built-in match loss of that name. `gram` is another name of `fsp`, and `nst` of `mmd`.
pub fn match_loss(name: &str) -> Option<Box<dyn MatchLoss>> {
    Some(match name {
        "attention_ce" => Box::new(AttentionCe),
        "attention_ce_mean" => Box::new(AttentionCeMean),
        "attention_mse" => Box::new(AttentionMse),
        "attention_mse_sum" => Box::new(AttentionMseSum),
        "cos" => Box::new(Cos),
        "fsp" | "gram" => Box::new(Fsp),
        "hidden_mse" => Box::new(HiddenMse),
        "mmd" | "nst" => Box::new(Mmd),
        "pkd" => Box::new(Pkd),
        _ => return None,
    })
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

const HIDDEN_FORM: &str = "[batch, length, hidden]";
const ATTENTION_FORM: &str = "[batch, heads, length, length]";
