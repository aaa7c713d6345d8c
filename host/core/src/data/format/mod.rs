//! File formats: from a file to rows, one at a time. A new format is a file that implements [`Format`] and a line in
//! [`FORMATS`].

mod jsonl;

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use super::DataError;

/// One example as its file has it.
pub(super) struct Row {
    /// Counted from 1.
    pub line: u64,
    /// How many bytes of the file go up to its end.
    pub end: u64,
    pub columns: Map<String, Value>,
}

/// The rows of a file in order. After an error nothing more is read.
pub(super) type Rows = Box<dyn Iterator<Item = Result<Row, DataError>>>;

trait Format: Sync {
    /// How names of such files end, without the dot.
    fn endings(&self) -> &[&str];

    /// Starts to read a file. Rows are read when they are asked for.
    fn open(&self, path: &Path) -> Result<Rows, DataError>;
}

const FORMATS: &[&dyn Format] = &[&jsonl::Jsonl];

/// The rows of a file in the format that its ending tells.
pub(super) fn open(path: &Path) -> Result<Rows, DataError> {
    let unread = |source| DataError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(unread)?.is_dir() {
        return Err(unread(io::ErrorKind::IsADirectory.into()));
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let format = FORMATS.iter().find(|format| format.endings().contains(&ending.as_str()));
    let format = format.ok_or_else(|| DataError::Format { path: path.to_owned(), supported: supported() })?;
    format.open(path)
}

fn supported() -> String {
    let endings = FORMATS.iter().flat_map(|format| format.endings());
    endings.map(|ending| format!(".{ending}")).collect::<Vec<_>>().join(" or ")
}
