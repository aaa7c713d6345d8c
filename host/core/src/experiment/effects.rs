//! Keys without effect are refused: whoever writes one expects something of it.

use super::{DistillerName, Experiment, ExperimentError, HeadsSpec, PluginSpecs};
use crate::data::DataConfig;
use crate::loss::DistillationConfig;
use crate::train::ScheduleName;

impl Experiment {
    /// Whether every key that differs from its default has an effect beside the others; plugins are checked apart.
    ///
    /// # Errors
    /// The first key that has none, and why.
    pub fn check_effects(&self) -> Result<(), ExperimentError> {
        self.check_effects_of_training()?;
        self.check_effects_of_schedule()?;
        check_data("data", &self.data)?;
        for (name, task) in &self.tasks {
            check_data(&format!("tasks.{name}.data"), &task.data)?;
        }
        self.check_effects_of_student()?;
        self.check_effects_of_distillation()?;
        self.check_effects_of_skipping()
    }

    fn check_effects_of_training(&self) -> Result<(), ExperimentError> {
        let training = &self.training;
        let (key, reason) = if training.num_steps.is_some() {
            if training.num_epochs.is_some() {
                ("num_epochs", "beside `num_steps`; remove one of the two")
            } else if training.ckpt_frequency != 1 {
                ("ckpt_frequency", "in a run of `num_steps`; name the steps between checkpoints in `ckpt_steps`")
            } else if training.ckpt_epoch_frequency != 1 {
                ("ckpt_epoch_frequency", "in a run of `num_steps`; name the steps between checkpoints in `ckpt_steps`")
            } else {
                return self.check_tau();
            }
        } else if training.ckpt_steps.is_some() {
            ("ckpt_steps", "in a run of `num_epochs`; use `ckpt_frequency`, the checkpoints in an epoch")
        } else {
            return self.check_tau();
        };
        no_effect(format!("training.{key}"), reason)
    }

    fn check_tau(&self) -> Result<(), ExperimentError> {
        if self.training.tau != 1.0 && self.distiller != DistillerName::MultiTask {
            return no_effect("training.tau", r#"without "distiller": "multi_task"; remove it"#);
        }
        Ok(())
    }

    fn check_effects_of_schedule(&self) -> Result<(), ExperimentError> {
        let schedule = &self.schedule;
        let is_used = schedule.name != ScheduleName::Constant || schedule.warmup_ratio.is_some();
        if schedule.num_training_steps.is_some() && !is_used {
            return no_effect("schedule.num_training_steps", "on the constant schedule; remove it, or name another");
        }
        Ok(())
    }

    fn check_effects_of_student(&self) -> Result<(), ExperimentError> {
        let student = &self.student;
        let keys =
            [("student.architecture", student.architecture.is_some()), ("student.labels", student.labels.is_some())];
        match keys.iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) if student.heads == HeadsSpec::ByTask => no_effect(
                *key,
                r#"with "heads": "by_task": each head is for what its task's teacher predicts; remove it"#,
            ),
            _ => Ok(()),
        }
    }

    fn check_effects_of_distillation(&self) -> Result<(), ExperimentError> {
        let config = &self.distillation;
        if self.distiller == DistillerName::Trainer
            && let Some(key) = config.first_change(&DistillationConfig::default())
        {
            return no_effect(format!("distillation.{key}"), r#"with "distiller": "trainer"; remove it"#);
        }
        if config.is_caching_logits && self.teachers().all(|teacher| teacher.cache.is_some()) {
            let reason = "where every teacher has a `cache` of its own; remove one of the two";
            return no_effect("distillation.is_caching_logits", reason);
        }
        Ok(())
    }

    fn check_effects_of_skipping(&self) -> Result<(), ExperimentError> {
        let in_task = self.tasks.iter().find(|(_, task)| task.plugins.skip_batches > 0);
        if let Some((name, _)) = in_task {
            let reason = "in a task; move it to the `plugins` of the run";
            return no_effect(format!("tasks.{name}.plugins.skip_batches"), reason);
        }
        let see_batches = |plugins: &PluginSpecs| {
            let named = plugins.losses.len() + plugins.schedulers.len();
            plugins.adaptor.is_some() || plugins.batch_postprocessor.is_some() || named > 0
        };
        let any = see_batches(&self.plugins)
            || self.tasks.values().any(|task| see_batches(&task.plugins))
            || self.teachers().any(|teacher| teacher.adaptor.is_some())
            || self.student.adaptor.is_some();
        if self.plugins.skip_batches > 0 && !any {
            return no_effect("plugins.skip_batches", "without a plugin that sees batches; remove it");
        }
        Ok(())
    }
}

fn check_data(key: &str, data: &DataConfig) -> Result<(), ExperimentError> {
    let in_file_order = r#"with "shuffle": false; remove one of the two"#;
    if data.group_by_length && !data.shuffle {
        return no_effect(format!("{key}.group_by_length"), in_file_order);
    }
    if data.seed.is_some() && !data.shuffle {
        return no_effect(format!("{key}.seed"), in_file_order);
    }
    Ok(())
}

fn no_effect<T>(key: impl Into<String>, reason: &str) -> Result<T, ExperimentError> {
    Err(ExperimentError::NoEffect { key: key.into(), reason: reason.to_owned() })
}
