use std::fmt;

use tch::{Device, Kind, Tensor};

use super::ModelFeatures;
use super::check::is_integer;
use crate::describe::{describe, shape};
use crate::loss::plugins::{make_kd_loss, make_temperature_scheduler};
use crate::loss::{
    DistillationConfig, KdInputs, KdLoss, KdLossScale, LossError, NameAndParameters, PluginLosses, probability_shift,
    select_logits,
};
use crate::temperature::TemperatureScheduler;
use crate::{Distribution, Features, Result, RoleState, StepContext};

/// The loss between the logits of both sides, summed over their lists.
pub struct KdTerm {
    loss: Box<dyn KdLoss>,
    /// The loss as the configuration names it.
    spec: NameAndParameters,
    scheduler: Box<dyn TemperatureScheduler>,
    temperature: f64,
    scale: f64,
    probability_shift: bool,
}

impl KdTerm {
    pub fn new(config: &DistillationConfig, plugins: &mut dyn PluginLosses) -> Result<Self> {
        if !(config.temperature.is_finite() && config.temperature > 0.0) {
            return Err(LossError::Value {
                key: "distillation.temperature".into(),
                found: config.temperature.to_string(),
                expected: "a number above 0".into(),
            }
            .into());
        }
        Ok(Self {
            loss: make_kd_loss(&config.kd_loss_type, plugins)?,
            spec: config.kd_loss_type.clone(),
            scheduler: make_temperature_scheduler(&config.temperature_scheduler, plugins)?,
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
    pub fn compute(&self, student: &Features, teacher: &Features) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (index, (student_logits, teacher_logits)) in student.logits.iter().zip(&teacher.logits).enumerate() {
            let student_logits = self.selected(student, index, student_logits, None)?;
            let labels = if self.probability_shift { student.labels.get(index) } else { None };
            let teacher_logits = self.selected(teacher, index, teacher_logits, labels)?;
            let temperature =
                tch::no_grad(|| self.scheduler.temperature(&student_logits, &teacher_logits, self.temperature))?;
            let labels = self.labels_of_rows(student, index, &student_logits)?;
            let loss = self.loss.loss(&KdInputs {
                student: &student_logits,
                teacher: &teacher_logits,
                temperature: &temperature,
                labels: labels.as_ref(),
            })?;
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

    /// The labels of the logits' rows, for a loss that uses them.
    fn labels_of_rows(&self, student: &Features, index: usize, rows: &Tensor) -> Result<Option<Tensor>> {
        let Some(labels) = student.labels.get(index).filter(|_| self.loss.uses_labels()) else { return Ok(None) };
        let is_selected = labels.size() == rows.size()[..rows.dim() - 1] || labels.size() == rows.size();
        Ok(Some(match mask_of(student, index).filter(|_| !is_selected) {
            Some(mask) => select_logits(&labels.f_unsqueeze(-1)?, mask)?.f_squeeze_dim(-1)?,
            None => labels.shallow_clone(),
        }))
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

/// The shape of what a mask selects of the logits, without selecting it.
fn selected_shape(logits: &Tensor, mask: Option<&Tensor>) -> Result<Vec<i64>> {
    let shape = logits.size();
    match (shape.as_slice(), mask) {
        (&[_, _, classes], Some(mask)) => Ok(vec![mask.f_ne(0)?.f_sum(Kind::Int64)?.f_int64_value(&[])?, classes]),
        (_, _) => Ok(shape),
    }
}

/// Whether two tensors share their elements.
fn is_same(left: &Tensor, right: &Tensor) -> bool {
    left.data_ptr() == right.data_ptr() && left.size() == right.size() && left.stride() == right.stride()
}

/// The mask of the logits at `index`: its own, or the only one.
fn mask_of(features: &Features, index: usize) -> Option<&Tensor> {
    match features.logits_mask.as_slice() {
        [mask] => Some(mask),
        masks => masks.get(index),
    }
}
