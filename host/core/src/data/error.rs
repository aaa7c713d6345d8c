use std::path::{Path, PathBuf};

use super::vocabulary::unread_tokenizer;
use crate::Fault;
use crate::error::os_reason;

/// What is wrong with a file of examples, or with the tokenizer that reads it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is and what its fields are")]
pub enum DataError {
    #[error("cannot read {}: {}", path.display(), os_reason(source))]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "{}: this format is not supported; expected a file that ends in {supported}{}",
        path.display(),
        conversion(path)
    )]
    Format { path: PathBuf, supported: String },
    #[error("{}: there are no examples; expected at least one row", path.display())]
    Empty { path: PathBuf },
    #[error("max_length is {found}; expected at most {limit}, the longest input of the model")]
    MaxLength { found: usize, limit: usize },
    #[error(
        "max_length is {found}; expected more than {special}, the number of special tokens that {} adds",
        tokenizer.display()
    )]
    NoRoom { tokenizer: PathBuf, found: usize, special: usize },
    /// A label column in which no label counts.
    #[error(
        "{}: it has labels, but none of them counts: every one is -100, which losses and metrics ignore. Give at least \
         one label, or remove the column to learn from the teacher alone",
        path.display()
    )]
    NoLabels { path: PathBuf },
    /// A column that `key` names and no row has.
    #[error("{key} is `{column}`, but no row of {} {reason}", listed(paths))]
    UnreadColumn { key: &'static str, column: String, paths: Vec<PathBuf>, reason: String },
    #[error(
        "{}: its rows have text, and {} has no tokenizer.json to read it with; {}, or give rows with `input_ids`",
        path.display(),
        model.as_deref().map_or("the model".to_owned(), |model| model.display().to_string()),
        tokenizer_hint(model.as_deref())
    )]
    NoTokenizer { path: PathBuf, model: Option<PathBuf> },
    #[error("{}: not a tokenizer: {message}", path.display())]
    Tokenizer { path: PathBuf, message: String },
    #[error(
        "{}: the tokenizer does not fit the model: its {tokens} tokens go up to id {largest}, the model's vocabulary \
         has {vocab_size}; expected the tokenizer.json that the model was trained with",
        path.display()
    )]
    Vocabulary { path: PathBuf, tokens: usize, largest: i64, vocab_size: i64 },
    /// The rows of `teacher_cache` do not go together.
    #[error("{}: {message}", path.display())]
    TeacherCache { path: PathBuf, message: String },
    /// A row is wrong; the first that is.
    #[error("{}:{line}: {problem}", path.display())]
    Row { path: PathBuf, line: u64, problem: RowError },
}

impl DataError {
    /// Whose fault it is. Data comes from the user, and so does everything that is wrong with it.
    pub fn fault(&self) -> Fault {
        Fault::Input
    }

    /// The same error, which knows the folder of the model that the data was read for.
    pub fn with_model(self, folder: &Path) -> Self {
        match self {
            DataError::NoTokenizer { path, .. } => DataError::NoTokenizer { path, model: Some(folder.to_owned()) },
            other => other,
        }
    }

    pub(super) fn row(path: &Path, line: u64, problem: RowError) -> Self {
        DataError::Row { path: path.to_owned(), line, problem }
    }
}

/// What is wrong with one row.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is and what its fields are")]
pub enum RowError {
    #[error("invalid UTF-8 at byte {byte} of the line; expected text in UTF-8")]
    Utf8 { byte: usize },
    #[error("broken JSON at column {column}: {message}; expected one JSON object a line")]
    Json { column: usize, message: String },
    #[error("{found} instead of a row; expected one JSON object a line")]
    NotAnObject { found: String },
    #[error("more than {limit} MiB in one line; expected one JSON object a line")]
    LongLine { limit: u64 },
    #[error("there is no column `{column}`, which the data's `text` names; {}", columns_present(present))]
    NoColumn { column: String, present: Vec<String> },
    #[error("`{column}` is {found}; expected {expected}")]
    WrongType { column: String, found: String, expected: String },
    #[error("`{column}` holds {found} at position {position}; expected {expected}")]
    WrongElement { column: String, position: usize, found: String, expected: String },
    #[error("`input_ids` is empty; expected at least one token")]
    NoTokens,
    #[error("the text has no tokens; expected at least one")]
    EmptyText,
    #[error("the tokenizer failed: {message}")]
    Tokenize { message: String },
    #[error(
        "`input_ids` holds {id} at position {position}; expected 0 to {}, the model's vocabulary has {vocab_size}: was \
         the row made with another tokenizer?",
        vocab_size - 1
    )]
    TokenId { id: i64, position: usize, vocab_size: i64 },
    #[error("{tokens} tokens; expected at most {limit}, {whose}")]
    TooLong { tokens: usize, limit: usize, whose: &'static str },
    #[error("`{column}` has length {found}; expected {expected}")]
    Length { column: String, found: usize, expected: String },
    #[error("the label `{found}` is not one of the model's; {}", labels_known(nearest.as_deref(), known))]
    UnknownLabel { found: String, nearest: Option<String>, known: Vec<String> },
    #[error("`{first}` and `{second}` both give the label; expected one of them")]
    TwoLabels { first: String, second: String },
    #[error(
        "`{column}` cannot be the label of a text, as the model has a label for each token; expected rows with \
         `input_ids` and a list of labels"
    )]
    NeedsTokens { column: String },
    #[error("`{column}` is missing; the rows before have it: expected it in every row or in none")]
    Missing { column: String },
    #[error("`{column}` is here and not in the rows before; expected it in every row or in none")]
    Surplus { column: String },
}

/// How to make JSONL of a table.
fn conversion(path: &Path) -> String {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let read = match ending.as_str() {
        "csv" => "read_csv(\"{}\")",
        "tsv" => "read_csv(\"{}\", sep=\"\\t\")",
        "parquet" => "read_parquet(\"{}\")",
        "feather" | "arrow" => "read_feather(\"{}\")",
        "xlsx" => "read_excel(\"{}\")",
        _ => return String::new(),
    };
    format!(
        ". Python makes one of it: python3 -c 'import pandas; \
         pandas.{}.to_json(\"{}\", orient=\"records\", lines=True, force_ascii=False)'",
        read.replace("{}", &path.display().to_string()),
        path.with_extension("jsonl").display()
    )
}

/// How to come by a `tokenizer.json`.
fn tokenizer_hint(model: Option<&Path>) -> String {
    let unread = model.and_then(unread_tokenizer);
    match (model, unread) {
        (Some(model), Some(unread)) => format!(
            "its {unread} is not read here, but transformers makes a tokenizer.json of it: python3 -c 'from transformers \
             import AutoTokenizer; AutoTokenizer.from_pretrained(\"{0}\").save_pretrained(\"{0}\")'",
            model.display()
        ),
        _ => "put the one that the model was trained with into the model's folder".to_owned(),
    }
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
}

fn columns_present(present: &[String]) -> String {
    match present {
        [] => "the row is empty".to_owned(),
        _ => format!("the row has {}", quoted(present)),
    }
}

fn labels_known(nearest: Option<&str>, known: &[String]) -> String {
    const SHOWN: usize = 10;
    let hint = nearest.map(|nearest| format!("did you mean `{nearest}`? ")).unwrap_or_default();
    let more = known.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{hint}expected an index or one of {}{rest}", quoted(&known[..known.len().min(SHOWN)]))
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
