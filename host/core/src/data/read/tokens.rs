use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value};

use super::{Context, in_order};
use crate::data::column::{ATTENTION_MASK, Column, INPUT_IDS, Number, Numbers, Shape, TOKEN_TYPE_IDS};
use crate::data::format::Row;
use crate::data::label::Labels;
use crate::data::value::{list, number, wrong_element, wrong_type};
use crate::data::{DataError, Dataset, RowError};

/// Reads rows that have `input_ids`.
pub(super) fn read(
    rows: impl Iterator<Item = Result<Row, DataError>>,
    context: &Context,
) -> Result<Dataset, DataError> {
    let mut examples = Examples::new(context);
    for row in rows {
        let row = row?;
        examples.push(&row.columns).map_err(|problem| DataError::row(context.path, row.line, problem))?;
    }
    examples.finish()
}

struct Examples<'a> {
    context: &'a Context<'a>,
    offsets: Vec<usize>,
    input_ids: Numbers,
    labels: Labels<'a>,
    /// The other columns of the first row; the rows after it must have the same.
    columns: IndexMap<String, Growing>,
    ignored: IndexSet<String>,
}

/// A column whose rows are not all read.
struct Growing {
    numbers: Numbers,
    shape: Guess,
    /// How many rows it has.
    rows: usize,
}

/// What the rows so far leave open of a column's shape.
#[derive(Clone, Copy)]
enum Guess {
    Single,
    /// Lists: whether each was as long as its `input_ids`, and their length as long as it is the same.
    List {
        per_token: bool,
        fixed: Option<usize>,
    },
}

impl<'a> Examples<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            offsets: vec![0],
            input_ids: Numbers::new(),
            labels: Labels::new(&context.config.label, &context.model.task),
            columns: IndexMap::new(),
            ignored: IndexSet::new(),
        }
    }

    fn push(&mut self, row: &Map<String, Value>) -> Result<(), RowError> {
        let ids = row.get(INPUT_IDS).ok_or_else(|| RowError::Missing { column: INPUT_IDS.to_owned() })?;
        let tokens = self.push_ids(list(INPUT_IDS, ids)?)?;
        self.labels.push(row, Some(tokens))?;
        for (name, value) in row {
            if name != INPUT_IDS && !self.labels.is_label(name) {
                self.push_column(name, value, tokens)?;
            }
        }
        self.offsets.push(self.input_ids.len());
        let rows = self.offsets.len() - 1;
        match self.columns.iter().find(|(_, column)| column.rows < rows) {
            Some((name, _)) => Err(RowError::Missing { column: name.clone() }),
            None => Ok(()),
        }
    }

    /// Takes `input_ids`; returns how many there are.
    fn push_ids(&mut self, ids: &[Value]) -> Result<usize, RowError> {
        let Context { model, max_length, .. } = *self.context;
        if ids.is_empty() {
            return Err(RowError::NoTokens);
        }
        if ids.len() > max_length {
            let is_of_model = model.inputs.max_length.is_some_and(|limit| max_length >= limit);
            let whose = if is_of_model { "the model's longest input" } else { "the data's max_length" };
            return Err(RowError::TooLong { tokens: ids.len(), limit: max_length, whose });
        }
        for (position, value) in ids.iter().enumerate() {
            let id = value.as_i64().ok_or_else(|| wrong_element(INPUT_IDS, position, value, "an integer"))?;
            let vocab_size = model.inputs.vocab_size().unwrap_or(i64::MAX);
            if !(0..vocab_size).contains(&id) {
                return Err(RowError::TokenId { id, position, vocab_size });
            }
            self.input_ids.push(Number::Int(id));
        }
        Ok(ids.len())
    }

    fn push_column(&mut self, name: &str, value: &Value, tokens: usize) -> Result<(), RowError> {
        self.check_model_input(name, value, tokens)?;
        let is_first = self.offsets.len() == 1;
        match self.columns.get_mut(name) {
            // It counts as missing.
            Some(_) if value.is_null() => Ok(()),
            Some(column) => column.push(name, value, tokens),
            None if !is_numeric(value) => {
                if !self.ignored.contains(name) {
                    self.ignored.insert(name.to_owned());
                }
                Ok(())
            }
            None if is_first => {
                let mut column = Growing::new(value, tokens);
                column.push(name, value, tokens)?;
                self.columns.insert(name.to_owned(), column);
                Ok(())
            }
            None => Err(RowError::Surplus { column: name.to_owned() }),
        }
    }

    /// Checks what the model itself reads.
    fn check_model_input(&self, name: &str, value: &Value, tokens: usize) -> Result<(), RowError> {
        let limit = match name {
            ATTENTION_MASK => 2,
            // A model without types does not read them.
            TOKEN_TYPE_IDS => self.context.model.inputs.count(TOKEN_TYPE_IDS).unwrap_or(i64::MAX),
            _ => return Ok(()),
        };
        let elements = list(name, value)?;
        if elements.len() != tokens {
            let expected = format!("{tokens}, as many as `{INPUT_IDS}`");
            return Err(RowError::Length { column: name.to_owned(), found: elements.len(), expected });
        }
        let is_wrong = |value: &Value| !value.as_i64().is_some_and(|int| (0..limit).contains(&int));
        match elements.iter().position(is_wrong) {
            None => Ok(()),
            Some(position) => {
                let expected = format!("an integer from 0 to {}", limit - 1);
                Err(wrong_element(name, position, &elements[position], expected))
            }
        }
    }

    fn finish(self) -> Result<Dataset, DataError> {
        let pad_token_id = self.context.model.inputs.pad_token_id;
        let mut columns = vec![Column {
            name: INPUT_IDS.to_owned(),
            numbers: self.input_ids,
            shape: Shape::PerToken,
            padding: pad_token_id,
        }];
        columns.extend(self.columns.into_iter().map(|(name, column)| column.finish(name)));
        let has_label_column = self.labels.is_named();
        columns.extend(self.labels.finish(self.context.path)?);
        Ok(Dataset {
            path: self.context.path.to_owned(),
            offsets: self.offsets,
            columns: in_order(columns),
            truncated: 0,
            ignored: self.ignored.into_iter().collect(),
            has_label_column,
            is_tokenized: false,
            is_split: false,
            teacher_outputs: None,
        })
    }
}

