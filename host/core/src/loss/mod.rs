//! Losses: one file each, and the plan that sums them.

mod attention_ce;
mod attention_ce_mean;
mod attention_mse;
mod attention_mse_sum;
mod config;
mod cos;
mod dkd;
mod error;
mod fsp;
mod hidden_mse;
mod js;
mod kd_bce;
mod kd_ce;
mod kd_mse;
mod minilm_relations;
mod mmd;
mod named;
mod pkd;
mod plan;
mod plugins;
mod reverse_kl;
mod select;

use tch::{Kind, Tensor};

pub use attention_ce::AttentionCe;
pub use attention_ce_mean::AttentionCeMean;
pub use attention_mse::AttentionMse;
pub use attention_mse_sum::AttentionMseSum;
pub use config::{CustomMatch, DistillationConfig, IntermediateMatch, KdLossScale, LayerIndex, ModuleNames};
pub use cos::Cos;
pub use dkd::Dkd;
pub use error::LossError;
pub use fsp::Fsp;
pub use hidden_mse::HiddenMse;
pub use js::Js;
pub use kd_bce::KdBce;
pub use kd_ce::KdCe;
pub use kd_mse::KdMse;
pub use minilm_relations::MinilmRelations;
pub use mmd::Mmd;
pub use named::NameAndParameters;
pub(crate) use named::Unfit;
pub use pkd::Pkd;
pub use plan::{
    KdTerm, Loss, LossPlan, MatchTerm, ModelFeatures, Term, check_features, check_gradients, hard_label_loss,
};
pub use plugins::{PLUGIN_PREFIX, PluginLosses};
pub use reverse_kl::ReverseKl;
pub use select::{probability_shift, select_logits};

use crate::temperature::Temperature;
use crate::{Distribution, Result, RoleState, StepContext};

/// What a KD loss is computed from.
#[derive(Debug)]
pub struct KdInputs<'a> {
    /// The student's logits, `[batch, labels]`, `[batch, length, labels]` or `[selected, labels]`.
    pub student: &'a Tensor,
    /// The teacher's, of the same shape and without a gradient.
    pub teacher: &'a Tensor,
    pub temperature: &'a Temperature,
    /// The labels of the same rows, for losses that use them, where the adaptor returned any: classes `[…]`, negative where
    /// there is none, or numbers of the logits' shape, or `[…]`, NaN where there is none.
    pub labels: Option<&'a Tensor>,
}

impl KdInputs<'_> {
    /// The logarithms of both softened distributions, the student's first.
    fn log_probabilities(&self) -> Result<(Tensor, Tensor)> {
        let of = |logits| -> Result<Tensor> { Ok(self.temperature.soften(logits)?.f_log_softmax(-1, None::<Kind>)?) };
        Ok((of(self.student)?, of(self.teacher)?))
    }
}

/// A distance between the predictions of student and teacher.
pub trait KdLoss {
    /// The name in `kd_loss_type`.
    fn name(&self) -> &str;

    /// What it makes of logits; it is for heads that are trained for the same. `None` if it compares logits as they are, or
    /// if only a plugin knows.
    fn distribution(&self) -> Option<Distribution> {
        None
    }

    /// Whether it reads the labels.
    fn uses_labels(&self) -> bool {
        false
    }

    /// Called before the calls of each forward step, and once more where a step is computed again: what depends on the calls
    /// made at a step begins anew.
    fn begin_step(&mut self, _context: &StepContext) {}

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }

    /// A scalar; the gradient flows to the student only.
    fn loss(&self, inputs: &KdInputs<'_>) -> Result<Tensor>;
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

    /// Called before the calls of each forward step, and once more where a step is computed again: what depends on the calls
    /// made at a step begins anew.
    fn begin_step(&mut self, _context: &StepContext) {}

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }

    /// A scalar from the layers of student and teacher and the mask `[batch, length]`, 1 where a position counts.
    fn loss(&self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor>;
}

/// The names that `kd_loss_type` may have.
const KD_LOSSES: &[&str] = &["ce", "mse", "bce", "reverse_kl", "js", "dkd"];

/// The KD loss that `kd_loss_type` names.
pub fn kd_loss(spec: &NameAndParameters) -> Result<Box<dyn KdLoss>> {
    spec.make("distillation.kd_loss_type", KD_LOSSES, |name, parameters| {
        let loss: Box<dyn KdLoss> = match (name, parameters) {
            ("ce", []) => Box::new(KdCe),
            ("mse", []) => Box::new(KdMse),
            ("bce", []) => Box::new(KdBce),
            ("reverse_kl", []) => Box::new(ReverseKl),
            ("js", []) => Box::new(Js { beta: 0.5 }),
            ("js", &[beta]) if 0.0 < beta && beta < 1.0 => Box::new(Js { beta }),
            ("dkd", []) => Box::new(Dkd::DEFAULT),
            ("dkd", &[alpha, beta]) => Box::new(Dkd { alpha, beta }),
            ("ce" | "mse" | "bce" | "reverse_kl", _) => return Err(Unfit::Parameters("no parameters")),
            ("js", _) => return Err(Unfit::Parameters(r#"["js", beta] with a number between 0 and 1"#)),
            ("dkd", _) => return Err(Unfit::Parameters(r#"["dkd", alpha, beta] with two numbers"#)),
            _ => return Err(Unfit::UnknownName),
        };
        Ok(loss)
    })
}

/// The names that the `loss` of a match may have.
const MATCH_LOSSES: &[&str] = &[
    "attention_ce",
    "attention_ce_mean",
    "attention_mse",
    "attention_mse_sum",
    "cos",
    "fsp",
    "gram",
    "hidden_mse",
    "minilm_relations",
    "mmd",
    "nst",
    "pkd",
];

/// The match loss of that name, which stands at `key`. `gram` is another name of `fsp`, and `nst` of `mmd`.
pub fn match_loss(key: &str, spec: &NameAndParameters) -> Result<Box<dyn MatchLoss>> {
    spec.make(key, MATCH_LOSSES, |name, parameters| {
        let loss: Box<dyn MatchLoss> = match (name, parameters) {
            ("attention_ce", []) => Box::new(AttentionCe),
            ("attention_ce_mean", []) => Box::new(AttentionCeMean),
            ("attention_mse", []) => Box::new(AttentionMse),
            ("attention_mse_sum", []) => Box::new(AttentionMseSum),
            ("cos", []) => Box::new(Cos),
            ("fsp" | "gram", []) => Box::new(Fsp),
            ("hidden_mse", []) => Box::new(HiddenMse),
            ("minilm_relations", []) => Box::new(MinilmRelations { heads: MinilmRelations::DEFAULT_HEADS }),
            ("minilm_relations", &[heads]) if heads >= 1.0 && heads.fract() == 0.0 && heads < 1e6 => {
                Box::new(MinilmRelations { heads: heads as i64 })
            }
            ("minilm_relations", _) => {
                return Err(Unfit::Parameters(r#"["minilm_relations", heads] with a number of relation heads"#));
            }
            ("mmd" | "nst", []) => Box::new(Mmd),
            ("pkd", []) => Box::new(Pkd),
            (name, _) if MATCH_LOSSES.contains(&name) => return Err(Unfit::Parameters("no parameters")),
            _ => return Err(Unfit::UnknownName),
        };
        Ok(loss)
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
