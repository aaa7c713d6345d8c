use std::convert::Infallible;
use std::fmt;

use indexmap::IndexMap;
use tch::{Device, Tensor};

use crate::describe::describe;
use crate::{Layers, Result};

/// What an adaptor returns: the tensors that the losses are computed from, under TextBrewer's keys. Each may be
/// absent (an empty list), not all of them.
#[derive(Debug, Default)]
pub struct Features {
    /// `[batch, labels]` or `[batch, length, labels]` each, before any softmax.
    pub logits: Vec<Tensor>,
    /// `[batch, length]` each, 1 where the logits of `[batch, length, labels]` count; one for all logits, or one for
    /// each.
    pub logits_mask: Vec<Tensor>,
    /// `[batch]` or `[batch, length]` each, integers, one for each of `logits`; floats of the logits' shape where an example
    /// has several classes or numbers.
    pub labels: Vec<Tensor>,
    /// Losses that the model or the adaptor computed; each is averaged to a scalar, then they are summed.
    pub losses: Vec<Tensor>,
    /// `[batch, length, hidden]` each: the hidden states that a match selects by its position in this list.
    pub hidden: Layers,
    /// `[batch, heads, length, length]` each: the attention maps that a match selects by position.
    pub attention: Layers,
    /// `[batch, length]`, 1 for tokens and 0 for padding: the mask of every match.
    pub inputs_mask: Option<Tensor>,
    /// The outputs of modules that custom matches compare, by the module's name. Not the adaptor's: the engine takes
    /// them from the model.
    pub modules: IndexMap<String, Tensor>,
}

/// What is the same for every batch in the features that an adaptor returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeaturesForm {
    /// The dimensions and classes of each.
    pub logits: Vec<(usize, i64)>,
    pub losses: usize,
}

/// The keys of [`Features`] from which an intermediate match selects layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Hidden states, `[batch, length, hidden]`.
    Hidden,
    /// Attention probabilities, `[batch, heads, length, length]`.
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

    /// The same tensors under other handles.
    pub fn shallow_clone(&self) -> Self {
        let Ok(clone) = self.map(|tensor| Ok::<_, Infallible>(tensor.shallow_clone()));
        clone
    }

    /// The same features on `device`; tensors that are there already are shared, not copied.
    pub fn to_device(&self, device: Device) -> Result<Self> {
        self.map(|tensor| Ok(tensor.f_to_device(device)?))
    }

    fn map<E>(&self, change: impl Fn(&Tensor) -> Result<Tensor, E>) -> Result<Self, E> {
        let list = |tensors: &[Tensor]| tensors.iter().map(&change).collect::<Result<Vec<_>, E>>();
        let layers = |layers: &Layers| -> Result<Layers, E> {
            layers.iter().map(|layer| layer.as_ref().map(&change).transpose()).collect()
        };
        let modules = self.modules.iter().map(|(name, tensor)| Ok((name.clone(), change(tensor)?)));
        Ok(Self {
            logits: list(&self.logits)?,
            logits_mask: list(&self.logits_mask)?,
            labels: list(&self.labels)?,
            losses: list(&self.losses)?,
            hidden: layers(&self.hidden)?,
            attention: layers(&self.attention)?,
            inputs_mask: self.inputs_mask.as_ref().map(&change).transpose()?,
            modules: modules.collect::<Result<_, E>>()?,
        })
    }

    /// The tensors through which a loss reaches the model.
    pub(crate) fn differentiable(&self) -> impl Iterator<Item = &Tensor> {
        let layers = self.hidden.iter().chain(&self.attention).flatten();
        let tensors = self.logits.iter().chain(&self.losses).chain(layers).chain(self.modules.values());
        tensors.filter(|tensor| tensor.requires_grad())
    }

    /// What is the same for every batch: how many tensors of logits there are and of how many dimensions and classes, and
    /// how many losses.
    pub(crate) fn form(&self) -> FeaturesForm {
        let of_logits = |logits: &Tensor| {
            let size = logits.size();
            (size.len(), size.last().copied().unwrap_or_default())
        };
        FeaturesForm { logits: self.logits.iter().map(of_logits).collect(), losses: self.losses.len() }
    }

    /// What there is under each key, for people: `logits` and `float32 [32, 2]`, `hidden` and
    /// `7 × float32 [32, 41, 384]`.
    pub fn summary(&self) -> Vec<(&'static str, String)> {
        let of_list = |tensors: Vec<&Tensor>, length: usize| match tensors.first() {
            Some(first) if length == 1 => describe(first),
            Some(first) => format!("{length} × {}", describe(first)),
            None => format!("{length}, none of them used"),
        };
        let lists = [
            ("logits", self.logits.iter().collect(), self.logits.len()),
            ("logits_mask", self.logits_mask.iter().collect(), self.logits_mask.len()),
            ("labels", self.labels.iter().collect(), self.labels.len()),
            ("losses", self.losses.iter().collect(), self.losses.len()),
            ("hidden", self.hidden.iter().flatten().collect(), self.hidden.len()),
            ("attention", self.attention.iter().flatten().collect(), self.attention.len()),
            ("inputs_mask", self.inputs_mask.iter().collect(), usize::from(self.inputs_mask.is_some())),
        ];
        let present = lists.into_iter().filter(|(_, _, length)| *length > 0);
        present.map(|(key, tensors, length): (_, Vec<&Tensor>, _)| (key, of_list(tensors, length))).collect()
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
