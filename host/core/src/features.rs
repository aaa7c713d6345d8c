use std::fmt;

use tch::Tensor;

use crate::Layers;

/// What an adaptor returns: the tensors that the losses are computed from, under TextBrewer's keys. Each may be
/// absent (an empty list), not all of them.
#[derive(Debug, Default)]
pub struct Features {
    /// `[batch, labels]` or `[batch, length, labels]` each, before any softmax.
    pub logits: Vec<Tensor>,
    /// `[batch, length]` each, 1 where the logits of `[batch, length, labels]` count; one for all logits, or one for
    /// each.
    pub logits_mask: Vec<Tensor>,
    /// `[batch]` or `[batch, length]` each, integers, one for each of `logits`.
    pub labels: Vec<Tensor>,
    /// Losses that the model or the adaptor computed; each is averaged to a scalar, then they are summed.
    pub losses: Vec<Tensor>,
    /// `[batch, length, hidden]` each: the hidden states that a match selects by its position in this list.
    pub hidden: Layers,
    /// `[batch, heads, length, length]` each: the attention maps that a match selects by position.
    pub attention: Layers,
    /// `[batch, length]`, 1 for tokens and 0 for padding: the mask of every match.
    pub inputs_mask: Option<Tensor>,
}

/// The keys of [`Features`] from which an intermediate match selects layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    Hidden,
    Attention,
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Feature::Hidden => "hidden",
            Feature::Attention => "attention",
        })
    }
}

impl Features {
    /// The layers of one feature.
    pub fn layers(&self, feature: Feature) -> &Layers {
        match feature {
            Feature::Hidden => &self.hidden,
            Feature::Attention => &self.attention,
        }
    }

    /// Whether the adaptor returned nothing at all.
    pub fn is_empty(&self) -> bool {
        self.logits.is_empty()
            && self.logits_mask.is_empty()
            && self.labels.is_empty()
            && self.losses.is_empty()
            && self.hidden.is_empty()
            && self.attention.is_empty()
            && self.inputs_mask.is_none()
    }
}
