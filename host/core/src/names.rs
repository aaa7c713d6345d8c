//! Words in messages: names that people mistype, and values that are of another kind than expected.

/// ` (did you mean …?)` where a known name is close.
pub(crate) fn nearest(name: &str, known: &[impl AsRef<str>]) -> String {
    known
        .iter()
        .map(AsRef::as_ref)
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| format!(" (did you mean `{candidate}`?)"))
        .unwrap_or_default()
}

/// What serde says of a value of the wrong kind, without the names of Rust's types: `found string "three"; expected a
/// whole number`. Other messages are returned as they are.
pub(crate) fn in_words(message: &str) -> String {
    let kinds = message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: "));
    let Some((found, expected)) = kinds.and_then(|kinds| kinds.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    let found = match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        other => other.replace("floating point", "number"),
    };
    let expected = match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number of at least 0",
        "a nonzero usize" | "a nonzero u64" | "a nonzero u32" => "a whole number of at least 1",
        "isize" | "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "path string" => "a path",
        "a map" => "an object",
        other if other.starts_with("struct ") || other.contains("tagged enum ") => "an object",
        other => other,
    };
    format!("found {found}; expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_values_are_named_without_rust() {
        let messages = [
            (
                "invalid type: string \"three\", expected usize",
                "found string \"three\"; expected a whole number of at least 0",
            ),
            (
                "invalid value: integer `0`, expected a nonzero usize",
                "found integer `0`; expected a whole number of at least 1",
            ),
            ("invalid type: map, expected a sequence", "found an object; expected a list"),
            (
                "invalid type: floating point `0.5`, expected struct DataConfig",
                "found number `0.5`; expected an object",
            ),
            ("missing field `train`", "missing field `train`"),
        ];
        for (serde, words) in messages {
            assert_eq!(in_words(serde), words);
        }
    }
}
