use tch::{Device, Tensor};

use super::{Distiller, Trained};
use crate::loss::{DistillationConfig, Loss, LossError, LossPlan, ModelFeatures, PluginLosses, Term};
use crate::{Feature, Features, Result, RoleState, Side, StepContext};

/// A student that learns from one teacher, or from the mean of several teachers' logits, as a [`LossPlan`] says. TextBrewer's
/// distillers are presets of it.
pub struct PlanDistiller {
    plan: LossPlan,
    /// Who cannot do without the logits of all sides.
    needs_logits: Option<&'static str>,
}

impl PlanDistiller {
    /// One teacher for each task, with a KD loss, intermediate matches and hard labels, each where the features have them;
    /// projections are created on `device`.
    pub fn general(config: &DistillationConfig, device: Device, plugins: &mut dyn PluginLosses) -> Result<Self> {
        Ok(Self { plan: LossPlan::new(config, device, plugins)?, needs_logits: None })
    }

    /// One teacher, with a KD loss and hard labels and no intermediate matches.
    pub fn basic(config: &DistillationConfig, plugins: &mut dyn PluginLosses) -> Result<Self> {
        let plan = plan_without_matches(config, "basic", plugins)?;
        Ok(Self { plan, needs_logits: Some("the basic distiller") })
    }

    /// Several teachers of one task: the student learns from the mean of their logits, with a KD loss and hard labels.
    pub fn multi_teacher(config: &DistillationConfig, plugins: &mut dyn PluginLosses) -> Result<Self> {
        let plan = plan_without_matches(config, "multi_teacher", plugins)?;
        Ok(Self { plan, needs_logits: Some("the multi-teacher distiller") })
    }
}

impl Distiller for PlanDistiller {
    fn check(&self, student: &ModelFeatures<'_>, teachers: &[ModelFeatures<'_>]) -> Result<()> {
        for teacher in teachers {
            if let Some(needed_by) = self.needs_logits {
                check_logits(student, needed_by)?;
                check_logits(teacher, needed_by)?;
            }
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
        match teachers {
            [teacher] => self.plan.compute(student, teacher),
            several => self.plan.compute(student, &mean(several)?),
        }
    }

    fn terms(&self, student: &Features, teachers: &[Features]) -> Vec<Term> {
        self.plan.terms(student, &teachers[0])
    }

    fn used_layers(&self, features: &Features, side: Side) -> Vec<(Feature, usize)> {
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

/// The plan of a distiller that has no intermediate matches.
fn plan_without_matches(
    config: &DistillationConfig,
    distiller: &str,
    plugins: &mut dyn PluginLosses,
) -> Result<LossPlan> {
    let lists =
        [("intermediate_matches", config.intermediate_matches.len()), ("custom_matches", config.custom_matches.len())];
    if let Some((key, length)) = lists.into_iter().find(|(_, length)| *length > 0) {
        return Err(LossError::Value {
            key: format!("distillation.{key}"),
            found: format!("{length} matches"),
            expected: format!(r#"none with "distiller": "{distiller}"; "general" has them"#),
        }
        .into());
    }
    // Without matches there is no projection to be placed on a device.
    LossPlan::new(config, Device::Cpu, plugins)
}

/// Whether a side has the logits that a distiller cannot do without.
fn check_logits(side: &ModelFeatures<'_>, needed_by: &str) -> Result<()> {
    if side.features.logits.is_empty() {
        return Err(side.missing("logits", needed_by, "Return the model's `logits`.").into());
    }
    Ok(())
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
