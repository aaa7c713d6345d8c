use serde_json::{Map, Value};

use super::{ExperimentError, KeyError, from_json};
use crate::data::DataConfig;
use crate::json;

/// Sets the keys of `--set`, in order. `num_epochs` and `num_steps` are two ways to say one thing: the one that is set
/// takes the place of the one in the file.
pub(super) fn apply_all(experiment: &mut Value, arguments: &[String]) -> Result<(), ExperimentError> {
    for argument in arguments {
        apply(experiment, argument)?;
    }
    let sets = |length: &str| {
        let key = arguments
            .iter()
            .filter_map(|argument| argument.split_once('='))
            .rfind(|(key, _)| key.strip_prefix("training.").is_some_and(|key| key == length));
        key.is_some_and(|(_, value)| value != "null")
    };
    for (set, other) in [("num_steps", "num_epochs"), ("num_epochs", "num_steps")] {
        if sets(set)
            && !sets(other)
            && let Some(training) = experiment.get_mut("training").and_then(Value::as_object_mut)
        {
            training.shift_remove(other);
        }
    }
    Ok(())
}

/// How data is read where there is no experiment file: the keys of `data` that `--set` names. Paths are relative to the
/// current folder.
///
/// # Errors
/// A key that is not the data's, or that an evaluation does not read.
pub fn data_from(arguments: &[String]) -> Result<DataConfig, ExperimentError> {
    const READ: [&str; 7] = ["dev", "eval", "text", "label", "max_length", "batch_size", "eval_batch_size"];
    let mut value = serde_json::json!({ "data": {} });
    for argument in arguments {
        let wrong = |message| ExperimentError::Override { argument: argument.clone(), message };
        let key = argument.split('=').next().unwrap_or_default();
        let Some(key) = key.strip_prefix("data.") else {
            let message =
                "without an experiment file only keys of `data` can be set; name the file with --config".into();
            return Err(wrong(message));
        };
        if ["train", "shuffle", "group_by_length", "seed"].contains(&key) {
            return Err(wrong(format!("`{key}` has no effect on an evaluation; it reads {}", READ.join(", "))));
        }
        apply(&mut value, argument)?;
    }
    let read = from_json(value["data"].take());
    read.map_err(|KeyError { key, message }| ExperimentError::Override { argument: format!("data.{key}"), message })
}

/// Sets one key of the experiment from an argument `key.path=value`. The value is JSON, or else a string.
fn apply(experiment: &mut Value, argument: &str) -> Result<(), ExperimentError> {
    let error =
        |message: &str| ExperimentError::Override { argument: argument.to_owned(), message: message.to_owned() };
    let (key, value) = argument.split_once('=').ok_or_else(|| error("expected KEY=VALUE"))?;
    let value = match json::parse(value.as_bytes()) {
        Ok(value) => value,
        // No text begins like this; one that is meant is written in quotes.
        Err(problem) if value.trim_start().starts_with(['{', '[']) => {
            return Err(error(&format!("the value is broken JSON: {problem}")));
        }
        Err(_) => Value::String(value.to_owned()),
    };
    let mut place = experiment;
    for part in key.split('.') {
        if part.is_empty() {
            return Err(error("the key has an empty part"));
        }
        place = match place {
            Value::Array(items) => {
                let index = part.parse::<usize>().ok();
                index
                    .and_then(|index| items.get_mut(index))
                    .ok_or_else(|| error(&format!("the list has no item {part}")))?
            }
            other => {
                if other.is_null() {
                    *other = Value::Object(Map::new());
                }
                let object =
                    other.as_object_mut().ok_or_else(|| error(&format!("there is no object to hold `{part}`")))?;
                object.entry(part).or_insert(Value::Null)
            }
        };
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_json_or_strings_and_missing_objects_are_made() {
        let mut value = json!({ "training": { "num_epochs": 3 }, "list": [{ "a": 1 }] });
        for argument in ["training.num_epochs=1", "schedule.name=linear", "list.0.a=[1, 2]", "data.train=a=b"] {
            apply(&mut value, argument).unwrap();
        }
        assert_eq!(
            value,
            json!({
                "training": { "num_epochs": 1 },
                "list": [{ "a": [1, 2] }],
                "schedule": { "name": "linear" },
                "data": { "train": "a=b" }
            })
        );
    }

    #[test]
    fn what_cannot_be_set_is_named() {
        let mut value = json!({ "training": 3, "list": [] });
        for argument in ["training", "training.seed=1", "list.0=1", "a..b=1"] {
            let error = apply(&mut value, argument).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--set {argument}: ")), "{error}");
        }
    }
}
