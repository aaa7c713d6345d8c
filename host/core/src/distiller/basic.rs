use super::Distiller;
use crate::loss::{DistillationConfig, Loss, LossError, LossPlan, Side, Term};
use crate::{Features, Result};

/// One teacher, with a KD loss and hard labels and no intermediate matches; both sides must have logits.
pub struct Basic {
    plan: LossPlan,
}

impl Basic {
    pub fn new(config: &DistillationConfig) -> Result<Self> {
        if !config.intermediate_matches.is_empty() {
            return Err(LossError::Value {
                key: "distillation.intermediate_matches".into(),
                found: format!("{} matches", config.intermediate_matches.len()),
                expected: r#"none with "distiller": "basic"; "general" has them"#.into(),
            }
            .into());
        }
        // Without matches there is no projection to be placed on a device.
        Ok(Self { plan: LossPlan::new(config, tch::Device::Cpu)? })
    }
}

impl Distiller for Basic {
    fn name(&self) -> &'static str {
        "basic"
    }

    fn check(&self, student: &Side<'_>, teachers: &[Side<'_>]) -> Result<()> {
        for side in [student, &teachers[0]] {
            if side.features.logits.is_empty() {
                let hint = "Return the model's `logits`.";
                return Err(side.missing("logits", "the basic distiller", hint).into());
            }
        }
        self.plan.check(student, &teachers[0])
    }

    fn loss(&self, student: &Features, teachers: &[Features]) -> Result<Loss> {
        self.plan.compute(student, &teachers[0])
    }

    fn terms(&self, student: &Features, teachers: &[Features]) -> Vec<Term> {
        self.plan.terms(student, &teachers[0])
    }

    fn advance(&mut self, progress: f64) -> Result<()> {
        self.plan.advance(progress)
    }
}
