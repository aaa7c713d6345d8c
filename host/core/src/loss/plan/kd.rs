use std::fmt;

use serde_json::Value;
use tch::Tensor;

use super::Side;
use crate::describe::{describe, shape};
use crate::loss::config::SchedulerSpec;
use crate::loss::{
    DistillationConfig, KD_LOSSES, KdLoss, KdLossScale, LossError, kd_loss, probability_shift, select_logits,
};
use crate::temperature::{Constant, Cwsm, Flsw, TemperatureScheduler};
use crate::{Features, Result};

/// The loss between the logits of both sides, summed over their lists.
pub struct KdTerm {
    loss: Box<dyn KdLoss>,
    scheduler: Box<dyn TemperatureScheduler>,
    temperature: f64,
    scale: f64,
    probability_shift: bool,
}

const TEMPERATURE_SCHEDULERS: &[&str] = &["none", "constant", "flsw", "cwsm"];

impl KdTerm {
    pub fn new(config: &DistillationConfig) -> Result<Self> {
        let loss = kd_loss(&config.kd_loss_type).ok_or_else(|| LossError::UnknownName {
            key: "distillation.kd_loss_type".into(),
            name: config.kd_loss_type.clone(),
            known: KD_LOSSES,
        })?;
        if !(config.temperature.is_finite() && config.temperature > 0.0) {
            return Err(LossError::Value {
                key: "distillation.temperature".into(),
                found: config.temperature.to_string(),
                expected: "a number above 0".into(),
            }
            .into());
        }
        Ok(Self {
            loss,
            scheduler: temperature_scheduler(&config.temperature_scheduler)?,
            temperature: config.temperature,
            scale: match config.kd_loss_scale {
                KdLossScale::None => 1.0,
                KdLossScale::TemperatureSquared => config.temperature * config.temperature,
            },
            probability_shift: config.probability_shift,
        })
    }

    /// The sum over pairs of logits, after masks were applied.
    pub fn compute(&self, student: &Features, teacher: &Features) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (index, (student_logits, teacher_logits)) in student.logits.iter().zip(&teacher.logits).enumerate() {
            let student_logits = self.selected(student, index, student_logits, None)?;
            let labels = if self.probability_shift { student.labels.get(index) } else { None };
            let teacher_logits = self.selected(teacher, index, teacher_logits, labels)?;
            let temperature =
                tch::no_grad(|| self.scheduler.temperature(&student_logits, &teacher_logits, self.temperature))?;
            let loss = self.loss.loss(&student_logits, &teacher_logits, &temperature)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&loss)?,
                None => loss,
            });
        }
        let sum = match sum {
            Some(sum) => sum,
            None => Tensor::f_from_slice(&[0f32])?,
        };
        Ok(if self.scale == 1.0 { sum } else { sum.f_mul_scalar(self.scale)? })
    }

    /// The logits that the mask keeps, shifted to the labels if there are any. Labels may belong to all positions or
    /// to the selected ones.
    fn selected(&self, features: &Features, index: usize, logits: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        let for_all_positions = |labels: &&Tensor| labels.size() == logits.size()[..logits.dim() - 1];
        let (before, after) = match labels {
            Some(labels) if for_all_positions(&labels) => (Some(labels), None),
            other => (None, other),
        };
        let mut logits = match before {
            Some(labels) => probability_shift(logits, labels)?,
            None => logits.shallow_clone(),
        };
        if let Some(mask) = mask_of(features, index) {
            logits = select_logits(&logits, mask)?;
        }
        match after {
            Some(labels) => probability_shift(&logits, labels),
            None => Ok(logits),
        }
    }

    pub(super) fn check(&self, student: &Side<'_>, teacher: &Side<'_>) -> Result<()> {
        let counts = (student.features.logits.len(), teacher.features.logits.len());
        if counts.0 != counts.1 {
            return Err(student
                .wrong("logits", format!("{} tensors", counts.0), format!("{} as for the teacher", counts.1))
                .into());
        }
        for (index, logits) in student.features.logits.iter().enumerate() {
            let teacher_logits = &teacher.features.logits[index];
            let selected = |side: &Side<'_>, logits: &Tensor| -> Result<Vec<i64>> {
                Ok(match mask_of(side.features, index) {
                    Some(mask) => select_logits(logits, mask)?.size(),
                    None => logits.size(),
                })
            };
            let shapes = (selected(student, logits)?, selected(teacher, teacher_logits)?);
            if shapes.0 != shapes.1 {
                let masked = if student.features.logits_mask.is_empty() { "" } else { " where the mask is 1" };
                return Err(student
                    .wrong(
                        &format!("logits[{index}]"),
                        format!("{}{masked}", shape(&shapes.0)),
                        format!("{} as for the teacher (its classes and positions)", shape(&shapes.1)),
                    )
                    .into());
            }
            if self.probability_shift {
                self.check_labels(student, index, logits, &shapes.0)?;
            }
        }
        Ok(())
    }

    fn check_labels(&self, student: &Side<'_>, index: usize, logits: &Tensor, selected: &[i64]) -> Result<()> {
        let Some(labels) = student.features.labels.get(index) else {
            return Err(student
                .missing("labels", "probability_shift", "Return the batch's labels, one tensor for each of `logits`.")
                .into());
        };
        let positions = &logits.size()[..logits.dim() - 1];
        if labels.size() != positions && labels.size() != selected[..selected.len() - 1] {
            let expected = format!("int64 {}", shape(positions));
            return Err(student.wrong(&format!("labels[{index}]"), describe(labels), expected).into());
        }
        Ok(())
    }
}

