//! A stranger's text made fit for people: what a plugin, its manifest or a file's name says can neither move the cursor
//! nor pass for what the host prints.

/// The most of a message that an error repeats, in bytes.
const MESSAGE_BYTES: usize = 4096;

/// The most of a name that a sentence holds, in bytes.
const NAME_BYTES: usize = 128;

/// What comes before every line of a message but the first: no line of the host's begins so.
const INDENT: &str = "    ";

/// The text on one line: line breaks, control characters, marks that change the direction of writing, and all that is
/// invisible are escaped as in Rust (`\n`, `\u{202e}`).
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for symbol in text.chars() {
        if is_shown(symbol) {
            shown.push(symbol);
        } else {
            shown.extend(symbol.escape_default());
        }
    }
    shown
}

/// The text with its line breaks, in which every other line break, control character and invisible character is escaped
/// and all lines but the first are indented.
pub fn printable_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\t', INDENT);
    text.split('\n').map(printable).collect::<Vec<_>>().join(&format!("\n{INDENT}"))
}

/// A text as JSON, in which what [`printable`] escapes is escaped as JSON does it: the same value when it is read.
pub fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for symbol in json.chars() {
        if symbol == '\n' || is_shown(symbol) {
            shown.push(symbol);
        } else {
            shown.extend(symbol.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    shown
}

/// A plugin's message, cut where it is too long.
pub(crate) fn clean(text: &str) -> String {
    cut(text, MESSAGE_BYTES)
}

/// A name that a plugin gave, as it stands in a sentence: on one line, and short.
pub(crate) fn clean_name(name: &str) -> String {
    shortened(name, NAME_BYTES, printable)
}

/// Like [`clean`] with another length, in bytes.
pub(crate) fn cut(text: &str, bytes: usize) -> String {
    shortened(text, bytes, printable_lines)
}

fn shortened(text: &str, bytes: usize, shown: fn(&str) -> String) -> String {
    let end = text.floor_char_boundary(bytes);
    let mut short = shown(&text[..end]);
    if end < text.len() {
        short.push_str(" …");
    }
    short
}

/// Whether a character is seen as itself. Rust escapes what Unicode calls control, format, private, unassigned and
/// separating; marks that join a letter are shown with it.
fn is_shown(symbol: char) -> bool {
    /// Letters and marks that have no shape: fillers, variation selectors, the empty pattern of Braille.
    const BLANK: [std::ops::RangeInclusive<char>; 9] = [
        '\u{34f}'..='\u{34f}',
        '\u{115f}'..='\u{1160}',
        '\u{17b4}'..='\u{17b5}',
        '\u{180b}'..='\u{180f}',
        '\u{2800}'..='\u{2800}',
        '\u{3164}'..='\u{3164}',
        '\u{fe00}'..='\u{fe0f}',
        '\u{ffa0}'..='\u{ffa0}',
        '\u{e0100}'..='\u{e01ef}',
    ];
    if matches!(symbol, ' '..='~') {
        return true;
    }
    // A mark is escaped where it stands first, so it stands behind a letter here.
    let is_escaped = format!("a{symbol}").escape_debug().count() > 2;
    !is_escaped && !BLANK.iter().any(|range| range.contains(&symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\r\n\tc\u{9b}\0"), r"a\u{1b}[2Jb\r\n\tc\u{9b}\u{0}");
        assert_eq!(printable("evil\u{202e}gpj.exe\u{2066}"), r"evil\u{202e}gpj.exe\u{2066}");
        for hidden in ['\u{200b}', '\u{200d}', '\u{feff}', '\u{ad}', '\u{a0}', '\u{2028}', '\u{e0041}', '\u{3164}'] {
            assert_eq!(printable(&hidden.to_string()), format!("\\u{{{:x}}}", u32::from(hidden)));
        }
        assert_eq!(
            printable("Zoë, Łukasz, 李, e\u{301}, กำ, 😀, \"C:\\x\""),
            "Zoë, Łukasz, 李, e\u{301}, กำ, 😀, \"C:\\x\""
        );
    }

    #[test]
    fn a_line_of_a_plugin_is_none_of_the_hosts() {
        assert_eq!(
            printable_lines("first\nerror: second\r\n\tthird\rx"),
            "first\n    error: second\n        third\\rx"
        );
        assert_eq!(clean_name("a\nb\u{1b}"), r"a\nb\u{1b}");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let text = serde_json::to_string_pretty(&serde_json::json!({ "name": "a\u{202e}b\u{e0041}\u{7f}ä" })).unwrap();
        let shown = printable_json(&text);
        assert!(shown.contains(r"a\u202eb\udb40\udc41\u007fä"), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        );
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("aäö", 2), "a …");
        assert_eq!(cut("aäö", 5), "aäö");
        assert!(clean_name(&"long".repeat(1000)).len() < 200);
    }
}
