use std::fmt;

use super::Dataset;
use super::column::{LABELS, Numbers};
use crate::Task;
use crate::model::ModelSpec;

/// A data set in a few numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How many there are.
    pub examples: usize,
    /// Tokens of an example, padding in its row left out.
    pub mean_tokens: f64,
    /// Tokens of the longest example.
    pub max_tokens: usize,
    /// How many texts were cut short.
    pub truncated: usize,
    /// How often each class of the model occurs; empty if there are no labels, or if they are no classes with names.
    pub labels: Vec<(String, usize)>,
    /// Columns of the file that were left out.
    pub ignored: Vec<String>,
}

impl Dataset {
    /// Counts examples, tokens and labels; `model` names the labels.
    pub fn summary(&self, model: &ModelSpec) -> Summary {
        let tokens: Vec<usize> = (0..self.len()).map(|example| self.num_tokens(example)).collect();
        Summary {
            examples: self.len(),
            mean_tokens: tokens.iter().sum::<usize>() as f64 / self.len() as f64,
            max_tokens: tokens.iter().copied().max().unwrap_or(0),
            truncated: self.truncated,
            labels: self.label_counts(model),
            ignored: self.ignored.clone(),
        }
    }

    fn label_counts(&self, model: &ModelSpec) -> Vec<(String, usize)> {
        let Some(column) = self.column(LABELS) else { return vec![] };
        let labels = model.task.labels();
        let mut counts = vec![0; labels.len()];
        match (&model.task, &column.numbers) {
            (Task::Regression { .. }, _) => return vec![],
            // A number for each class of each example.
            (Task::MultiLabel { .. }, Numbers::Float(numbers)) => {
                for (position, _) in numbers.iter().enumerate().filter(|(_, holds)| **holds > 0.5) {
                    counts[position % labels.len()] += 1;
                }
            }
            (_, numbers) => {
                for label in numbers.ints() {
                    // What stands for no label is no class.
                    if let Some(count) = usize::try_from(label).ok().and_then(|label| counts.get_mut(label)) {
                        *count += 1;
                    }
                }
            }
        }
        labels.iter().cloned().zip(counts).collect()
    }
}

impl fmt::Display for Summary {
    /// One line: `7500 examples, 231.4 tokens on average, 512 at most (1033 cut short); labels: neg 3750, pos 3750`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let examples = if self.examples == 1 { "example" } else { "examples" };
        write!(
            formatter,
            "{} {examples}, {:.1} tokens on average, {} at most",
            self.examples, self.mean_tokens, self.max_tokens
        )?;
        if self.truncated > 0 {
            write!(formatter, " ({} cut short)", self.truncated)?;
        }
        if !self.labels.is_empty() {
            let labels: Vec<String> = self.labels.iter().map(|(label, count)| format!("{label} {count}")).collect();
            write!(formatter, "; labels: {}", labels.join(", "))?;
        }
        if !self.ignored.is_empty() {
            write!(formatter, "; columns left out: {}", self.ignored.join(", "))?;
        }
        Ok(())
    }
}
