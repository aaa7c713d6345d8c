//! What came back against what was expected.

use serde_json::Value;

use crate::trial::{Case, Returned};

/// Each difference on a line of its own: `logits: expected float32 [2, 3], found float32 [3, 2]`.
pub(super) fn differences(case: &Case, outcome: Result<&Vec<Returned>, &String>) -> Vec<String> {
    let returned = match (outcome, &case.error) {
        (Err(message), Some(expected)) if message.contains(expected) => return vec![],
        (Err(message), Some(expected)) => {
            return vec![format!("expected an error with `{expected}`, found: {message}")];
        }
        (Err(_), None) => return vec!["expected no error".to_owned()],
        (Ok(_), Some(expected)) => return vec![format!("expected an error with `{expected}`, found none")],
        (Ok(returned), None) => returned,
    };
    let mut differences = vec![];
    for (key, expected) in &case.expect {
        let found = returned.iter().find(|found| found.key == *key);
        let shown = match expected {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match found {
            Some(found) if is_as_expected(found, expected) => {}
            Some(found) => differences.push(format!("{key}: expected {shown}, found {}", found.text)),
            None => differences.push(format!("{key}: expected {shown}, found nothing")),
        }
    }
    // A case that expects anything expects nothing else.
    for found in returned.iter().filter(|found| !case.expect.is_empty() && !case.expect.contains_key(&found.key)) {
        differences.push(format!("{}: expected nothing, found {}", found.key, found.text));
    }
    differences
}

fn is_as_expected(found: &Returned, expected: &Value) -> bool {
    match (expected, found.number) {
        (Value::Number(expected), Some(found)) => {
            let expected = expected.as_f64().unwrap_or(f64::NAN);
            (found - expected).abs() <= 1e-6 + 1e-4 * expected.abs()
        }
        (Value::String(expected), _) => *expected == found.text,
        _ => false,
    }
}
