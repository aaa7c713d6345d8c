//! Text in columns: what lines up, what wraps on a narrow terminal, and numbers as people read them.

use console::measure_text_width;

/// Rows of at least this many columns are wrapped under their last column; narrower ones are unreadable.
const MIN_COLUMN: usize = 30;

/// The rows with every column but the last padded to its widest cell, two spaces between columns.
pub fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let starts = column_starts(rows);
    rows.iter().map(|row| padded(row, &starts).trim_end().to_owned()).collect()
}

/// The cells, each at the start of its column.
fn padded(row: &[String], starts: &[usize]) -> String {
    let mut line = String::new();
    for (cell, start) in row.iter().zip(starts) {
        line += &" ".repeat(start - measure_text_width(&line));
        line += cell;
    }
    line
}

/// Where each column begins.
fn column_starts(rows: &[Vec<String>]) -> Vec<usize> {
    let num_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut starts = vec![0];
    for column in 0..num_columns {
        let cells = rows.iter().filter_map(|row| row.get(column));
        starts.push(starts[column] + cells.map(|cell| measure_text_width(cell)).max().unwrap_or(0) + 2);
    }
    starts
}

/// Each row as the lines that it takes within `width`. Columns line up where all rows fit. Otherwise the last column
/// wraps below itself, or, where that leaves it too narrow, the cells of a row follow each other.
pub fn laid_out(rows: &[Vec<String>], width: Option<usize>) -> Vec<Vec<String>> {
    let whole = aligned(rows);
    let Some(width) = width.filter(|width| whole.iter().any(|line| measure_text_width(line) > *width)) else {
        return whole.into_iter().map(|line| vec![line]).collect();
    };
    let starts = column_starts(rows);
    match starts.as_slice() {
        [.., last_start, _] if last_start + MIN_COLUMN <= width => {
            rows.iter().map(|row| wrapped_below_last(row, &starts, *last_start, width)).collect()
        }
        _ => rows.iter().map(|row| flowing(row, width)).collect(),
    }
}

fn wrapped_below_last(row: &[String], starts: &[usize], last_start: usize, width: usize) -> Vec<String> {
    let Some((last, head)) = row.split_last().filter(|_| row.len() + 1 == starts.len()) else {
        return flowing(row, width);
    };
    let head = padded(head, starts);
    let mut lines = filled(last, width - last_start);
    for (index, line) in lines.iter_mut().enumerate() {
        let before = if index == 0 { head.as_str() } else { "" };
        *line = format!("{before}{}{line}", " ".repeat(last_start - measure_text_width(before)));
    }
    lines
}

/// The cells one after the other, as many on a line as it has room for, and those that are longer than a line wrapped.
fn flowing(row: &[String], width: usize) -> Vec<String> {
    const INDENT: usize = 2;
    let mut lines: Vec<String> = vec![];
    for cell in row {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 2 + measure_text_width(cell) <= width => {
                *line += "  ";
                *line += cell;
            }
            Some(_) => {
                let indented = filled(cell, width.saturating_sub(INDENT));
                lines.extend(indented.iter().map(|line| format!("{}{line}", " ".repeat(INDENT))));
            }
            None => lines = filled(cell, width),
        }
    }
    lines
}

/// A line wrapped at words. What follows stands below the text behind the line's first wide gap, as in a list of
/// options, or else below the line's first word.
pub fn wrapped(line: &str, width: usize) -> Vec<String> {
    if measure_text_width(line) <= width {
        return vec![line.to_owned()];
    }
    let text = line.trim_start();
    let leading = line.len() - text.len();
    let gap = text.find("  ").map(|gap| line.len() - text[gap..].trim_start().len());
    let head = match gap {
        Some(gap) if measure_text_width(&line[..gap]) + MIN_COLUMN <= width => gap,
        _ if leading + MIN_COLUMN <= width => leading,
        _ => 0,
    };
    let (head, rest) = line.split_at(head);
    let hang = measure_text_width(head);
    let hanging =
        |(index, line): (usize, &str)| if index == 0 { format!("{head}{line}") } else { " ".repeat(hang) + line };
    filled(rest, width - hang).iter().map(String::as_str).enumerate().map(hanging).collect()
}

