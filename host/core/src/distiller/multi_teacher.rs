use tch::Tensor;

use super::{Distiller, check_logits, plan_without_matches};
use crate::loss::{DistillationConfig, Loss, LossPlan, ModelFeatures, PluginLosses, Term};
use crate::{Features, Result, RoleState, StepContext};

/// Several teachers of one task: the student learns from the mean of their logits, with a KD loss and hard labels.
pub struct MultiTeacher {
    plan: LossPlan,
}

impl MultiTeacher {
    /// The distiller of a configuration.
    pub fn new(config: &DistillationConfig, plugins: &mut dyn PluginLosses) -> Result<Self> {
        Ok(Self { plan: plan_without_matches(config, "multi_teacher", plugins)? })
    }
}

impl Distiller for MultiTeacher {
    fn check(&self, student: &ModelFeatures<'_>, teachers: &[ModelFeatures<'_>]) -> Result<()> {
        check_logits(student, "the multi-teacher distiller")?;
        for teacher in teachers {
            check_logits(teacher, "the multi-teacher distiller")?;
            self.plan.check(student, teacher)?;
        }
        Ok(())
    }

    fn begin_step(&mut self, context: &StepContext) -> Result<()> {
        self.plan.begin_step(context)
    }

    fn states(&mut self) -> Vec<(String, &mut dyn RoleState)> {
        self.plan.states()
    }

    fn loss(&mut self, student: &Features, teachers: &[Features]) -> Result<Loss> {
        self.plan.compute(student, &mean(teachers)?)
    }

    fn terms(&self, student: &Features, teachers: &[Features]) -> Vec<Term> {
        self.plan.terms(student, &teachers[0])
    }
}

/// The features of a teacher whose logits are the mean over all teachers; the first one's mask holds for all.
fn mean(teachers: &[Features]) -> Result<Features> {
    let mut logits = vec![];
    for (index, first) in teachers[0].logits.iter().enumerate() {
        let mut others = teachers[1..].iter().filter_map(|teacher| teacher.logits.get(index));
        let sum = others.try_fold(first.shallow_clone(), |sum, other| sum.f_add(other))?;
        logits.push(sum.f_div_scalar(teachers.len() as f64)?);
    }
    let logits_mask = teachers[0].logits_mask.iter().map(Tensor::shallow_clone).collect();
    Ok(Features { logits, logits_mask, ..Features::default() })
}
