//! The weighted sum of losses that a distillation configuration describes.

mod check;
mod chunks;
mod kd;
mod matching;
mod operands;
mod rows;
mod weight;

use indexmap::IndexMap;
use tch::{Device, Kind, Tensor};

pub use check::{ModelFeatures, check_features, check_gradients};
use check::{check_gradient, check_hard_labels};
pub use kd::KdTerm;
pub use matching::MatchTerm;
pub use rows::{probability_shift, select_logits};
use weight::Weight;

use super::{DistillationConfig, PluginLosses};
use crate::{Feature, Features, Result, RoleState, StepContext};

/// The loss of one batch.
#[derive(Debug)]
pub struct Loss {
    /// A scalar from which the student's gradient is computed.
    pub total: Tensor,
    /// The unweighted scalars that it is the weighted sum of, by TextBrewer's names.
    pub parts: IndexMap<String, Tensor>,
}

/// One summand of the total, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As in the scalars, without `unweighted_`.
    pub name: String,
    /// Its weight, and how it changes.
    pub weight: String,
    /// Which loss it is, of what.
    pub detail: String,
}

/// `kd_loss · weight + Σ match · weight + hard_label_loss · weight`.
pub struct LossPlan {
    /// The KD loss.
    pub kd: KdTerm,
    /// The match losses, in the order of the configuration.
    pub matches: Vec<MatchTerm>,
    kd_weight: Weight,
    hard_label_weight: Weight,
    /// A key of the KD loss that the configuration sets.
    kd_key: Option<&'static str>,
}

const KD_HINT: &str = "Return the model's `logits`, or remove the key: without logits there is no KD loss.";

impl LossPlan {
    /// The plan of a configuration; projections are created on `device`, and what it names as `plugin:NAME` by
    /// `plugins`.
    pub fn new(config: &DistillationConfig, device: Device, plugins: &mut dyn PluginLosses) -> Result<Self> {
        let mut matches = vec![];
        for (index, spec) in config.intermediate_matches.iter().enumerate() {
            matches.push(MatchTerm::intermediate(index, spec, device, plugins)?);
        }
        for (index, spec) in config.custom_matches.iter().enumerate() {
            matches.push(MatchTerm::custom(index, spec, device, plugins)?);
        }
        Ok(Self {
            kd: KdTerm::new(config, plugins)?,
            matches,
            kd_weight: Weight::new("kd_loss_weight", config.kd_loss_weight, &config.kd_loss_weight_scheduler, plugins)?,
            hard_label_weight: Weight::new(
                "hard_label_weight",
                config.hard_label_weight,
                &config.hard_label_weight_scheduler,
                plugins,
            )?,
            kd_key: config.kd_key(),
        })
    }

    /// The loss of a batch. The KD loss is computed where both sides have logits, the hard-label loss where the
    /// student has losses.
    pub fn compute(&mut self, student: &Features, teacher: &Features) -> Result<Loss> {
        let mut sum = WeightedSum::default();
        if has_logits(student, teacher) {
            sum.add("unweighted_kd_loss".into(), self.kd.compute(student, teacher)?, self.kd_weight.value())?;
        }
        for term in &mut self.matches {
            sum.add(format!("unweighted_{}", term.name()), term.compute(student, teacher)?, term.weight())?;
        }
        if let Some(loss) = hard_label_loss(student)? {
            sum.add("unweighted_hard_label_loss".into(), loss, self.hard_label_weight.value())?;
        }
        sum.finish()
    }

    /// Begins a forward step, or the same one again: losses and the temperature scheduler learn its context, and weights that
    /// are scheduled become those of the optimizer steps done.
    pub fn begin_step(&mut self, context: &StepContext) -> Result<()> {
        self.kd.begin_step(context);
        self.matches.iter_mut().for_each(|term| term.begin_step(context));
        self.kd_weight.begin_step(context)?;
        self.hard_label_weight.begin_step(context)
    }

    /// What losses and schedulers remember, each with the key that names it.
    pub fn states(&mut self) -> Vec<(String, &mut dyn RoleState)> {
        let mut states = self.kd.states();
        states.extend(self.matches.iter_mut().filter_map(MatchTerm::state));
        for (weight, key) in
            [(&mut self.kd_weight, "kd_loss_weight"), (&mut self.hard_label_weight, "hard_label_weight")]
        {
            states.extend(weight.state().map(|state| (format!("distillation.{key}_scheduler"), state)));
        }
        states
    }

