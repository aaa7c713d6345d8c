use std::fmt;
use std::num::NonZeroUsize;

use tch::{Device, Tensor};

use super::ModelFeatures;
use super::check::is_integer;
use super::chunks::mean_of_rows;
use super::rows::{Rows, mask_of, selected_shape};
use crate::describe::{describe, shape};
use crate::loss::kd::{KdInputs, KdLoss, KdLossConfig};
use crate::loss::{DistillationConfig, KdLossScale, LossError, PluginLosses};
use crate::schedule::temperature::TemperatureScheduler;
use crate::{Distribution, Features, Result, RoleState, StepContext};

/// The loss between the logits of both sides, summed over their lists.
pub struct KdTerm {
    loss: Box<dyn KdLoss>,
    /// The loss as the configuration names it.
    spec: KdLossConfig,
    /// How many rows it is given at a time; `None` for all.
    chunk_rows: Option<NonZeroUsize>,
    scheduler: Box<dyn TemperatureScheduler>,
    temperature: f64,
    scale: f64,
    probability_shift: bool,
}

impl KdTerm {
    /// The KD loss of a configuration.
    pub fn new(config: &DistillationConfig, plugins: &mut dyn PluginLosses) -> Result<Self> {
        if !(config.temperature.is_finite() && config.temperature > 0.0) {
            return Err(LossError::Value {
                key: "distillation.temperature".into(),
                found: config.temperature.to_string(),
                expected: "a number above 0".into(),
            }
            .into());
        }
        let (loss_key, scheduler_key) = ("distillation.kd_loss_type", "distillation.temperature_scheduler");
        Ok(Self {
            loss: config.kd_loss_type.make(|name| plugins.kd_loss(loss_key, name))?,
            spec: config.kd_loss_type.clone(),
            chunk_rows: config.kd_chunk_rows,
            scheduler: config.temperature_scheduler.make(|name| plugins.temperature_scheduler(scheduler_key, name))?,
            temperature: config.temperature,
            scale: match config.kd_loss_scale {
                KdLossScale::None => 1.0,
                KdLossScale::TemperatureSquared => config.temperature * config.temperature,
            },
            probability_shift: config.probability_shift,
        })
    }

    pub(super) fn begin_step(&mut self, context: &StepContext) {
        self.scheduler.begin_step(context);
        self.loss.begin_step(context);
    }

    /// What the loss and the scheduler remember, each with the key that names it.
    pub(super) fn states(&mut self) -> Vec<(String, &mut dyn RoleState)> {
        let loss = self.loss.state().map(|state| ("distillation.kd_loss_type".to_owned(), state));
        let scheduler = self.scheduler.state().map(|state| ("distillation.temperature_scheduler".to_owned(), state));
        loss.into_iter().chain(scheduler).collect()
    }

