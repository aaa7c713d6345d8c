use tch::{Device, Tensor};

use super::{Distiller, Trained};
use crate::loss::{DistillationConfig, Loss, LossPlan, ModelFeatures, PluginLosses, Term};
use crate::{Features, Result, RoleState, Side, StepContext};

/// One teacher for each task, with a KD loss, intermediate matches and hard labels, each where the features have them.
pub struct General {
    plan: LossPlan,
}

impl General {
    /// The distiller of a configuration; projections are created on `device`.
    pub fn new(config: &DistillationConfig, device: Device, plugins: &mut dyn PluginLosses) -> Result<Self> {
        Ok(Self { plan: LossPlan::new(config, device, plugins)? })
    }
}

impl Distiller for General {
    fn check(&self, student: &ModelFeatures<'_>, teachers: &[ModelFeatures<'_>]) -> Result<()> {
        self.plan.check(student, &teachers[0])
    }

    fn begin_step(&mut self, context: &StepContext) -> Result<()> {
        self.plan.begin_step(context)
    }

    fn states(&mut self) -> Vec<(String, &mut dyn RoleState)> {
        self.plan.states()
    }

    fn loss(&self, student: &Features, teachers: &[Features]) -> Result<Loss> {
        self.plan.compute(student, &teachers[0])
    }

    fn terms(&self, student: &Features, teachers: &[Features]) -> Vec<Term> {
        self.plan.terms(student, &teachers[0])
    }

    fn used_layers<'f>(&self, features: &'f Features, side: Side) -> Vec<&'f Tensor> {
        self.plan.used_layers(features, side != Side::Student)
    }

    fn modules(&self, side: Side) -> Vec<String> {
        self.plan.modules(side != Side::Student)
    }

    fn trained(&self) -> Vec<Trained<'_>> {
        let terms = self.plan.matches.iter().enumerate();
        terms
            .filter_map(|(index, term)| {
                Some(Trained {
                    prefix: format!("projections.{index}"),
                    parameters: term.projection()?.parameters(),
                    options: term.projection_options(),
                })
            })
            .collect()
    }
}
