//! Positions by rotation (Su et al., arXiv:2104.09864).

use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use crate::Result;

/// How positions become angles, as a config's `rope_parameters` (earlier `rope_scaling`) say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub(in crate::model) struct RopeParameters {
    #[serde(default, alias = "type")]
    pub rope_type: RopeType,
    /// The angle at position p of pair i of a head of size d is p / theta^(2i/d).
    pub rope_theta: Option<f64>,
    /// By how much a linear scaling divides the angles.
    pub factor: Option<f64>,
    /// The share of a head that is rotated.
    pub partial_rotary_factor: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::model) enum RopeType {
    #[default]
    Default,
    Linear,
}

impl RopeParameters {
    /// What is wrong with the parameters, which stand under `key`.
    pub fn check(&self, key: &str) -> Result<(), String> {
        if let Some(theta) = self.rope_theta.filter(|theta| *theta <= 0.0) {
            return Err(format!("`{key}.rope_theta` is {theta}; expected more than 0"));
        }
        if let Some(share) = self.partial_rotary_factor.filter(|share| *share != 1.0) {
            return Err(format!(
                "`{key}.partial_rotary_factor` is {share}; only 1 is supported: whole heads are rotated"
            ));
        }
        match (self.rope_type, self.factor) {
            (RopeType::Linear, Some(factor)) if factor > 0.0 => Ok(()),
            (RopeType::Linear, found) => {
                let found = found.map_or("missing".to_owned(), |factor| format!("{factor}"));
                Err(format!("`{key}.factor` is {found}; a linear scaling needs a number above 0"))
            }
            (RopeType::Default, _) => Ok(()),
        }
    }
}

/// Cosines and sines of the angles by which heads are rotated, `[length, size of a head]` each.
#[derive(Debug)]
pub(in crate::model) struct RotaryEmbedding {
    cos: Tensor,
    sin: Tensor,
}

impl RotaryEmbedding {
    /// The angles of positions 0 to `length` − 1 with base `theta`, for heads of `head_size`.
    ///
    /// They are computed in float32, as transformers does, whatever the kind of the heads is: far positions have large
    /// angles, whose rounding there is.
    pub fn new(
        parameters: &RopeParameters,
        theta: f64,
        head_size: i64,
        length: i64,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let options = (Kind::Float, device);
        let exponents = Tensor::f_arange_start_step(0, head_size, 2, options)?.f_div_scalar(head_size)?;
        let mut frequencies = Tensor::f_pow_scalar(theta, &exponents)?.f_reciprocal()?;
        if let (RopeType::Linear, Some(factor)) = (parameters.rope_type, parameters.factor) {
            frequencies = frequencies.f_div_scalar(factor)?;
        }
        let positions = Tensor::f_arange(length, options)?.f_unsqueeze(1)?;
        let angles = positions.f_mul(&frequencies)?;
        let angles = Tensor::f_cat(&[&angles, &angles], 1)?;
        Ok(Self { cos: angles.f_cos()?.f_to_kind(kind)?, sin: angles.f_sin()?.f_to_kind(kind)? })
    }

    /// Queries or keys `[batch, heads, length, size of a head]`, each head rotated by the angle of its position: element i
    /// of its first half is one coordinate and element i of its second half the other.
    pub fn rotate(&self, heads: &Tensor) -> Result<Tensor> {
        let half = heads.size().last().copied().unwrap_or(0) / 2;
        let (first, second) = (heads.f_narrow(-1, 0, half)?, heads.f_narrow(-1, half, half)?);
        let turned = Tensor::f_cat(&[&second.f_neg()?, &first], -1)?;
        Ok(heads.f_mul(&self.cos)?.f_add(&turned.f_mul(&self.sin)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(json: serde_json::Value) -> RopeParameters {
        serde_json::from_value(json).unwrap()
    }

    /// Of a head of size 4 with base 100: at position 3 the first pair turns by 3 and the second by 0.3, with a linear
    /// scaling by 2 by half of that.
    #[test]
    fn pairs_turn_by_their_angles() {
        for (json, share) in
            [(serde_json::json!({}), 1.0_f64), (serde_json::json!({ "type": "linear", "factor": 2.0 }), 0.5)]
        {
            let rope = RotaryEmbedding::new(&parameters(json), 100.0, 4, 5, Kind::Double, Device::Cpu).unwrap();
            let heads = Tensor::from_slice(&[1.0_f64, 2.0, 3.0, 4.0]).view([1, 1, 1, 4]).repeat([1, 1, 5, 1]);
            let rotated = rope.rotate(&heads).unwrap();
            for (pair, angle) in [(0, 3.0 * share), (1, 0.3 * share)] {
                let (x, y) = (pair as f64 + 1.0, pair as f64 + 3.0);
                let found = [rotated.double_value(&[0, 0, 3, pair]), rotated.double_value(&[0, 0, 3, pair + 2])];
                let expected = [x * angle.cos() - y * angle.sin(), y * angle.cos() + x * angle.sin()];
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-6, "pair {pair}: {found}, expected {expected}");
                }
            }
        }
    }

    #[test]
    fn scalings_that_are_not_computed_are_refused() {
        for (json, expected) in [
            (serde_json::json!({ "rope_type": "linear" }), "`rope.factor` is missing"),
            (serde_json::json!({ "partial_rotary_factor": 0.5 }), "`rope.partial_rotary_factor` is 0.5"),
            (serde_json::json!({ "rope_theta": 0.0 }), "`rope.rope_theta` is 0"),
        ] {
            let reason = parameters(json).check("rope").unwrap_err();
            assert!(reason.starts_with(expected), "{reason}");
        }
        let unknown = serde_json::from_value::<RopeParameters>(serde_json::json!({ "rope_type": "yarn" }));
        assert!(unknown.unwrap_err().to_string().contains("yarn"));
    }
}
