use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Format, Row, Rows};
use crate::data::value::describe;
use crate::data::{DataError, RowError};
use crate::json;

/// JSON Lines: one object a line. Blank lines are passed over.
pub(super) struct Jsonl;

impl Format for Jsonl {
    fn endings(&self) -> &[&str] {
        &["jsonl", "json"]
    }

    fn open(&self, path: &Path) -> Result<Rows, DataError> {
        let file = File::open(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        let reader = BufReader::with_capacity(1 << 16, file);
        Ok(Box::new(Lines { path: path.to_owned(), reader, buffer: Vec::new(), line: 0, failed: false }))
    }
}

struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    line: u64,
    failed: bool,
}

impl Iterator for Lines {
    type Item = Result<Row, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.read().transpose();
        self.failed = matches!(row, Some(Err(_)));
        row
    }
}

impl Lines {
    fn read(&mut self) -> Result<Option<Row>, DataError> {
        loop {
            self.buffer.clear();
            let read = self.reader.read_until(b'\n', &mut self.buffer);
            if read.map_err(|source| DataError::Read { path: self.path.clone(), source })? == 0 {
                return Ok(None);
            }
            self.line += 1;
            let is_first = self.line == 1;
            // Editors on Windows put a byte order mark before the first line.
            let line = self.buffer.strip_prefix(b"\xef\xbb\xbf").filter(|_| is_first).unwrap_or(&self.buffer);
            if !line.trim_ascii().is_empty() {
                let columns = parse(line).map_err(|problem| DataError::row(&self.path, self.line, problem))?;
                return Ok(Some(Row { line: self.line, columns }));
            }
        }
    }
}

fn parse(line: &[u8]) -> Result<Map<String, Value>, RowError> {
    let line = str::from_utf8(line).map_err(|error| RowError::Utf8 { byte: error.valid_up_to() + 1 })?;
    let value = json::parse(line.trim_end().as_bytes()).map_err(|error| {
        // The message ends with a position whose line is always 1, the row's own.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        RowError::Json { column: error.column(), message }
    })?;
    match value {
        Value::Object(columns) => Ok(columns),
        other => Err(RowError::NotAnObject { found: describe(&other) }),
    }
}
