use serde_json::{Map, Value};
use tch::{Kind, Tensor};

use super::TrainError;
use crate::model::ModelSpec;
use crate::{Batch, Result};

/// The extra arguments of a model's forward: columns that this model sees besides, or in place of, those of the batch.
/// The adaptor does not see them.
#[derive(Debug, Default)]
pub struct ForwardArguments {
    columns: Vec<(String, Column)>,
}

#[derive(Debug)]
enum Column {
    /// One number for every token of every example.
    Fill(i64),
    /// The same row for every example.
    Row(Vec<i64>),
}

/// What transformers' models are told to return; Brewer's return what is read.
const SWITCHES: &[&str] = &["output_hidden_states", "output_attentions", "return_dict"];

impl ForwardArguments {
    /// The arguments that stand at `key` (`teacher.args`): an integer fills a column of the shape of `input_ids`, a list
    /// of integers is the row of every example. Switches of transformers that choose outputs are accepted and have no
    /// effect, because what is read is computed.
    pub fn new(key: &str, args: &Map<String, Value>, model: &ModelSpec) -> Result<Self, TrainError> {
        let mut columns = vec![];
        for (name, value) in args {
            let wrong = |expected: String| TrainError::Value {
                key: format!("{key}.{name}"),
                found: value.to_string(),
                expected,
            };
            if SWITCHES.contains(&name.as_str()) {
                if !value.is_boolean() {
                    return Err(wrong("true or false".into()));
                }
                continue;
            }
            let columns_of_model = model.inputs.columns.iter().map(|column| column.name);
            let columns_of_model = columns_of_model.filter(|name| *name != "input_ids").chain(["labels"]);
            if !columns_of_model.clone().any(|column| column == name) {
                let known = columns_of_model.chain(SWITCHES.iter().copied()).collect::<Vec<_>>().join(", ");
                return Err(wrong(format!("an argument that {} takes: {known}", model.architecture)));
            }
            let column = match value {
                Value::Array(row) => row.iter().map(Value::as_i64).collect::<Option<_>>().map(Column::Row),
                value => value.as_i64().map(Column::Fill),
            };
            columns.push((name.clone(), column.ok_or_else(|| wrong("an integer or a list of integers".into()))?));
        }
        Ok(Self { columns })
    }

    /// Whether the model sees the batch as it is.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The batch as the model sees it.
    pub fn with(&self, batch: &Batch) -> Result<Batch> {
        let mut seen: Batch = batch.iter().map(|(name, tensor)| (name, tensor.shallow_clone())).collect();
        let Some(ids) = batch.get("input_ids") else { return Ok(seen) };
        for (name, column) in &self.columns {
            let options = (Kind::Int64, ids.device());
            let tensor = match column {
                Column::Fill(number) => Tensor::f_full(ids.size(), *number, options)?,
                Column::Row(row) => {
                    let shape = [batch.len() as i64, row.len() as i64];
                    Tensor::f_from_slice(row)?.f_to_device(ids.device())?.f_expand(shape, false)?
                }
            };
            seen.insert(name, tensor);
        }
        Ok(seen)
    }
}
