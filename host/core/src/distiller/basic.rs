use super::{Distiller, check_logits, plan_without_matches};
use crate::loss::{DistillationConfig, Loss, LossPlan, ModelFeatures, PluginLosses, Term};
use crate::{Features, Result, RoleState, StepContext};

/// One teacher, with a KD loss and hard labels and no intermediate matches; both sides must have logits.
pub struct Basic {
    plan: LossPlan,
}

impl Basic {
    /// The distiller of a configuration.
    pub fn new(config: &DistillationConfig, plugins: &mut dyn PluginLosses) -> Result<Self> {
        Ok(Self { plan: plan_without_matches(config, "basic", plugins)? })
    }
}

impl Distiller for Basic {
    fn check(&self, student: &ModelFeatures<'_>, teachers: &[ModelFeatures<'_>]) -> Result<()> {
        for side in [student, &teachers[0]] {
            check_logits(side, "the basic distiller")?;
        }
        self.plan.check(student, &teachers[0])
    }

    fn begin_step(&mut self, context: &StepContext) -> Result<()> {
        self.plan.begin_step(context)
    }

    fn states(&mut self) -> Vec<(String, &mut dyn RoleState)> {
        self.plan.states()
    }

    fn loss(&mut self, student: &Features, teachers: &[Features]) -> Result<Loss> {
        self.plan.compute(student, &teachers[0])
    }

    fn terms(&self, student: &Features, teachers: &[Features]) -> Vec<Term> {
        self.plan.terms(student, &teachers[0])
    }
}
