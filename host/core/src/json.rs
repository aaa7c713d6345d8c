//! JSON that people write: stricter than serde_json, with messages in plain words.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads a JSON text. A byte order mark before it is skipped: editors on Windows write one.
///
/// # Errors
/// Besides broken JSON, a key that an object has twice. serde_json takes the last value without a word.
pub fn parse(text: &[u8]) -> serde_json::Result<Value> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    serde_json::from_slice(text).map(|Strict(value)| value)
}

/// A value in which every object has each key once.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = vec![];
        while let Some(Strict(element)) = elements.next_element()? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(Error::custom(format_args!("the key `{key}` is there twice; remove one of the two")));
            }
            let Strict(value) = entries.next_value()?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// A message of serde about a value of the wrong type, without the names of Rust's types:
/// `the text "three"; expected a whole number, 0 or more`. Other messages stay as they are.
pub(crate) fn in_plain_words(message: &str) -> String {
    let wrong = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let wrong = wrong.and_then(|wrong| wrong.rsplit_once(", expected "));
    match (wrong, message.rsplit_once(", expected ")) {
        (Some((found, expected)), _) => format!("{}; expected {}", found_value(found), expected_type(expected)),
        (None, Some((found, expected))) if message.starts_with("invalid length ") => {
            format!("{found}; expected {}", expected_type(expected))
        }
        _ => message.to_owned(),
    }
}

fn found_value(found: &str) -> String {
    match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "boolean", value)) => value.trim_matches('`').to_owned(),
        Some(("floating", value)) => value.trim_start_matches("point ").trim_matches('`').to_owned(),
        _ => match found {
            "sequence" => "a list".to_owned(),
            "map" => "an object".to_owned(),
            "unit value" => "null".to_owned(),
            other => other.to_owned(),
        },
    }
}

fn expected_type(expected: &str) -> String {
    let plain = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "a nonzero u32" | "a nonzero usize" => "a whole number, 1 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string or map" => "a text",
        "path string" => "a path",
        "a sequence" => "a list",
        "a map" => "an object",
        other => match other.strip_prefix("a tuple of size ") {
            Some(size) => return format!("a list of {size}"),
            None if other.starts_with("struct ") || other.starts_with("internally tagged enum ") => "an object",
            None => other,
        },
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e300..1e300).prop_map(|number: f64| Value::from(number)),
            ".{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(".{0,3}", inner, 0..4)
                    .prop_map(|object| Value::Object(object.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_reads(value in values(), has_mark: bool) {
            let plain = value.to_string();
            let text = format!("{}{plain}", if has_mark { "\u{feff}" } else { "" });
            // Not `value` itself: serde_json reads a float to its last bit only with a feature.
            prop_assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(&plain).unwrap());
        }
    }

    #[test]
    fn a_key_that_is_there_twice_comes_with_its_line() {
        let text = "{\n  \"a\": { \"b\": 1 },\n  \"c\": [{ \"b\": 1,\n  \"b\": 2 }]\n}";
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("the key `b` is there twice") && error.contains("at line 4 column"), "{error}");
    }

    #[test]
    fn types_are_named_in_plain_words() {
        let message = |error: serde_json::Error| in_plain_words(&error.to_string());
        let number = serde_json::from_value::<usize>(json!("three")).unwrap_err();
        assert_eq!(message(number), r#"the text "three"; expected a whole number, 0 or more"#);
        let negative = serde_json::from_value::<usize>(json!(-1)).unwrap_err();
        assert_eq!(message(negative), "-1; expected a whole number, 0 or more");
        let zero = serde_json::from_value::<std::num::NonZeroUsize>(json!(0)).unwrap_err();
        assert_eq!(message(zero), "0; expected a whole number, 1 or more");
        let list = serde_json::from_value::<Vec<i64>>(json!({})).unwrap_err();
        assert_eq!(message(list), "an object; expected a list");
        let pair = serde_json::from_value::<(f64, f64)>(json!([1])).unwrap_err();
        assert_eq!(message(pair), "invalid length 1; expected a list of 2");
        let float = serde_json::from_value::<bool>(json!(1.5)).unwrap_err();
        assert_eq!(message(float), "1.5; expected true or false");
        let null = serde_json::from_value::<String>(json!(null)).unwrap_err();
        assert_eq!(message(null), "null; expected a text");
    }
}