impl Growing {
    /// An empty column whose first row will be `value`.
    fn new(value: &Value, tokens: usize) -> Self {
        let shape = match value {
            Value::Array(elements) => Guess::List { per_token: elements.len() == tokens, fixed: Some(elements.len()) },
            _ => Guess::Single,
        };
        Self { numbers: Numbers::new(), shape, rows: 0 }
    }

    fn push(&mut self, name: &str, value: &Value, tokens: usize) -> Result<(), RowError> {
        match &mut self.shape {
            Guess::Single => {
                let number = number(value).ok_or_else(|| wrong_type(name, value, "a number, as in the rows before"))?;
                self.numbers.push(number);
            }
            Guess::List { per_token, fixed } => {
                let elements = value
                    .as_array()
                    .ok_or_else(|| wrong_type(name, value, "a list of numbers, as in the rows before"))?;
                let found = elements.len();
                let before = fixed.map(|fixed| format!("{fixed}, as in the rows before"));
                let as_tokens = per_token.then(|| format!("{tokens}, as many as `{INPUT_IDS}`"));
                *per_token &= found == tokens;
                *fixed = fixed.filter(|&fixed| found == fixed);
                if !*per_token && fixed.is_none() {
                    let expected: Vec<String> = [as_tokens, before].into_iter().flatten().collect();
                    let expected = expected.join(", or ");
                    return Err(RowError::Length { column: name.to_owned(), found, expected });
                }
                for (position, element) in elements.iter().enumerate() {
                    let number = number(element).ok_or_else(|| wrong_element(name, position, element, "a number"))?;
                    self.numbers.push(number);
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn finish(self, name: String) -> Column {
        let shape = match self.shape {
            Guess::Single => Shape::Single,
            Guess::List { per_token: false, fixed: Some(size) } => Shape::Fixed(size),
            // A list that is neither is refused when it is read.
            Guess::List { .. } => Shape::PerToken,
        };
        Column { name, numbers: self.numbers, shape, padding: 0 }
    }
}

fn is_numeric(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Array(elements) => !elements.is_empty() && elements.iter().all(Value::is_number),
        _ => false,
    }
}
