//! How the label of a row is read.

use serde_json::Value;

use super::{IGNORED_LABEL, Task};

/// Why a value is no label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelProblem {
    /// It is something else than this.
    Value { expected: String },
    /// The element of a list at this position is.
    Element { position: usize, expected: String },
    /// A list of another length.
    Length { found: usize, expected: String },
    /// A name that is none of the classes.
    Unknown { name: String },
    /// It would be the label of tokens, and the row is a text.
    NeedsTokens,
}

impl Task {
    /// The labels of a row, as many as [`Task::label_shape`] says: whole numbers where labels are classes. `tokens` is the
    /// length of the row's `input_ids`, `None` if the row is a text.
    pub fn read_label(&self, value: &Value, tokens: Option<usize>) -> Result<Vec<f64>, LabelProblem> {
        let unlike = |expected: String| LabelProblem::Value { expected };
        match self {
            Task::SingleLabel { .. } => {
                let expected = || unlike(format!("{}: the model has one label for each example", self.class_form()));
                Ok(vec![self.class(value)?.ok_or_else(expected)?])
            }
            Task::TokenLabels { .. } | Task::MaskedLm { .. } => self.token_classes(value, tokens),
            Task::Spans => span(value, tokens),
            Task::MultiLabel { labels } => self.several_classes(value, labels.len()),
            Task::Regression { labels } if labels.len() == 1 => {
                Ok(vec![number(value).ok_or_else(|| unlike("a number: the model predicts one".into()))?])
            }
            Task::Regression { labels } => {
                let form = || format!("a list of {} numbers, as many as the model predicts", labels.len());
                let elements = value.as_array().ok_or_else(|| unlike(form()))?;
                if elements.len() != labels.len() {
                    return Err(LabelProblem::Length { found: elements.len(), expected: labels.len().to_string() });
                }
                let unlike = |position| LabelProblem::Element { position, expected: "a number".into() };
                elements.iter().enumerate().map(|(at, element)| number(element).ok_or_else(|| unlike(at))).collect()
            }
        }
    }

    /// The class of each token.
    fn token_classes(&self, value: &Value, tokens: Option<usize>) -> Result<Vec<f64>, LabelProblem> {
        let tokens = tokens.ok_or(LabelProblem::NeedsTokens)?;
        let expected = || "a list of labels: the model has one for each token".to_owned();
        let elements = value.as_array().ok_or_else(|| LabelProblem::Value { expected: expected() })?;
        if elements.len() != tokens {
            let expected = format!("{tokens}, as many as `input_ids`");
            return Err(LabelProblem::Length { found: elements.len(), expected });
        }
        let unlike = |position| LabelProblem::Element { position, expected: self.class_form() };
        let class = |(position, element)| self.class(element)?.ok_or_else(|| unlike(position));
        elements.iter().enumerate().map(class).collect()
    }

    /// 1 for each class that is listed and 0 for the others; a list of fractions, one for each class, is what it is.
    fn several_classes(&self, value: &Value, count: usize) -> Result<Vec<f64>, LabelProblem> {
        let expected = || {
            format!(
                "a list of labels, each an integer from 0 to {} or a name, or {count} numbers from 0.0 to 1.0: the model \
                 may have several for each example",
                count - 1
            )
        };
        let elements = value.as_array().ok_or_else(|| LabelProblem::Value { expected: expected() })?;
        let unlike = |position| LabelProblem::Element { position, expected: expected() };
        if !elements.is_empty() && elements.iter().all(Value::is_f64) {
            if elements.len() != count {
                let expected = format!("{count}, a number for each class");
                return Err(LabelProblem::Length { found: elements.len(), expected });
            }
            let share = |element: &Value| element.as_f64().filter(|share| (0.0..=1.0).contains(share));
            return elements.iter().enumerate().map(|(at, element)| share(element).ok_or_else(|| unlike(at))).collect();
        }
        let mut holds = vec![0.0; count];
        for (position, element) in elements.iter().enumerate() {
            let class = self.class(element)?.filter(|class| *class >= 0.0).ok_or_else(|| unlike(position))?;
            let place = &mut holds[class as usize];
            if *place == 1.0 {
                let expected = "each class once; a number for each class is a fraction, 0.0 or 1.0".to_owned();
                return Err(LabelProblem::Element { position, expected });
            }
            *place = 1.0;
        }
        Ok(holds)
    }

    /// The index of a class; `None` if the value cannot be one.
    fn class(&self, value: &Value) -> Result<Option<f64>, LabelProblem> {
        match value {
            Value::String(name) if !self.labels().is_empty() => {
                let class = self.labels().iter().position(|label| label == name);
                class.map(|class| Some(class as f64)).ok_or_else(|| LabelProblem::Unknown { name: name.clone() })
            }
            value => {
                let is_class = |class: &i64| (0..self.num_outputs()).contains(class) || *class == IGNORED_LABEL;
                Ok(value.as_i64().filter(is_class).map(|class| class as f64))
            }
        }
    }

