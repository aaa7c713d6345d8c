use tch::Tensor;
use tch::kind::Element;

use super::Dataset;
use super::column::{ATTENTION_MASK, Column, INPUT_IDS, Numbers, Shape};
use crate::{Batch, Outputs, Result};

impl Dataset {
    /// The batch of some examples, on the CPU: integers as i64, other numbers as f32.
    ///
    /// `input_ids` `[batch, length]` is padded to the longest of the examples with the model's `pad_token_id`,
    /// per-token `labels` with −100, everything else per token with 0. There always is an `attention_mask`: where
    /// rows have none, it is 1 for each of their tokens.
    ///
    /// # Errors
    /// If libtorch cannot make the tensors.
    ///
    /// # Panics
    /// If there is no such example.
    pub fn batch(&self, examples: &[usize]) -> Result<Batch> {
        self.padded_batch(examples, 0)
    }

    /// As [`Dataset::batch`], with `more` padding than the longest example needs.
    pub(crate) fn padded_batch(&self, examples: &[usize], more: usize) -> Result<Batch> {
        let length = examples.iter().map(|&example| self.length(example)).max().unwrap_or(0) + more;
        let mut batch = Batch::new();
        for column in &self.columns {
            let tensor = match &column.numbers {
                Numbers::Narrow(numbers) => self.stack(column, numbers, examples, length, i64::from, column.padding)?,
                Numbers::Wide(numbers) => self.stack(column, numbers, examples, length, |int| int, column.padding)?,
                Numbers::Float(numbers) => self.stack(column, numbers, examples, length, |float| float, 0.0)?,
            };
            batch.insert(&column.name, tensor);
            if column.name == INPUT_IDS && self.column(ATTENTION_MASK).is_none() {
                batch.insert(ATTENTION_MASK, self.mask(examples, length)?);
            }
        }
        Ok(batch)
    }

    /// The teacher's outputs for the same batch, where they stood in the file.
    pub(crate) fn padded_teacher_outputs(&self, examples: &[usize], more: usize) -> Result<Option<Outputs>> {
        let length = examples.iter().map(|&example| self.length(example)).max().unwrap_or(0) + more;
        self.teacher_outputs.as_ref().map(|outputs| outputs.batch(examples, length)).transpose()
    }

    /// One tensor of a column: `[batch]`, `[batch, length]` or `[batch, n]`.
    fn stack<S: Copy, T: Copy + Element>(
        &self,
        column: &Column,
        numbers: &[S],
        examples: &[usize],
        length: usize,
        convert: impl Fn(S) -> T,
        padding: T,
    ) -> Result<Tensor> {
        let width = match column.shape {
            Shape::Single => 1,
            Shape::PerToken => length,
            Shape::Fixed(size) => size,
        };
        let mut elements = Vec::with_capacity(examples.len() * width);
        for (row, &example) in examples.iter().enumerate() {
            elements.extend(numbers[self.range(column.shape, example)].iter().map(|&number| convert(number)));
            elements.resize((row + 1) * width, padding);
        }
        let tensor = Tensor::f_from_slice(&elements)?;
        match column.shape {
            Shape::Single => Ok(tensor),
            Shape::PerToken | Shape::Fixed(_) => Ok(tensor.f_view([examples.len() as i64, width as i64])?),
        }
    }

    /// `[batch, length]`, 1 for tokens and 0 for padding.
    fn mask(&self, examples: &[usize], length: usize) -> Result<Tensor> {
        let mut elements = Vec::with_capacity(examples.len() * length);
        for (row, &example) in examples.iter().enumerate() {
            elements.resize(row * length + self.length(example), 1_i64);
            elements.resize((row + 1) * length, 0);
        }
        Ok(Tensor::f_from_slice(&elements)?.f_view([examples.len() as i64, length as i64])?)
    }
}
