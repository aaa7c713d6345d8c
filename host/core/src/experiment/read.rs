use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{DistillerName, Experiment, ExperimentError, HeadsSpec, overrides, textbrewer};
use crate::data::DataConfig;
use crate::names::nearest;
use crate::{Result, json};

impl Experiment {
    /// Reads an experiment from a JSON or TOML file, sets the keys of `overrides` (`key.path=value`) and makes its
    /// paths absolute.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let text =
            fs::read_to_string(path).map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        Self::from_text(path, &text, overrides)
    }

    /// The same of a text that is in memory. Its paths are relative to where `path` would lie, by whose ending it is JSON
    /// or TOML.
    pub fn from_text(path: &Path, text: &str, overrides: &[String]) -> Result<Self> {
        let mut value = parse(path, text)?;
        overrides::apply_all(&mut value, overrides)?;
        Self::from_value(path, value)
    }

    fn from_value(path: &Path, mut value: Value) -> Result<Self> {
        textbrewer::remove_inert_keys(&mut value).map_err(|(key, message)| ExperimentError::Key {
            path: path.to_owned(),
            key,
            message,
        })?;
        let mut experiment: Self = from_json(value).map_err(|KeyError { key, message }| ExperimentError::Key {
            path: path.to_owned(),
            key,
            message,
        })?;
        // Of the whole file: the parent of `experiment.json` is an empty path, which cannot be made absolute.
        let file =
            std::path::absolute(path).map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        let folder = file.parent().unwrap_or(&file);
        for (.., path) in experiment.paths_mut() {
            *path = normalised(&folder.join(&*path));
            check_path(path)?;
        }
        experiment.check()?;
        Ok(experiment)
    }

    /// Whether the keys fit together.
    fn check(&self) -> Result<()> {
        let wrong = |key, message: &str| ExperimentError::Combination { key, message: message.to_owned() };
        let student = &self.student;
        let sources = [student.model.is_some(), student.config.is_some(), student.init.is_some()];
        if sources.iter().filter(|is_given| **is_given).count() != 1 {
            return Err(wrong("student", "exactly one of `model`, `config` and `init` is needed").into());
        }
        self.check_teachers()?;
        self.check_caches()?;
        self.check_tasks()?;
        if student.init.is_some() && (student.architecture.is_some() || student.labels.is_some()) {
            return Err(wrong(
                "student",
                "with `init` the class and the labels are those of the model it is made from",
            )
            .into());
        }
        if self.teacher.is_none()
            && self.teachers.is_empty()
            && student.init.as_ref().is_some_and(|init| init.is_from_teacher())
        {
            return Err(wrong("student.init.from", "there is no teacher; name a model's folder").into());
        }
        self.optimizer.check("optimizer")?;
        self.training.check()?;
        self.check_plugins()
    }

    /// Whether each teacher's cache has a folder of its own.
    fn check_caches(&self) -> Result<()> {
        let mut seen: Vec<&Path> = vec![];
        for cache in self.teachers().filter_map(|teacher| teacher.cache.as_ref()) {
            if seen.contains(&cache.path.as_path()) {
                let message = format!("{} is the cache of two teachers; name a folder for each", cache.path.display());
                return Err(ExperimentError::Combination { key: "teacher.cache.path", message }.into());
            }
            seen.push(&cache.path);
        }
        Ok(())
    }

    /// Whether there are tasks where the distiller has use for them.
    fn check_tasks(&self) -> Result<()> {
        let is_multi_task = self.distiller == DistillerName::MultiTask;
        let (key, message) = if is_multi_task && self.tasks.is_empty() {
            ("tasks", r#"missing; describe each with "tasks": { "NAME": { "teacher": …, "data": … } }"#)
        } else if !is_multi_task && !self.tasks.is_empty() {
            ("tasks", r#"several tasks need "distiller": "multi_task""#)
        } else if is_multi_task && self.data != DataConfig::default() {
            ("data", "each task has its own; remove this one")
        } else if is_multi_task && self.training.num_steps.is_none() {
            ("training.num_steps", "missing; the data of several tasks has no common epochs")
        } else if !is_multi_task && self.student.heads == HeadsSpec::ByTask {
            ("student.heads", r#""by_task" is for the tasks of "distiller": "multi_task"; remove it"#)
        } else {
            return self.check_task_names();
        };
        Err(ExperimentError::Combination { key, message: message.to_owned() }.into())
    }

    /// Whether a folder can have the name of each task that has a head of its own.
    fn check_task_names(&self) -> Result<()> {
        let is_in_a_name = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
        let is_name = |name: &str| !name.is_empty() && name.chars().all(is_in_a_name);
        match self.tasks.keys().find(|name| !is_name(name)) {
            Some(name) if self.student.heads == HeadsSpec::ByTask => {
                let message = format!(
                    "the task {name:?} gets a folder of its name; with \"heads\": \"by_task\" a name is of letters, digits, \
                     `-` and `_`"
                );
                Err(ExperimentError::Combination { key: "tasks", message }.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether there are as many teachers as the distiller has use for.
    fn check_teachers(&self) -> Result<()> {
        let (key, message) = match (self.distiller, &self.teacher, self.teachers.as_slice()) {
            (DistillerName::Trainer, None, []) => return Ok(()),
            (DistillerName::Trainer, ..) => {
                ("teacher", r#"`"distiller": "trainer"` trains the student alone; remove the teacher"#)
            }
            (DistillerName::MultiTeacher, None, [_, ..]) => return Ok(()),
            (DistillerName::MultiTeacher, ..) => (
                "teachers",
                r#"name the folders with "teachers": [{ "model": … }, { "model": … }] in place of `teacher`"#,
            ),
            (DistillerName::MultiTask, None, []) => return Ok(()),
            (DistillerName::MultiTask, ..) => ("teacher", "each task has its own; remove this one"),
            (_, Some(_), []) => return Ok(()),
            (_, _, [_, ..]) => ("teachers", r#"several teachers need "distiller": "multi_teacher""#),
            (_, None, []) => ("teacher", r#"missing; name its folder with "teacher": { "model": … }"#),
        };
        Err(ExperimentError::Combination { key, message: message.to_owned() }.into())
    }
}

fn parse(path: &Path, text: &str) -> Result<Value> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    let (format, parsed) = if is_toml {
        ("TOML", toml::from_str(text).map_err(|error| toml_message(text, &error)))
    } else {
        ("JSON", json::parse(text.as_bytes()).map_err(|error| error.to_string()))
    };
    Ok(parsed.map_err(|message| ExperimentError::Syntax { path: path.to_owned(), format, message })?)
}

/// What is wrong with a TOML text, on one line as for JSON; the error's own form shows the place in a drawing.
fn toml_message(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', ", ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return message };
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    format!("{message} at line {line} column {}", before[line_start..].chars().count() + 1)
}

/// What is wrong with a key: which one, from the value that was read on (`training.num_epochs`; empty or `.` for the
/// value itself), and a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    /// Which key, from the value that was read on.
    pub key: String,
    /// What is wrong with it, and what was expected.
    pub message: String,
}

/// Reads a part of an experiment whose keys are not all known to this crate, with the same messages as the rest.
pub fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, KeyError> {
    serde_path_to_error::deserialize(value).map_err(|error| KeyError {
        key: error.path().to_string(),
        message: with_nearest_key(&error.inner().to_string()),
    })
}

/// Adds the nearest known key to serde's message of an unknown one, which lists all known ones in backticks.
fn with_nearest_key(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    match (is_unknown, quoted.next()) {
        (true, Some(name)) => {
            let known: Vec<&str> = quoted.collect();
            let what = if message.starts_with("unknown field") { "key" } else { "value" };
            format!("unknown {what} `{name}`{}; known are {}", nearest(name, &known), known.join(", "))
        }
        _ => json::in_plain_words(message),
    }
}

/// Whether a path can stand in an experiment: the record of a run is JSON, which holds text only.
pub fn check_path(path: &Path) -> Result<(), ExperimentError> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(ExperimentError::Path { path: path.to_owned() }),
    }
}

/// The path without its `.` parts.
fn normalised(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != std::path::Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Experiment, String> {
        Experiment::from_value(Path::new("/runs/experiment.json"), value).map_err(|error| error.to_string())
    }

    fn minimal() -> Value {
        json!({
            "teacher": { "model": "models/teacher" },
            "student": { "init": { "from": "teacher", "layers": [0, 5] } },
            "data": { "train": "train.jsonl" },
            "training": { "num_epochs": 1 }
        })
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let experiment = read(minimal()).unwrap();
        assert_eq!(experiment.teacher.unwrap().model, Path::new("/runs/models/teacher"));
        assert_eq!(experiment.training.output_dir, Path::new("/runs/saved_models"));
        assert_eq!(experiment.student.init.unwrap().from, Path::new("teacher"));
    }

    #[test]
    fn the_resolved_experiment_reads_as_itself() {
        let experiment = read(minimal()).unwrap();
        let again = read(serde_json::from_str(&experiment.to_json()).unwrap()).unwrap();
        assert_eq!(again, experiment);
    }

    #[test]
    fn an_unknown_key_names_its_place_and_the_nearest_known_one() {
        let mut value = minimal();
        value["distillation"] = json!({ "temprature": 8 });
        let error = read(value).unwrap_err();
        assert!(error.contains("distillation"), "{error}");
        assert!(error.contains("unknown key `temprature` (did you mean `temperature`?)"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key() {
        let mut value = minimal();
        value["training"]["num_epochs"] = json!("three");
        let error = read(value).unwrap_err();
        assert!(error.contains("training.num_epochs: ") && error.contains("three"), "{error}");
    }

    #[test]
    fn a_textbrewer_configuration_can_be_pasted_in() {
        let mut value = minimal();
        value["training"] = json!({
            "gradient_accumulation_steps": 1, "ckpt_frequency": 1, "ckpt_epoch_frequency": 1, "ckpt_steps": null,
            "log_dir": null, "output_dir": "./saved_models", "device": "cuda", "fp16": false, "fp16_opt_level": "O1",
            "data_parallel": false, "local_rank": -1, "num_epochs": 2
        });
        value["distillation"] = json!({
            "temperature": 8, "temperature_scheduler": ["flsw", 1, 2], "hard_label_weight_scheduler": "none",
            "is_caching_logits": false, "kd_loss_weight_scheduler": "linear_decay",
            "intermediate_matches": [
                { "layer_T": [0, 0], "layer_S": [0, 0], "feature": "hidden", "loss": "nst", "weight": 1 },
                { "layer_T": 8, "layer_S": 2, "feature": "hidden", "loss": "hidden_mse", "weight": 1,
                  "proj": ["linear", 384, 768, { "lr": 0.001 }] }
            ]
        });
        read(value.clone()).unwrap();
        value["training"]["fp16"] = json!(true);
        assert!(read(value).unwrap_err().contains("training.fp16: true is not supported"));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        type Change = fn(&mut Value);
        let changes: [(Change, &str); 4] = [
            (|value| value["student"] = json!({}), "student: exactly one of"),
            (|value| value["distiller"] = json!("trainer"), "teacher: "),
            (|value| value["teacher"] = Value::Null, "teacher: missing"),
            (|value| value["training"] = json!({}), "num_epochs"),
        ];
        for (change, expected) in changes {
            let mut value = minimal();
            change(&mut value);
            let error = read(value).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