impl fmt::Display for KdTerm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, temperature {}", self.loss.name(), self.temperature)?;
        if self.scheduler.name() != "constant" {
            write!(formatter, " by {}", self.scheduler.name())?;
        }
        if self.scale != 1.0 {
            write!(formatter, ", times {}", self.scale)?;
        }
        if self.probability_shift {
            formatter.write_str(", shifted to the labels")?;
        }
        Ok(())
    }
}

/// The mask of the logits at `index`: its own, or the only one.
fn mask_of(features: &Features, index: usize) -> Option<&Tensor> {
    match features.logits_mask.as_slice() {
        [mask] => Some(mask),
        masks => masks.get(index),
    }
}

fn temperature_scheduler(spec: &SchedulerSpec) -> Result<Box<dyn TemperatureScheduler>> {
    const KEY: &str = "distillation.temperature_scheduler";
    let (name, parameters) = match spec {
        SchedulerSpec::Name(name) => (name.as_str(), &[][..]),
        SchedulerSpec::WithParameters(list) => match list.split_first() {
            Some((Value::String(name), parameters)) => (name.as_str(), parameters),
            _ => ("", &[][..]),
        },
    };
    let numbers: Option<Vec<f64>> = parameters.iter().map(Value::as_f64).collect();
    let wrong = |expected: &str| LossError::Value {
        key: KEY.into(),
        found: serde_json::to_string(spec).unwrap_or_default(),
        expected: expected.into(),
    };
    Ok(match (name, numbers.as_deref()) {
        ("none" | "constant", Some([])) => Box::new(Constant),
        ("none" | "constant", _) => return Err(wrong("no parameters").into()),
        ("flsw", Some(&[beta, gamma])) => Box::new(Flsw { beta, gamma }),
        ("flsw", _) => return Err(wrong(r#"["flsw", beta, gamma] with two numbers"#).into()),
        ("cwsm", Some(&[beta])) => Box::new(Cwsm { beta }),
        ("cwsm", _) => return Err(wrong(r#"["cwsm", beta] with one number"#).into()),
        _ => {
            return Err(
                LossError::UnknownName { key: KEY.into(), name: name.into(), known: TEMPERATURE_SCHEDULERS }.into()
            );
        }
    })
}
