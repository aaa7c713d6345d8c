use tch::Device;

use super::{Distiller, Trained};
use crate::loss::{DistillationConfig, Loss, LossPlan, PluginLosses, Side, Term};
use crate::{Feature, Features, Result, Role};

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
    fn check(&self, student: &Side<'_>, teachers: &[Side<'_>]) -> Result<()> {
        self.plan.check(student, &teachers[0])
    }

    fn loss(&self, student: &Features, teachers: &[Features]) -> Result<Loss> {
        self.plan.compute(student, &teachers[0])
    }

    fn repeat(&self) {
        self.plan.repeat();
    }

    fn terms(&self, student: &Features, teachers: &[Features]) -> Vec<Term> {
        self.plan.terms(student, &teachers[0])
    }

    fn used_layers(&self, features: &Features, role: Role) -> Vec<(Feature, usize)> {
        self.plan.used_layers(features, role != Role::Student)
    }

    fn modules(&self, role: Role) -> Vec<String> {
        self.plan.modules(role != Role::Student)
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

    fn advance(&mut self, progress: f64) -> Result<()> {
        self.plan.advance(progress)
    }
}
