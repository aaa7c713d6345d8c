use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
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
        Ok(Box::new(Lines { path: path.to_owned(), reader, line: 0, end: 0, parsed: VecDeque::new(), is_done: false }))
    }
}

/// How many lines are parsed together, and how many bytes at most: enough to keep all cores at work.
const CHUNK_LINES: usize = 1024;
const CHUNK_BYTES: usize = 4 << 20;

/// A line that is longer, in bytes, is no row: a whole file on one line.
const LONGEST_LINE: u64 = 256 << 20;

struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    /// The number and the end of the last line read.
    line: u64,
    end: u64,
    /// Rows that nobody has asked for yet.
    parsed: VecDeque<Result<Row, DataError>>,
    /// Whether the file has ended, or failed.
    is_done: bool,
}

struct Line {
    number: u64,
    end: u64,
    text: Vec<u8>,
}

impl Iterator for Lines {
    type Item = Result<Row, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.parsed.is_empty() && !self.is_done {
            self.parse_chunk();
        }
        let row = self.parsed.pop_front();
        if matches!(row, Some(Err(_))) {
            self.parsed.clear();
            self.is_done = true;
        }
        row
    }
}

impl Lines {
    /// Reads some lines and parses them on all cores.
    fn parse_chunk(&mut self) {
        let (mut lines, mut size, mut failure) = (vec![], 0, None);
        while lines.len() < CHUNK_LINES && size < CHUNK_BYTES && !self.is_done {
            match self.read_line() {
                Ok(Some(line)) => {
                    size += line.text.len();
                    lines.push(line);
                }
                Ok(None) => self.is_done = true,
                Err(error) => {
                    failure = Some(Err(error));
                    self.is_done = true;
                }
            }
        }
        let path = &self.path;
        let rows: Vec<_> = lines.into_par_iter().filter_map(|line| line.parse(path).transpose()).collect();
        self.parsed.extend(rows.into_iter().chain(failure));
    }

    fn read_line(&mut self) -> Result<Option<Line>, DataError> {
        let mut text = Vec::new();
        let read = (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut text);
        if read.map_err(|source| DataError::Read { path: self.path.clone(), source })? == 0 {
            return Ok(None);
        }
        self.line += 1;
        if text.len() as u64 == LONGEST_LINE && text.last() != Some(&b'\n') {
            return Err(DataError::row(&self.path, self.line, RowError::LongLine { limit: LONGEST_LINE >> 20 }));
        }
        self.end += text.len() as u64;
        Ok(Some(Line { number: self.line, end: self.end, text }))
    }
}

impl Line {
    /// The row; `None` if the line is blank.
    fn parse(&self, path: &Path) -> Result<Option<Row>, DataError> {
        // Editors on Windows put a byte order mark before the first line.
        let text = self.text.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.number == 1).unwrap_or(&self.text);
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        let columns = parse(text).map_err(|problem| DataError::row(path, self.number, problem))?;
        Ok(Some(Row { line: self.number, end: self.end, columns }))
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