    fn class_form(&self) -> String {
        let names = if self.labels().is_empty() { "" } else { ", the name of a label," };
        format!("an integer from 0 to {}{names} or {IGNORED_LABEL} for none", self.num_outputs() - 1)
    }
}

/// The positions of an answer's first and last token.
fn span(value: &Value, tokens: Option<usize>) -> Result<Vec<f64>, LabelProblem> {
    let tokens = tokens.ok_or(LabelProblem::NeedsTokens)?;
    let form = "two positions of `input_ids`, of the answer's first and of its last token";
    let elements = value.as_array().ok_or_else(|| LabelProblem::Value { expected: form.into() })?;
    if elements.len() != 2 {
        return Err(LabelProblem::Length { found: elements.len(), expected: format!("2: {form}") });
    }
    let mut positions = vec![];
    for (at, element) in elements.iter().enumerate() {
        let start = positions.first().map_or(0, |start: &f64| *start as i64);
        let is_position = |position: &i64| *position == IGNORED_LABEL || (start..tokens as i64).contains(position);
        let position = element.as_i64().filter(is_position).ok_or_else(|| LabelProblem::Element {
            position: at,
            expected: format!("a position from {} to {}, or {IGNORED_LABEL} for none", start.max(0), tokens - 1),
        })?;
        positions.push(position as f64);
    }
    Ok(positions)
}

/// The number in a value, as float32 holds it.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| (*number as f32).is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("class {index}")).collect()
    }

    #[test]
    fn a_label_is_read_as_the_task_says() {
        let single = Task::SingleLabel { labels: names(3) };
        let several = Task::MultiLabel { labels: names(3) };
        let tokens = Task::TokenLabels { labels: names(3) };
        let one = Task::Regression { labels: names(1) };
        let two = Task::Regression { labels: names(2) };
        for (task, value, expected) in [
            (&single, json!("class 2"), vec![2.0]),
            (&single, json!(-100), vec![-100.0]),
            (&tokens, json!(["class 1", 0, -100]), vec![1.0, 0.0, -100.0]),
            (&Task::MaskedLm { vocab_size: 9 }, json!([8, -100, 0]), vec![8.0, -100.0, 0.0]),
            (&Task::Spans, json!([1, 2]), vec![1.0, 2.0]),
            (&Task::Spans, json!([-100, -100]), vec![-100.0, -100.0]),
            (&several, json!(["class 2", 0]), vec![1.0, 0.0, 1.0]),
            (&several, json!([]), vec![0.0; 3]),
            (&several, json!([0.0, 1.0, 0.25]), vec![0.0, 1.0, 0.25]),
            (&one, json!(3), vec![3.0]),
            (&two, json!([3, -0.5]), vec![3.0, -0.5]),
        ] {
            assert_eq!(task.read_label(&value, Some(3)), Ok(expected), "{task} {value}");
        }
    }

    #[test]
    fn what_is_no_label_is_refused() {
        let several = Task::MultiLabel { labels: names(3) };
        let one = Task::Regression { labels: names(1) };
        let two = Task::Regression { labels: names(2) };
        let tokens = Task::TokenLabels { labels: names(3) };
        for (task, value, tokens, expected) in [
            (&several, json!("class 1"), Some(3), "a list of labels, each an integer from 0 to 2 or a name"),
            (&several, json!([3]), Some(3), "Element { position: 0, expected: \"a list of labels"),
            (&several, json!([0, -100]), Some(3), "Element { position: 1"),
            (&several, json!([0, 1, 0]), Some(3), "each class once; a number for each class is a fraction"),
            (&several, json!([0.5, 1.5, 0.0]), Some(3), "Element { position: 1"),
            (&several, json!([0.5]), Some(3), "Length { found: 1, expected: \"3, a number for each class\""),
            (&several, json!(["class 7"]), Some(3), "Unknown { name: \"class 7\" }"),
            (&one, json!([1]), Some(3), "a number: the model predicts one"),
            (&one, json!("1"), Some(3), "a number: the model predicts one"),
            (&one, json!(1e300), Some(3), "a number: the model predicts one"),
            (&two, json!(1), Some(3), "a list of 2 numbers"),
            (&two, json!([1]), Some(3), "Length { found: 1, expected: \"2\" }"),
            (&tokens, json!([0, 1]), None, "NeedsTokens"),
            (&Task::Spans, json!([0, 1]), None, "NeedsTokens"),
            (&Task::Spans, json!(1), Some(3), "two positions of `input_ids`"),
            (&Task::Spans, json!([1]), Some(3), "Length { found: 1"),
            (&Task::Spans, json!([1, 3]), Some(3), "Element { position: 1, expected: \"a position from 1 to 2"),
            (&Task::Spans, json!([2, 1]), Some(3), "Element { position: 1, expected: \"a position from 2 to 2"),
        ] {
            let problem = format!("{:?}", task.read_label(&value, tokens).unwrap_err());
            assert!(problem.contains(expected), "{task} {value}: {problem}");
        }
    }
}
