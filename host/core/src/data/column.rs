//! The numbers of all examples under one name, one after the other in memory.

use std::ops::Range;

/// Names that models know; a batch has them whatever a file calls its columns.
pub(super) const INPUT_IDS: &str = "input_ids";
pub(super) const ATTENTION_MASK: &str = "attention_mask";
pub(super) const TOKEN_TYPE_IDS: &str = "token_type_ids";
pub(super) const LABELS: &str = "labels";

/// A number of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f32),
}

/// Numbers in the narrowest type that holds all of them: token ids take half the memory of the tensors made of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Numbers {
    Narrow(Vec<i32>),
    Wide(Vec<i64>),
    Float(Vec<f32>),
}

impl Numbers {
    pub fn new() -> Self {
        Numbers::Narrow(Vec::new())
    }

    pub fn len(&self) -> usize {
        match self {
            Numbers::Narrow(numbers) => numbers.len(),
            Numbers::Wide(numbers) => numbers.len(),
            Numbers::Float(numbers) => numbers.len(),
        }
    }

    pub fn push(&mut self, number: Number) {
        match (&mut *self, number) {
            (Numbers::Narrow(numbers), Number::Int(int)) => match i32::try_from(int) {
                Ok(int) => numbers.push(int),
                Err(_) => {
                    let mut wide: Vec<i64> = numbers.iter().map(|&int| int.into()).collect();
                    wide.push(int);
                    *self = Numbers::Wide(wide);
                }
            },
            (Numbers::Wide(numbers), Number::Int(int)) => numbers.push(int),
            (Numbers::Float(numbers), Number::Int(int)) => numbers.push(int as f32),
            (Numbers::Float(numbers), Number::Float(float)) => numbers.push(float),
            (Numbers::Narrow(_) | Numbers::Wide(_), Number::Float(float)) => {
                let mut floats: Vec<f32> = self.ints().map(|int| int as f32).collect();
                floats.push(float);
                *self = Numbers::Float(floats);
            }
        }
    }

    /// The integers in order; none where there are floats.
    pub fn ints(&self) -> impl Iterator<Item = i64> {
        self.ints_in(0..self.len())
    }

    /// The integers at some positions; none where there are floats.
    pub fn ints_in(&self, range: Range<usize>) -> impl Iterator<Item = i64> {
        let (narrow, wide): (&[i32], &[i64]) = match self {
            Numbers::Narrow(numbers) => (&numbers[range], &[]),
            Numbers::Wide(numbers) => (&[], &numbers[range]),
            Numbers::Float(_) => (&[], &[]),
        };
        narrow.iter().map(|&int| int.into()).chain(wide.iter().copied())
    }
}

/// How the numbers of a column belong to examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One for each example: `[batch]`.
    Single,
    /// One for each token: `[batch, length]`.
    PerToken,
    /// As many for each example: `[batch, n]`.
    Fixed(usize),
}

#[derive(Debug)]
pub(super) struct Column {
    pub name: String,
    pub numbers: Numbers,
    pub shape: Shape,
    /// What stands in a batch where an example has no more tokens.
    pub padding: i64,
}
