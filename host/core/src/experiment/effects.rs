//! Keys without effect are refused: whoever writes one expects something of it.

use std::path::PathBuf;

use super::{DistillerName, Experiment, ExperimentError, PluginSpec, TaskSpec};
use crate::data::DataConfig;
use crate::loss::DistillationConfig;
use crate::train::ScheduleName;

const PREFIX: &str = "plugin:";

impl Experiment {
    /// Whether every key that differs from its default has an effect beside the others.
    ///
    /// # Errors
    /// The first key that has none, and why.
    pub fn check_effects(&self) -> Result<(), ExperimentError> {
        self.check_effects_of_training()?;
        self.check_effects_of_schedule()?;
        check_data("data", &self.data)?;
        for (name, task) in &self.tasks {
            check_data(&format!("tasks.{name}.data"), &task.data)?;
            check_task_plugins(name, task)?;
        }
        self.check_effects_of_distillation()?;
        self.check_effects_of_adaptors()?;
        self.check_effects_of_plugins()
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

    /// Whether each adaptor and each post-processor is some model's: the nearest one counts.
    fn check_effects_of_adaptors(&self) -> Result<(), ExperimentError> {
        let of_all_tasks = |has: fn(&TaskSpec) -> bool| !self.tasks.is_empty() && self.tasks.values().all(has);
        let tasks_have_own = of_all_tasks(|task| task.plugins.adaptor.is_some());
        if self.student.adaptor.is_some() && tasks_have_own {
            return no_effect("student.adaptor", "where every task has an adaptor of its own; remove it");
        }
        let student_has_own = self.student.adaptor.is_some() || tasks_have_own;
        let teachers_have_own = tasks_have_own || self.teachers().all(|teacher| teacher.adaptor.is_some());
        if self.plugins.adaptor.is_some() && student_has_own && teachers_have_own {
            return no_effect("plugins.adaptor", "where teacher and student have adaptors of their own; remove it");
        }
        let tasks_have_own = of_all_tasks(|task| task.plugins.batch_postprocessor.is_some());
        if self.plugins.batch_postprocessor.is_some() && tasks_have_own {
            return no_effect("plugins.batch_postprocessor", "where every task has one of its own; remove it");
        }
        Ok(())
    }

    fn check_effects_of_plugins(&self) -> Result<(), ExperimentError> {
        let plugins = &self.plugins;
        let of_batches = self.of_batches();
        if plugins.skip_batches > 0 && of_batches.is_empty() {
            return no_effect("plugins.skip_batches", "without a plugin that sees batches; remove it");
        }
        let is_there = |name: &str| plugins.losses.contains_key(name) || plugins.schedulers.contains_key(name);
        if !self.called().all(is_there) {
            // A name is mistyped, which is said where the plugin is looked up.
            return Ok(());
        }
        // A component may have several roles of which an experiment uses one.
        let mut used: Vec<&PathBuf> = of_batches.into_iter().chain(&plugins.callbacks).map(|spec| &spec.path).collect();
        let named = plugins.losses.iter().chain(&plugins.schedulers);
        used.extend(named.filter(|(name, _)| self.calls(name)).map(|(_, spec)| &spec.path));
        for (list, specs, place) in [
            ("losses", &plugins.losses, "`kd_loss_type` or the `loss` of a match"),
            ("schedulers", &plugins.schedulers, "`temperature_scheduler` or `kd_loss_weight_scheduler`"),
        ] {
            let unused = specs.iter().find(|(name, spec)| !self.calls(name) && !used.contains(&&spec.path));
            if let Some((name, _)) = unused {
                let reason =
                    format!("because nothing calls it; name it as \"{PREFIX}{name}\" in {place}, or remove it");
                return no_effect(format!("plugins.{list}.{name}"), &reason);
            }
        }
        Ok(())
    }

    /// The plugins that may fail on a batch.
    fn of_batches(&self) -> Vec<&PluginSpec> {
        let all = [&self.plugins].into_iter().chain(self.tasks.values().map(|task| &task.plugins));
        let mut specs: Vec<&PluginSpec> =
            all.flat_map(|plugins| plugins.adaptor.iter().chain(&plugins.batch_postprocessor)).collect();
        specs.extend(self.teachers().filter_map(|teacher| teacher.adaptor.as_ref()));
        specs.extend(&self.student.adaptor);
        let named = self.plugins.losses.iter().chain(&self.plugins.schedulers);
        specs.extend(named.filter(|(name, _)| self.calls(name)).map(|(_, spec)| spec));
        specs
    }

    /// The losses and schedulers of plugins that the distillation names.
    fn called(&self) -> impl Iterator<Item = &str> {
        let config = &self.distillation;
        let of_matches = config.intermediate_matches.iter().map(|one| one.loss.name());
        let of_matches = of_matches.chain(config.custom_matches.iter().map(|one| one.loss.name()));
        let all = of_matches.chain([
            config.kd_loss_type.name(),
            config.temperature_scheduler.name(),
            config.kd_loss_weight_scheduler.as_str(),
            config.hard_label_weight_scheduler.as_str(),
        ]);
        all.filter_map(|name| name.strip_prefix(PREFIX))
    }

    fn calls(&self, name: &str) -> bool {
        self.called().any(|called| called == name)
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

/// A task has an adaptor and a post-processor of its own; everything else is the run's.
fn check_task_plugins(name: &str, task: &TaskSpec) -> Result<(), ExperimentError> {
    let plugins = &task.plugins;
    let given = [
        ("callbacks", !plugins.callbacks.is_empty()),
        ("losses", !plugins.losses.is_empty()),
        ("schedulers", !plugins.schedulers.is_empty()),
        ("skip_batches", plugins.skip_batches > 0),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((key, _)) => {
            no_effect(format!("tasks.{name}.plugins.{key}"), "in a task; move it to the `plugins` of the run")
        }
        None => Ok(()),
    }
}

fn no_effect<T>(key: impl Into<String>, reason: &str) -> Result<T, ExperimentError> {
    Err(ExperimentError::NoEffect { key: key.into(), reason: reason.to_owned() })
}
