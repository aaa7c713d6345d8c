use std::path::Path;

use indexmap::IndexSet;
use rayon::prelude::*;
use serde_json::{Map, Value};

use super::{Context, in_order};
use crate::data::column::{Column, INPUT_IDS, Number, Numbers, Shape, TOKEN_TYPE_IDS};
use crate::data::format::Row;
use crate::data::label::Labels;
use crate::data::tokenizer::TextTokenizer;
use crate::data::value::wrong_type;
use crate::data::{DataError, Dataset, RowError, TextColumns};

/// How many texts wait until they are tokenized together, and how many bytes of text at most: enough to keep all
/// cores at work, and little memory whatever the size of the file.
const CHUNK_TEXTS: usize = 1024;
const CHUNK_BYTES: usize = 4 << 20;

/// Reads rows with text.
pub(super) fn read(
    rows: impl Iterator<Item = Result<Row, DataError>>,
    context: &Context,
    tokenizer: Option<&Path>,
) -> Result<Dataset, DataError> {
    let tokenizer = tokenizer.ok_or_else(|| DataError::NoTokenizer { path: context.path.to_owned(), model: None })?;
    let is_pair = matches!(context.config.text, TextColumns::Pair(_));
    let tokenizer = TextTokenizer::load(tokenizer, context.model, is_pair, context.max_length)?;
    let mut texts = Texts::new(context, tokenizer);
    for row in rows {
        let pushed =
            row.and_then(|row| texts.push(&row).map_err(|problem| DataError::row(context.path, row.line, problem)));
        if let Err(error) = pushed {
            // A text that waits stands before this row; if it is broken too, it is the first that is.
            texts.tokenize()?;
            return Err(error);
        }
        if texts.is_chunk_full() {
            texts.tokenize()?;
        }
    }
    texts.tokenize()?;
    texts.finish()
}

struct Text {
    line: u64,
    first: String,
    second: Option<String>,
}

struct Texts<'a> {
    context: &'a Context<'a>,
    tokenizer: TextTokenizer,
    waiting: Vec<Text>,
    waiting_bytes: usize,
    offsets: Vec<usize>,
    input_ids: Numbers,
    /// Kept if the model has types to tell apart.
    token_type_ids: Option<Numbers>,
    labels: Labels<'a>,
    truncated: usize,
    ignored: IndexSet<String>,
}

impl<'a> Texts<'a> {
    fn new(context: &'a Context<'a>, tokenizer: TextTokenizer) -> Self {
        let has_types = context.model.inputs.count(TOKEN_TYPE_IDS).is_some_and(|count| count >= 2);
        Self {
            context,
            tokenizer,
            waiting: Vec::new(),
            waiting_bytes: 0,
            offsets: vec![0],
            input_ids: Numbers::new(),
            token_type_ids: has_types.then(Numbers::new),
            labels: Labels::new(&context.config.label, &context.model.task),
            truncated: 0,
            ignored: IndexSet::new(),
        }
    }

    fn push(&mut self, row: &Row) -> Result<(), RowError> {
        // Such a row is not only a text; it is in the wrong file, or its column is missing in the others.
        if row.columns.contains_key(INPUT_IDS) {
            return Err(RowError::Surplus { column: INPUT_IDS.to_owned() });
        }
        let (first, second) = match &self.context.config.text {
            TextColumns::Single(name) => (text(&row.columns, name)?, None),
            TextColumns::Pair([first, second]) => (text(&row.columns, first)?, Some(text(&row.columns, second)?)),
        };
        self.labels.push(&row.columns, None)?;
        let names = self.context.config.text.names();
        for name in row.columns.keys().filter(|name| !names.contains(name) && !self.labels.is_label(name)) {
            if !self.ignored.contains(name) {
                self.ignored.insert(name.clone());
            }
        }
        self.waiting_bytes += first.len() + second.map_or(0, str::len);
        self.waiting.push(Text { line: row.line, first: first.to_owned(), second: second.map(str::to_owned) });
        Ok(())
    }

    fn is_chunk_full(&self) -> bool {
        self.waiting.len() >= CHUNK_TEXTS || self.waiting_bytes >= CHUNK_BYTES
    }

    /// Tokenizes the texts that wait, on all cores.
    fn tokenize(&mut self) -> Result<(), DataError> {
        let tokenizer = &self.tokenizer;
        let encode = |text: &Text| tokenizer.encode(&text.first, text.second.as_deref());
        let encoded: Vec<_> = self.waiting.par_iter().map(encode).collect();
        for (text, tokens) in self.waiting.drain(..).zip(encoded) {
            let tokens = tokens.map_err(|problem| DataError::row(self.context.path, text.line, problem))?;
            tokens.ids.iter().for_each(|&id| self.input_ids.push(Number::Int(id.into())));
            if let Some(token_type_ids) = &mut self.token_type_ids {
                tokens.type_ids.iter().for_each(|&id| token_type_ids.push(Number::Int(id.into())));
            }
            self.truncated += usize::from(tokens.is_truncated);
            self.offsets.push(self.input_ids.len());
        }
        self.waiting_bytes = 0;
        Ok(())
    }

    fn finish(self) -> Result<Dataset, DataError> {
        let per_token =
            |name: &str, numbers, padding| Column { name: name.to_owned(), numbers, shape: Shape::PerToken, padding };
        let mut columns = vec![per_token(INPUT_IDS, self.input_ids, self.context.model.inputs.pad_token_id)];
        columns.extend(self.token_type_ids.map(|numbers| per_token(TOKEN_TYPE_IDS, numbers, 0)));
        let has_label_column = self.labels.is_named();
        columns.extend(self.labels.finish(self.context.path)?);
        Ok(Dataset {
            path: self.context.path.to_owned(),
            offsets: self.offsets,
            columns: in_order(columns),
            truncated: self.truncated,
            ignored: self.ignored.into_iter().collect(),
            has_label_column,
            is_tokenized: true,
            is_split: false,
            teacher_outputs: None,
        })
    }
}

fn text<'r>(columns: &'r Map<String, Value>, name: &str) -> Result<&'r str, RowError> {
    let value = columns
        .get(name)
        .ok_or_else(|| RowError::NoColumn { column: name.to_owned(), present: columns.keys().cloned().collect() })?;
    value.as_str().ok_or_else(|| wrong_type(name, value, "a text"))
}