    /// The sum over pairs of logits, after masks were applied.
    pub fn compute(&mut self, student: &Features, teacher: &Features) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for index in 0..student.logits.len().min(teacher.logits.len()) {
            let Rows { student, teacher, labels } =
                Rows::new(student, teacher, index, self.probability_shift, self.loss.uses_labels())?;
            let temperature = tch::no_grad(|| self.scheduler.temperature(&student, &teacher, self.temperature))?;
            let inputs =
                KdInputs { student: &student, teacher: &teacher, temperature: &temperature, labels: labels.as_ref() };
            let loss = mean_of_rows(self.loss.as_mut(), &inputs, self.chunk_rows)?;
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

    pub(super) fn check(&self, student: &ModelFeatures<'_>, teacher: &ModelFeatures<'_>) -> Result<()> {
        let counts = (student.features.logits.len(), teacher.features.logits.len());
        if counts.0 != counts.1 {
            return Err(student
                .wrong("logits", format!("{} tensors", counts.0), format!("{} as for the teacher", counts.1))
                .into());
        }
        let num_labels = student.features.labels.len();
        if self.probability_shift && num_labels > counts.0 {
            let expected = format!("{}, one for each of `logits`", counts.0);
            return Err(student.wrong("labels", format!("{num_labels} tensors"), expected).into());
        }
        for (index, logits) in student.features.logits.iter().enumerate() {
            let teacher_logits = &teacher.features.logits[index];
            let masks = (mask_of(student.features, index), mask_of(teacher.features, index));
            let is_one_mask = matches!(masks, (Some(student), Some(teacher)) if is_same(student, teacher));
            let shapes = if is_one_mask {
                // What it selects need not be counted.
                (logits.size(), teacher_logits.size())
            } else {
                (selected_shape(logits, masks.0)?, selected_shape(teacher_logits, masks.1)?)
            };
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
            let has_labels = student.features.labels.get(index).is_some();
            if self.probability_shift || (self.loss.uses_labels() && has_labels) {
                self.check_labels(student, index, logits)?;
            }
        }
        Ok(())
    }

    /// Whether what the loss makes of logits is what the models are trained for.
    pub(super) fn check_tasks(&self, student: &ModelFeatures<'_>, teacher: &ModelFeatures<'_>) -> Result<()> {
        if !student.has_logits_of_head() || !teacher.has_logits_of_head() {
            return Ok(());
        }
        let (task, of_head) = (student.task, student.task.distribution());
        if of_head != teacher.task.distribution() {
            return Err(LossError::Tasks {
                side: teacher.label.to_owned(),
                teacher: teacher.task.to_string(),
                student: task.to_string(),
            }
            .into());
        }
        let wrong = |key: &str, found: String, expected: &str| -> Result<()> {
            let key = format!("distillation.{key}");
            let found = format!("{found}, and the student is trained for {task}{}", meaning(of_head));
            Err(LossError::Value { key, found, expected: expected.to_owned() }.into())
        };
        if let Some(of_loss) = self.loss.distribution().filter(|of_loss| Some(*of_loss) != of_head) {
            let expected = match of_head {
                Some(Distribution::Softmax) => "`ce`, `mse`, `reverse_kl`, `js`, `dkd` or a plugin's loss",
                Some(Distribution::Sigmoid) => "`bce`, `mse` or a plugin's loss",
                None => "`mse` or a plugin's loss",
            };
            return wrong("kd_loss_type", format!("`{}` compares {of_loss}", self.spec), expected);
        }
        if let Some(made) = self.scheduler.distribution().filter(|made| Some(*made) != of_head) {
            let found = format!("`{}` reads {made}", self.scheduler.name());
            return wrong("temperature_scheduler", found, "another one, or `none`");
        }
        if self.probability_shift && of_head != Some(Distribution::Softmax) {
            let found = "it makes the label's logit the largest of all".to_owned();
            return wrong("probability_shift", found, "false");
        }
        Ok(())
    }

    fn check_labels(&self, student: &ModelFeatures<'_>, index: usize, logits: &Tensor) -> Result<()> {
        let Some(labels) = student.features.labels.get(index) else {
            return Err(student
                .missing("labels", "probability_shift", "Return the batch's labels, one tensor for each of `logits`.")
                .into());
        };
        if student.task.labels_are_classes() && !is_integer(labels) {
            let expected = "integers, such as int64 of [batch]".into();
            return Err(student.wrong(&format!("labels[{index}]"), describe(labels), expected).into());
        }
        self.check_classes(student, index, labels, logits)?;
        let positions = &logits.size()[..logits.dim() - 1];
        let is_of_outputs = !student.task.labels_are_classes() && labels.size() == logits.size();
        if labels.size() == positions || is_of_outputs {
            return Ok(());
        }
        let selected = selected_shape(logits, mask_of(student.features, index))?;
        if labels.size() != selected[..selected.len() - 1] {
            let expected = match student.task.labels_are_classes() {
                true => format!("int64 {}", shape(positions)),
                false => format!("float32 {}", shape(&logits.size())),
            };
            return Err(student.wrong(&format!("labels[{index}]"), describe(labels), expected).into());
        }
        Ok(())
    }

    /// Whether every label is a class of the logits, where looking is free and where a plugin made them: on a GPU a class that
    /// is not there ends in an assertion after which the process can use the device no more.
    fn check_classes(&self, student: &ModelFeatures<'_>, index: usize, labels: &Tensor, logits: &Tensor) -> Result<()> {
        let classes = logits.size().last().copied().unwrap_or(0);
        let is_looked_at = student.is_plugin || labels.device() == Device::Cpu;
        if !is_looked_at || !student.task.labels_are_classes() || labels.numel() == 0 {
            return Ok(());
        }
        let found = labels.f_max()?.f_int64_value(&[])?;
        if found < classes {
            return Ok(());
        }
        let expected = format!("0 to {}, and less than 0 for no label", classes - 1);
        Err(student.wrong(&format!("labels[{index}]"), format!("with the class {found}"), expected).into())
    }
}

impl fmt::Display for KdTerm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, temperature {}", self.spec, self.temperature)?;
        if self.scheduler.name() != "constant" {
            write!(formatter, " by {}", self.scheduler.name())?;
        }
        if self.scale != 1.0 {
            write!(formatter, ", times {}", self.scale)?;
        }
        if self.probability_shift {
            formatter.write_str(", shifted to the labels")?;
        }
        if let Some(rows) = self.chunk_rows {
            write!(formatter, ", in chunks of {rows} rows")?;
        }
        Ok(())
    }
}

/// What a head's logits mean, as a clause.
fn meaning(of_head: Option<Distribution>) -> &'static str {
    match of_head {
        Some(Distribution::Softmax) => ", where exactly one class holds",
        Some(Distribution::Sigmoid) => ", where each class holds or not",
        None => ", whose outputs are no scores of classes",
    }
}

/// Whether two tensors share their elements.
fn is_same(left: &Tensor, right: &Tensor) -> bool {
    left.data_ptr() == right.data_ptr() && left.size() == right.size() && left.stride() == right.stride()
}