/// The words of a text on lines of `width` columns, at least one. A path longer than a line is shortened; any other
/// long word has a line of its own.
fn filled(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![];
    let mut line = String::new();
    for word in text.split(' ').map(|word| shortened(word, width)) {
        if !line.is_empty() && measure_text_width(&line) + 1 + measure_text_width(&word) > width {
            lines.push(std::mem::replace(&mut line, word));
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line += &word;
        }
    }
    lines.push(line);
    lines
}

/// A path that is longer than `width` with its middle left out; other words as they are.
fn shortened(word: &str, width: usize) -> String {
    let length = word.chars().count();
    if length <= width || !word.contains('/') || word.contains('\u{1b}') {
        return word.to_owned();
    }
    let kept = width.saturating_sub(1);
    let start: String = word.chars().take(kept / 3).collect();
    let end: String = word.chars().skip(length - (kept - kept / 3)).collect();
    format!("{start}…{end}")
}

/// `1 example`, `1,234 examples`, `2 batches`.
pub fn counted(number: usize, what: &str) -> String {
    let ending = match number {
        1 => "",
        _ if what.ends_with("tch") => "es",
        _ => "s",
    };
    format!("{} {what}{ending}", grouped(number))
}

/// `1,234,567`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `15.6 M`, `1.2 k`, `17`.
pub fn magnitude(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{:.1} k", number as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} M", number as f64 / 1e6),
        _ => format!("{:.2} G", number as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([7, 1_234, 1_234_567].map(grouped), ["7", "1,234", "1,234,567"]);
        assert_eq!([17, 1_240, 15_610_000].map(magnitude), ["17", "1.2 k", "15.6 M"]);
        assert_eq!([0, 1, 1_234].map(|number| counted(number, "epoch")), ["0 epochs", "1 epoch", "1,234 epochs"]);
        assert_eq!([1, 2].map(|number| counted(number, "batch")), ["1 batch", "2 batches"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [row(&["a", "x"]), row(&["long", "y"])];
        assert_eq!(aligned(&rows), ["a     x", "long  y"]);
        assert_eq!(laid_out(&rows, Some(7)), [["a     x"], ["long  y"]]);
    }

    #[test]
    fn the_last_column_wraps_at_words_below_itself() {
        let text = "one two three four five six seven eight nine";
        let lines = laid_out(&[row(&["label", text])], Some(40));
        assert_eq!(lines, [["label  one two three four five six seven", "       eight nine"]]);
    }

    #[test]
    fn cells_follow_each_other_where_columns_have_no_room() {
        let rows = [row(&["models/teacher", "BertForSequenceClassification", "12 × 768", "109.5 M parameters"])];
        let lines = ["models/teacher", "  BertForSequenceClassification  12 × 768", "  109.5 M parameters"];
        assert_eq!(laid_out(&rows, Some(44)), [lines]);
        for width in [60, 80] {
            for lines in laid_out(&rows, Some(width)) {
                assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{lines:?}");
            }
        }
    }

    #[test]
    fn a_long_path_loses_its_middle_and_a_long_word_nothing() {
        let path = "/home/somebody/experiments/distillation/teacher";
        assert_eq!(laid_out(&[row(&[path])], Some(20)), [["/home/…ation/teacher"]]);
        let digest = "0123456789abcdef0123456789abcdef";
        assert_eq!(laid_out(&[row(&["sha256", digest])], Some(20)), [["sha256", &format!("  {digest}")]]);
    }

    #[test]
    fn lines_wrap_below_their_text() {
        let option = "  --config <FILE>  The experiment file, JSON or TOML, which is experiment.json by default";
        assert_eq!(
            wrapped(option, 60),
            [
                "  --config <FILE>  The experiment file, JSON or TOML, which",
                "                   is experiment.json by default"
            ]
        );
        assert_eq!(wrapped("error: one two", 12), ["error: one", "two"]);
        assert_eq!(wrapped("  a  b", 80), ["  a  b"]);
    }
}