    /// Whether the features of a batch are all that the plan needs, before anything is computed from them.
    pub fn check(&self, student: &ModelFeatures<'_>, teacher: &ModelFeatures<'_>) -> Result<()> {
        for side in [student, teacher] {
            check_features(side)?;
        }
        self.check_logits(student, teacher)?;
        for term in &self.matches {
            term.check(student, teacher)?;
        }
        check_hard_labels(student, self.hard_label_weight.is_used())
    }

    /// Logits of both sides, or of neither where matches are what the student learns from and no key is about the KD loss.
    fn check_logits(&self, student: &ModelFeatures<'_>, teacher: &ModelFeatures<'_>) -> Result<()> {
        if has_logits(student.features, teacher.features) {
            self.kd.check(student, teacher)?;
            if self.kd_weight.is_used() {
                self.kd.check_tasks(student, teacher)?;
                check_gradients(student, "logits", &student.features.logits)?;
            }
            return Ok(());
        }
        let has_any = |side: &ModelFeatures<'_>| !side.features.logits.is_empty();
        let side = if has_any(student) { teacher } else { student };
        if let Some(key) = self.kd_key {
            return Err(side.missing("logits", &format!("distillation.{key}"), KD_HINT).into());
        }
        if self.kd_weight.is_used() && (has_any(student) || has_any(teacher) || self.matches.is_empty()) {
            let hint = "Return the model's `logits`, or set the weight to 0.";
            return Err(side.missing("logits", "kd_loss_weight", hint).into());
        }
        Ok(())
    }

    /// The layers of the teacher's features, or of the student's, that some match uses, by their positions.
    pub fn used_layers(&self, features: &Features, of_teacher: bool) -> Vec<(Feature, usize)> {
        self.matches.iter().flat_map(|term| term.used_layers(features, of_teacher)).collect()
    }

    /// The modules of the teacher, or of the student, whose outputs some match compares.
    pub fn modules(&self, of_teacher: bool) -> Vec<String> {
        self.matches.iter().flat_map(|term| term.modules(of_teacher)).cloned().collect()
    }

    /// The summands for these features, in the order in which they are added.
    pub fn terms(&self, student: &Features, teacher: &Features) -> Vec<Term> {
        let mut terms = vec![];
        if has_logits(student, teacher) {
            terms.push(Term {
                name: "kd_loss".into(),
                weight: self.kd_weight.to_string(),
                detail: self.kd.to_string(),
            });
        }
        terms.extend(self.matches.iter().map(MatchTerm::term));
        if !student.losses.is_empty() {
            terms.push(Term {
                name: "hard_label_loss".into(),
                weight: self.hard_label_weight.to_string(),
                detail: "the student's own losses".into(),
            });
        }
        terms
    }
}

fn has_logits(student: &Features, teacher: &Features) -> bool {
    !student.logits.is_empty() && !teacher.logits.is_empty()
}

/// The sum of the adaptor's losses, each averaged to a scalar; `None` if it returned none.
pub fn hard_label_loss(features: &Features) -> Result<Option<Tensor>> {
    let mut sum: Option<Tensor> = None;
    for loss in &features.losses {
        let loss = loss.f_mean(None::<Kind>)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&loss)?,
            None => loss,
        });
    }
    Ok(sum)
}

#[derive(Default)]
struct WeightedSum {
    total: Option<Tensor>,
    parts: IndexMap<String, Tensor>,
}

impl WeightedSum {
    fn add(&mut self, name: String, loss: Tensor, weight: f64) -> Result<()> {
        let weighted = loss.f_mul_scalar(weight)?;
        self.total = Some(match self.total.take() {
            Some(total) => total.f_add(&weighted)?,
            None => weighted,
        });
        self.parts.insert(name, loss);
        Ok(())
    }

    fn finish(self) -> Result<Loss> {
        let total = match self.total {
            Some(total) => total,
            None => Tensor::f_zeros([], (Kind::Float, Device::Cpu))?,
        };
        Ok(Loss { total, parts: self.parts })
    }
}
