use serde_json::{Map, Value};

use super::ExperimentError;

/// Sets one key of the experiment from an argument `key.path=value`. The value is JSON, or else a string.
pub(super) fn apply(experiment: &mut Value, argument: &str) -> Result<(), ExperimentError> {
    let error =
        |message: &str| ExperimentError::Override { argument: argument.to_owned(), message: message.to_owned() };
    let (key, value) = argument.split_once('=').ok_or_else(|| error("expected KEY=VALUE"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
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
