//! The column `teacher_cache`: outputs of the teacher that stand in the rows, in place of its forward.

use indexmap::IndexMap;
use serde_json::Value;
use tch::Tensor;

use super::RowError;
use super::value::wrong_type;
use crate::{Outputs, Result};

pub(super) const TEACHER_CACHE: &str = "teacher_cache";

/// Outputs that are lists of tensors, one a layer, in Hugging Face's names.
const LISTS: [&str; 2] = ["hidden_states", "attentions"];

/// The outputs of all examples.
#[derive(Debug)]
pub(super) struct TeacherOutputs {
    outputs: IndexMap<String, Vec<Stored>>,
    offsets: Vec<usize>,
}

/// One tensor of all examples.
#[derive(Debug)]
struct Stored {
    numbers: Vec<f32>,
    /// Whether an example's first dimension is its tokens; they are padded with zeros.
    per_token: bool,
    /// The other dimensions of an example.
    inner: Vec<usize>,
}

/// The outputs of the rows that were read so far.
#[derive(Default)]
pub(super) struct Growing {
    outputs: IndexMap<String, Vec<Rows>>,
    num_rows: usize,
}

#[derive(Default)]
struct Rows {
    numbers: Vec<f32>,
    shapes: Vec<Vec<usize>>,
}

impl Growing {
    /// Takes the column of the next row: an object of outputs, each a number or lists of numbers, for `hidden_states`
    /// one a layer. All rows must have the same outputs.
    pub fn push(&mut self, value: &Value) -> Result<(), RowError> {
        let expected = "an object with the teacher's outputs, such as {\"logits\": [0.1, 0.9]}";
        let outputs = value.as_object().ok_or_else(|| wrong_type(TEACHER_CACHE, value, expected))?;
        for (name, value) in outputs {
            let column = format!("{TEACHER_CACHE}.{name}");
            if self.num_rows > 0 && !self.outputs.contains_key(name) {
                return Err(RowError::Surplus { column });
            }
            let layers = match value.as_array() {
                Some(layers) if LISTS.contains(&name.as_str()) => layers.iter().collect(),
                _ => vec![value],
            };
            let rows =
                self.outputs.entry(name.clone()).or_insert_with(|| layers.iter().map(|_| Rows::default()).collect());
            if rows.len() != layers.len() {
                let expected = format!("{}, as in the rows before", rows.len());
                return Err(RowError::Length { column, found: layers.len(), expected });
            }
            for (rows, layer) in rows.iter_mut().zip(layers) {
                let shape = shape(layer);
                flatten(&column, layer, &shape, &mut rows.numbers)?;
                rows.shapes.push(shape);
            }
        }
        self.num_rows += 1;
        let missing = self.outputs.iter().find(|(_, rows)| rows.iter().any(|rows| rows.shapes.len() < self.num_rows));
        match missing {
            Some((name, _)) => Err(RowError::Missing { column: format!("{TEACHER_CACHE}.{name}") }),
            None => Ok(()),
        }
    }

    /// The outputs of all rows, whose tokens begin at `offsets`; `None` if no row has any.
    pub fn finish(self, offsets: &[usize]) -> Result<Option<TeacherOutputs>, String> {
        if self.num_rows == 0 {
            return Ok(None);
        }
        let mut outputs = IndexMap::new();
        for (name, layers) in self.outputs {
            let stored = layers.into_iter().map(|rows| rows.finish(&name, offsets)).collect::<Result<_, _>>()?;
            outputs.insert(name, stored);
        }
        Ok(Some(TeacherOutputs { outputs, offsets: offsets.to_vec() }))
    }
}

impl Rows {
    fn finish(self, name: &str, offsets: &[usize]) -> Result<Stored, String> {
        let num_tokens = |row: usize| offsets[row + 1] - offsets[row];
        let mut shapes = self.shapes.iter().enumerate();
        let per_token = shapes.all(|(row, shape)| shape.first() == Some(&num_tokens(row)));
        let skipped = usize::from(per_token);
        // There is a row, or the column would not be.
        let inner = self.shapes.first().map(|shape| shape[skipped..].to_vec()).unwrap_or_default();
        if let Some((row, shape)) = self.shapes.iter().enumerate().find(|(_, shape)| shape[skipped..] != inner) {
            return Err(format!(
                "`{TEACHER_CACHE}.{name}` has the shape {shape:?} in example {row} and {:?} in the first; expected the \
                 same in every row, or the row's tokens ({}) as the first dimension",
                self.shapes[0],
                num_tokens(row)
            ));
        }
        Ok(Stored { numbers: self.numbers, per_token, inner })
    }
}

/// The shape of nested lists, by their first elements.
fn shape(mut value: &Value) -> Vec<usize> {
    let mut shape = vec![];
    while let Value::Array(elements) = value {
        shape.push(elements.len());
        let Some(first) = elements.first() else { break };
        value = first;
    }
    shape
}

/// Appends the numbers of nested lists of a shape.
fn flatten(column: &str, value: &Value, shape: &[usize], numbers: &mut Vec<f32>) -> Result<(), RowError> {
    match (value, shape) {
        (Value::Array(elements), [size, inner @ ..]) if elements.len() == *size => {
            elements.iter().try_for_each(|element| flatten(column, element, inner, numbers))
        }
        (Value::Number(number), []) => {
            numbers.push(number.as_f64().unwrap_or(f64::NAN) as f32);
            Ok(())
        }
        (_, [size, ..]) => Err(wrong_type(column, value, format!("a list of {size}, as before it in the same lists"))),
        (_, []) => Err(wrong_type(column, value, "a number")),
    }
}

impl TeacherOutputs {
    /// All that makes these outputs differ from others, in parts.
    pub fn as_bytes(&self) -> Vec<Vec<u8>> {
        let mut parts = vec![];
        for (name, layers) in &self.outputs {
            for Stored { numbers, per_token, inner } in layers {
                parts.push(format!("{TEACHER_CACHE}.{name} {per_token} {inner:?}").into_bytes());
                parts.push(numbers.iter().flat_map(|number| number.to_le_bytes()).collect());
            }
        }
        parts
    }

    /// The outputs of some examples, padded to `length` tokens: `[batch, …]` each.
    pub fn batch(&self, examples: &[usize], length: usize) -> Result<Outputs> {
        let mut outputs = Outputs::new();
        for (name, layers) in &self.outputs {
            let mut tensors = vec![];
            for stored in layers {
                tensors.push(Some(self.stack(stored, examples, length)?));
            }
            match tensors.pop() {
                Some(tensor) if !LISTS.contains(&name.as_str()) => outputs.insert(name, tensor),
                last => outputs.insert_list(name, tensors.into_iter().chain(last).collect()),
            }
        }
        Ok(outputs)
    }

    fn stack(&self, stored: &Stored, examples: &[usize], length: usize) -> Result<Tensor> {
        let width: usize = stored.inner.iter().product();
        let rows = if stored.per_token { length } else { 1 };
        let mut elements = Vec::with_capacity(examples.len() * rows * width);
        for (row, &example) in examples.iter().enumerate() {
            let range = match stored.per_token {
                true => self.offsets[example]..self.offsets[example + 1],
                false => example..example + 1,
            };
            elements.extend_from_slice(&stored.numbers[range.start * width..range.end * width]);
            elements.resize((row + 1) * rows * width, 0.0);
        }
        let sizes = [examples.len()].into_iter().chain(stored.per_token.then_some(length)).chain(stored.inner.clone());
        let shape: Vec<i64> = sizes.map(|size| size as i64).collect();
        Ok(Tensor::f_from_slice(&elements)?.f_view(&shape[..])?)
    }
}
