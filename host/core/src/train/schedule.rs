use std::f64::consts::PI;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TrainError;

/// How the learning rate changes in the course of a run: a factor for each optimizer step, after a linear warm-up from
/// 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// The form of the curve after the warm-up.
    pub name: ScheduleName,
    /// Optimizer steps over which the rate grows from 0.
    pub num_warmup_steps: Option<usize>,
    /// The same as a share of `num_training_steps`.
    pub warmup_ratio: Option<f64>,
    /// The optimizer step at which the schedule ends; by default the run's last. The constant schedule has no end.
    pub num_training_steps: Option<usize>,
}

/// The form of a schedule after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleName {
    /// The rate stays.
    Constant,
    /// Down to 0 in a straight line.
    Linear,
    /// Down to 0 along half a cosine.
    Cosine,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { name: ScheduleName::Constant, num_warmup_steps: None, warmup_ratio: None, num_training_steps: None }
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ScheduleName::Constant => "constant",
            ScheduleName::Linear => "linear",
            ScheduleName::Cosine => "cosine",
        })
    }
}

/// A schedule whose lengths are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    name: ScheduleName,
    /// Optimizer steps over which the rate grows from 0.
    pub num_warmup_steps: usize,
    /// The optimizer step at which the schedule ends.
    pub num_training_steps: usize,
}

impl ScheduleConfig {
    /// The schedule for a run of `total_steps` optimizer steps.
    pub fn resolve(&self, total_steps: usize) -> Result<Schedule, TrainError> {
        let num_training_steps = self.num_training_steps.unwrap_or(total_steps);
        let num_warmup_steps = match (self.num_warmup_steps, self.warmup_ratio) {
            (Some(_), Some(_)) => {
                return Err(TrainError::Value {
                    key: "schedule".into(),
                    found: "both `num_warmup_steps` and `warmup_ratio`".into(),
                    expected: "one of them".into(),
                });
            }
            (Some(steps), None) => steps,
            (None, Some(ratio)) if (0.0..=1.0).contains(&ratio) => (num_training_steps as f64 * ratio).ceil() as usize,
            (None, Some(ratio)) => {
                return Err(TrainError::Value {
                    key: "schedule.warmup_ratio".into(),
                    found: ratio.to_string(),
                    expected: "a share from 0 to 1".into(),
                });
            }
            (None, None) => 0,
        };
        Ok(Schedule { name: self.name, num_warmup_steps, num_training_steps })
    }
}

impl Schedule {
    /// The factor of the learning rate at an optimizer step, counted from 0: as in the `get_…_schedule_with_warmup` of
    /// Hugging Face transformers.
    pub fn factor(&self, step: usize) -> f64 {
        if step < self.num_warmup_steps {
            return step as f64 / self.num_warmup_steps.max(1) as f64;
        }
        let after_warmup = self.num_training_steps.saturating_sub(self.num_warmup_steps).max(1) as f64;
        let progress = (step - self.num_warmup_steps) as f64 / after_warmup;
        match self.name {
            ScheduleName::Constant => 1.0,
            ScheduleName::Linear => (1.0 - progress).max(0.0),
            ScheduleName::Cosine => (0.5 * (1.0 + (PI * progress).cos())).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: ScheduleName) -> Schedule {
        Schedule { name, num_warmup_steps: 2, num_training_steps: 10 }
    }

    #[test]
    fn warms_up_from_zero_and_ends_at_zero() {
        for name in [ScheduleName::Linear, ScheduleName::Cosine] {
            let schedule = schedule(name);
            assert_eq!([0, 1, 2].map(|step| schedule.factor(step)), [0.0, 0.5, 1.0]);
            assert!(schedule.factor(10).abs() < 1e-12);
        }
        assert_eq!(schedule(ScheduleName::Linear).factor(6), 0.5);
        assert_eq!(schedule(ScheduleName::Constant).factor(500), 1.0);
    }

    #[test]
    fn a_ratio_is_of_the_training_steps() {
        let config = ScheduleConfig { warmup_ratio: Some(0.1), ..ScheduleConfig::default() };
        assert_eq!(config.resolve(25).unwrap().num_warmup_steps, 3);
        let config = ScheduleConfig { warmup_ratio: Some(1.5), ..ScheduleConfig::default() };
        assert!(config.resolve(25).unwrap_err().to_string().contains("warmup_ratio"));
    }
}
