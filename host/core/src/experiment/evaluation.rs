//! Whether the splits that are evaluated on, the metric that says which student is the best, and what is saved fit together.

use std::collections::BTreeMap;

use super::{Experiment, ExperimentError};
use crate::data::DataConfig;
use crate::train::is_reserved;

impl Experiment {
    /// The data of each task; those of a run of one task have no name.
    pub fn data_by_task(&self) -> Vec<(Option<&str>, &DataConfig)> {
        if self.tasks.is_empty() {
            return vec![(None, &self.data)];
        }
        self.tasks.iter().map(|(name, task)| (Some(name.as_str()), &task.data)).collect()
    }

    pub(super) fn check_evaluation(&self) -> Result<(), ExperimentError> {
        let wrong = |key, message: &str| Err(ExperimentError::Combination { key, message: message.to_owned() });
        let no_effect =
            |key: &str, reason: &str| Err(ExperimentError::NoEffect { key: key.to_owned(), reason: reason.to_owned() });
        self.check_splits()?;
        let has_data = self.data_by_task().iter().any(|(_, data)| data.splits().next().is_some());
        let evaluation = &self.evaluation;
        if evaluation.every == Some(0) {
            return wrong("evaluation.every", "0 optimizer steps between evaluations; expected at least 1");
        }
        if evaluation.every.is_some() && !has_data {
            return no_effect("evaluation.every", "without data to evaluate on; name them in `data.eval`");
        }
        if evaluation.best.is_some() && !has_data {
            return wrong("evaluation.best", "there are no data to evaluate on; name them in `data.eval`");
        }
        let save = &self.training.save;
        for (key, count) in [("training.save.keep_last", save.keep_last), ("training.save.keep_best", save.keep_best)] {
            if count == Some(0) {
                let message = "0 checkpoints would be kept; expected at least 1, or leave the key out to keep all";
                return wrong(key, message);
            }
        }
        if save.keep_best.is_some() && evaluation.best.is_none() {
            return wrong(
                "training.save.keep_best",
                r#"which checkpoints are the best is not known; name a metric with "evaluation": { "best": "dev_loss" }"#,
            );
        }
        Ok(())
    }

    /// Whether each split has a name that no other has, and that makes good names of numbers.
    fn check_splits(&self) -> Result<(), ExperimentError> {
        let is_in_a_name = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
        let mut keys: BTreeMap<String, String> = BTreeMap::new();
        for (task, data) in self.data_by_task() {
            let key_of = |split: &str| match task {
                Some(task) => format!("tasks.{task}.data.{split}"),
                None => format!("data.{split}"),
            };
            if data.dev.is_some() && data.eval.contains_key("dev") {
                let message =
                    format!("`{}` and `{}` both name the split `dev`; remove one", key_of("dev"), key_of("eval.dev"));
                return Err(ExperimentError::Combination { key: "data.eval", message });
            }
            let all = data.splits().map(|(name, _)| name).chain(["train"]);
            for split in all {
                let key = key_of(split);
                if split.is_empty() || !split.chars().all(is_in_a_name) {
                    let message = format!("the name {split:?} of a split; expected letters, digits, `-` and `_`");
                    return Err(ExperimentError::Combination { key: "data.eval", message });
                }
                let name = split_name(task, split);
                if is_reserved(&format!("{name}_loss")) {
                    let message = format!("`{name}_loss` would be taken for a loss of the training; rename the split");
                    return Err(ExperimentError::Combination { key: "data.eval", message });
                }
                if let Some(other) = keys.insert(name.clone(), key.clone()) {
                    let message = format!("{key} and {other} would both be reported as `{name}`; rename one");
                    return Err(ExperimentError::Combination { key: "data.eval", message });
                }
            }
        }
        Ok(())
    }
}

/// What a split is called in reports: `dev`, and with several tasks `TASK_dev`.
pub fn split_name(task: Option<&str>, split: &str) -> String {
    task.map_or(split.to_owned(), |task| format!("{task}_{split}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    fn problem(change: Value) -> String {
        let mut experiment = json!({
            "distiller": "trainer",
            "student": { "model": "student" },
            "data": { "train": "train.jsonl" },
            "training": { "num_epochs": 1 }
        });
        for (key, value) in change.as_object().unwrap() {
            let keys = experiment.as_object_mut().unwrap().entry(key).or_insert(json!({})).as_object_mut().unwrap();
            keys.extend(value.as_object().unwrap().clone());
        }
        let read = Experiment::from_text(Path::new("/runs/experiment.json"), &experiment.to_string(), &[]);
        read.map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let best = json!({ "best": "dev_loss" });
        for (change, expected) in [
            (json!({ "data": { "eval": { "a": "a", "b": "b" } }, "evaluation": { "best": "a_loss", "every": 2 } }), ""),
            (json!({ "data": { "dev": "a", "eval": { "dev": "b" } } }), "`data.dev` and `data.eval.dev` both name"),
            (json!({ "data": { "eval": { "train": "b" } } }), "would both be reported as `train`"),
            (json!({ "data": { "eval": { "total": "b" } } }), "`total_loss` would be taken for a loss of the training"),
            (json!({ "data": { "eval": { "a b": "b" } } }), "data.eval: the name \"a b\" of a split"),
            (json!({ "evaluation": best }), "evaluation.best: there are no data to evaluate on"),
            (json!({ "evaluation": { "every": 5 } }), "evaluation.every has no effect without data"),
            (json!({ "data": { "dev": "a" }, "evaluation": { "every": 0 } }), "evaluation.every: 0 optimizer steps"),
            (json!({ "training": { "save": { "keep_last": 0 } } }), "training.save.keep_last: 0 checkpoints"),
            (json!({ "training": { "save": { "keep_best": 1 } } }), "training.save.keep_best: which checkpoints are"),
        ] {
            let found = problem(change.clone());
            assert!(if expected.is_empty() { found.is_empty() } else { found.contains(expected) }, "{change}: {found}");
        }
    }

    #[test]
    fn names_that_meet_across_tasks_are_refused() {
        let task =
            |split: &str| json!({ "teacher": { "model": "t" }, "data": { "train": "t", "eval": { split: "e" } } });
        let experiment = json!({
            "distiller": "multi_task",
            "student": { "model": "student" },
            "tasks": { "a": task("b_c"), "a_b": task("c") },
            "training": { "num_steps": 1 }
        });
        let read = Experiment::from_text(Path::new("/runs/experiment.json"), &experiment.to_string(), &[]);
        let found = read.unwrap_err().to_string();
        assert!(found.contains("tasks.a_b.data.c and tasks.a.data.b_c would both be reported as `a_b_c`"), "{found}");
    }
}
