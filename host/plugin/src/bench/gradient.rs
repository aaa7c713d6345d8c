//! The gradients of a loss against what is expected of them.

use tch::{Kind, TchError, Tensor};

use crate::tensor_ops::name_of;

/// Each difference on a line of its own. What is not expected otherwise is there, and finite.
pub(super) fn differences(expected: Option<&[Option<Vec<f64>>]>, found: &[Option<Tensor>]) -> Vec<String> {
    if let Some(expected) = expected.filter(|expected| expected.len() != found.len()) {
        return vec![format!("gradient: expected {} tensors, found {}", expected.len(), found.len())];
    }
    let difference = |(index, found): (usize, &Option<Tensor>)| {
        let expected = expected.map(|expected| &expected[index]);
        let problem = problem(expected, found.as_ref()).unwrap_or_else(|error| Some(error.to_string()));
        problem.map(|problem| format!("gradient of student[{index}]: {problem}"))
    };
    found.iter().enumerate().filter_map(difference).collect()
}

fn problem(expected: Option<&Option<Vec<f64>>>, found: Option<&Tensor>) -> Result<Option<String>, TchError> {
    let (expected, found) = match (expected, found) {
        (Some(None), None) => return Ok(None),
        (Some(None), Some(_)) => return Ok(Some("expected none, found one".to_owned())),
        (_, None) => {
            let why = "the loss is computed without it, or from a detached copy";
            return Ok(Some(format!("expected finite numbers, found none: {why}")));
        }
        (expected, Some(found)) => (expected.and_then(Option::as_ref), found),
    };
    let numbers: Vec<f64> = Vec::try_from(found.f_to_kind(Kind::Double)?.f_reshape([-1])?)?;
    if let Some(place) = numbers.iter().position(|number| !number.is_finite()) {
        return Ok(Some(format!("expected finite numbers, found {} at element {place}", numbers[place])));
    }
    let Some(expected) = expected else { return Ok(None) };
    if expected.len() != numbers.len() {
        return Ok(Some(format!("expected {} numbers, found {}", expected.len(), numbers.len())));
    }
    let is_off = |(found, expected): (&f64, &f64)| (found - expected).abs() > 1e-6 + 1e-4 * expected.abs();
    let place = numbers.iter().zip(expected).position(is_off);
    Ok(place.map(|place| format!("expected {} at element {place}, found {}", expected[place], numbers[place])))
}

/// For people: `float32 [2, 3], norm 0.5`.
pub(super) fn shown(gradients: &[Option<Tensor>]) -> String {
    let one = |gradient: &Option<Tensor>| match gradient {
        Some(gradient) => {
            let norm = gradient.f_norm().and_then(|norm| norm.f_double_value(&[]));
            let norm = norm.map_or_else(|error| error.to_string(), |norm| format!("{norm:.6}"));
            format!("{} {:?}, norm {norm}", name_of(gradient.kind()), gradient.size())
        }
        None => "none".to_owned(),
    };
    gradients.iter().map(one).collect::<Vec<_>>().join("; ")
}
