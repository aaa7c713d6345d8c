use std::fmt;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{CacheDtype, CacheError};
use crate::describe::describe;
use crate::{Feature, Features, Layer};

/// Which tensors of a teacher's features a cache holds, and their shape for one example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layout {
    pub entries: Vec<Entry>,
    /// The lengths of the features' lists, layers that no loss reads included.
    pub hidden: usize,
    pub attention: usize,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub slot: Slot,
    /// Without the batch.
    pub dims: Vec<Dim>,
    pub kind: NumberKind,
}

/// A dimension of an example's tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dim {
    /// As long as the example's tokens, and the batch's when examples are put together.
    Length,
    Fixed(usize),
}

/// What a tensor's elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NumberKind {
    /// Kept in the cache's own form.
    Float,
    Int64,
    Int32,
    Uint8,
    Bool,
}

/// A place in the features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Slot {
    Logits(usize),
    LogitsMask(usize),
    Hidden(usize),
    Attention(usize),
    InputsMask,
    Module(String),
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Slot::Logits(index) => write!(formatter, "logits[{index}]"),
            Slot::LogitsMask(index) => write!(formatter, "logits_mask[{index}]"),
            Slot::Hidden(index) => write!(formatter, "hidden[{index}]"),
            Slot::Attention(index) => write!(formatter, "attention[{index}]"),
            Slot::InputsMask => formatter.write_str("inputs_mask"),
            Slot::Module(name) => formatter.write_str(name),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dim = |dim: &Dim| match dim {
            Dim::Length => "length".to_owned(),
            Dim::Fixed(size) => size.to_string(),
        };
        let kind = match self.kind {
            NumberKind::Float => "float",
            NumberKind::Int64 => "int64",
            NumberKind::Int32 => "int32",
            NumberKind::Uint8 => "uint8",
            NumberKind::Bool => "bool",
        };
        write!(formatter, "{} {kind} [{}]", self.slot, self.dims.iter().map(dim).collect::<Vec<_>>().join(", "))
    }
}

impl NumberKind {
    fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16 => Some(NumberKind::Float),
            Kind::Int64 => Some(NumberKind::Int64),
            Kind::Int => Some(NumberKind::Int32),
            Kind::Uint8 => Some(NumberKind::Uint8),
            Kind::Bool => Some(NumberKind::Bool),
            _ => None,
        }
    }

    /// What tensors made of the cache hold.
    pub fn kind(self) -> Kind {
        match self {
            NumberKind::Float => Kind::Float,
            _ => self.stored(CacheDtype::Float32),
        }
    }

    /// What the cache holds.
    pub fn stored(self, dtype: CacheDtype) -> Kind {
        match self {
            NumberKind::Float => dtype.kind(),
            NumberKind::Int64 => Kind::Int64,
            NumberKind::Int32 => Kind::Int,
            NumberKind::Uint8 => Kind::Uint8,
            NumberKind::Bool => Kind::Bool,
        }
    }
}

/// Features of one batch, and what the batch was.
pub(crate) struct Probe<'a> {
    pub features: &'a Features,
    pub num_examples: usize,
    /// Of the batch, padding included.
    pub length: usize,
}

impl Layout {
    /// Finds out which dimensions are the batch and which the length, from two batches that differ in both. Of the
    /// first batch's layers only those at the positions in `used_layers` are kept.
    pub fn find(
        teacher: &str,
        first: &Probe<'_>,
        second: &Probe<'_>,
        used_layers: &[(Feature, usize)],
    ) -> Result<Self, CacheError> {
        let mut entries = vec![];
        let others = tensors(second.features);
        for (slot, tensor) in tensors(first.features) {
            let layer = match slot {
                Slot::Hidden(index) => Some((Feature::Hidden, index)),
                Slot::Attention(index) => Some((Feature::Attention, index)),
                _ => None,
            };
            if layer.is_some_and(|layer| !used_layers.contains(&layer)) {
                continue;
            }
            let other = others.iter().find(|(other, _)| *other == slot).map(|(_, tensor)| *tensor);
            let dims = other.and_then(|other| dims(tensor, first, other, second));
            let kind = tensor.f_kind().ok().and_then(NumberKind::of);
            let (Some(dims), Some(kind)) = (dims, kind) else {
                let both = [Some(tensor), other].map(|tensor| tensor.map_or("absent".to_owned(), describe));
                let batch = |probe: &Probe<'_>| format!("{} × {} tokens", probe.num_examples, probe.length);
                return Err(CacheError::NotByExample {
                    teacher: teacher.to_owned(),
                    name: slot.to_string(),
                    found: both.join(" and "),
                    batch: format!("{} and {}", batch(first), batch(second)),
                });
            };
            entries.push(Entry { slot, dims, kind });
        }
        Ok(Self { entries, hidden: first.features.hidden.len(), attention: first.features.attention.len() })
    }

    /// The features that the tensors of all entries make.
    pub fn features(&self, tensors: Vec<Tensor>) -> Features {
        let none = |length| (0..length).map(|_| Layer { tensor: None, origin: None }).collect();
        let mut features =
            Features { hidden: none(self.hidden), attention: none(self.attention), ..Features::default() };
        for (entry, tensor) in self.entries.iter().zip(tensors) {
            match &entry.slot {
                Slot::Logits(_) => features.logits.push(tensor),
                Slot::LogitsMask(_) => features.logits_mask.push(tensor),
                Slot::Hidden(layer) => features.hidden[*layer] = tensor.into(),
                Slot::Attention(layer) => features.attention[*layer] = tensor.into(),
                Slot::InputsMask => features.inputs_mask = Some(tensor),
                Slot::Module(name) => {
                    features.modules.insert(name.clone(), tensor);
                }
            }
        }
        features
    }

    /// The tensors of all entries, in their order.
    pub fn tensors<'f>(&self, features: &'f Features) -> Result<Vec<&'f Tensor>, CacheError> {
        let all = tensors(features);
        let find = |entry: &Entry| {
            let found = all.iter().find(|(slot, _)| *slot == entry.slot);
            found.map(|(_, tensor)| *tensor).ok_or_else(|| CacheError::Misfit {
                name: entry.slot.to_string(),
                found: "absent".into(),
                expected: "a tensor, as in the check before step 0".into(),
            })
        };
        self.entries.iter().map(find).collect()
    }

    /// `logits[0] float [2], hidden[3] float [length, 24]`.
    pub fn described(&self) -> String {
        self.entries.iter().map(Entry::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Where the bytes of each of the examples of these lengths begin, and where the last one's end.
    pub fn offsets(&self, lengths: &[usize], dtype: CacheDtype) -> Vec<usize> {
        let ends = lengths.iter().scan(0, |end, &length| {
            *end += self.num_bytes(length, dtype);
            Some(*end)
        });
        std::iter::once(0).chain(ends).collect()
    }

    /// The bytes of an example of `length` tokens.
    pub fn num_bytes(&self, length: usize, dtype: CacheDtype) -> usize {
        self.entries.iter().map(|entry| entry.num_bytes(length, dtype)).sum()
    }
}

impl Entry {
    /// The shape for one example, or batch, of `length` tokens.
    pub fn shape(&self, length: usize) -> Vec<usize> {
        let size = |dim: &Dim| match dim {
            Dim::Length => length,
            Dim::Fixed(size) => *size,
        };
        self.dims.iter().map(size).collect()
    }

    pub fn num_bytes(&self, length: usize, dtype: CacheDtype) -> usize {
        self.shape(length).iter().product::<usize>() * self.kind.stored(dtype).elt_size_in_bytes()
    }
}

/// What a loss reads of a teacher: not its labels and its losses.
fn tensors(features: &Features) -> Vec<(Slot, &Tensor)> {
    fn present(layers: &[Layer]) -> impl Iterator<Item = (usize, &Tensor)> {
        layers.iter().enumerate().filter_map(|(index, layer)| Some((index, layer.tensor.as_ref()?)))
    }
    let mut all = vec![];
    all.extend(features.logits.iter().enumerate().map(|(index, tensor)| (Slot::Logits(index), tensor)));
    all.extend(features.logits_mask.iter().enumerate().map(|(index, tensor)| (Slot::LogitsMask(index), tensor)));
    all.extend(present(&features.hidden).map(|(index, tensor)| (Slot::Hidden(index), tensor)));
    all.extend(present(&features.attention).map(|(index, tensor)| (Slot::Attention(index), tensor)));
    all.extend(features.inputs_mask.iter().map(|tensor| (Slot::InputsMask, tensor)));
    all.extend(features.modules.iter().map(|(name, tensor)| (Slot::Module(name.clone()), tensor)));
    all
}

/// The dimensions behind the batch; `None` if the tensor is not a row for each example.
fn dims(tensor: &Tensor, of: &Probe<'_>, other: &Tensor, of_other: &Probe<'_>) -> Option<Vec<Dim>> {
    let (shape, other) = (tensor.size(), other.size());
    let ([batch, rest @ ..], [other_batch, other_rest @ ..]) = (shape.as_slice(), other.as_slice()) else {
        return None;
    };
    let is_batch = *batch == of.num_examples as i64 && *other_batch == of_other.num_examples as i64;
    if !is_batch || rest.len() != other_rest.len() {
        return None;
    }
    let dim = |(&size, &other): (&i64, &i64)| {
        if size == of.length as i64 && other == of_other.length as i64 {
            return Some(Dim::Length);
        }
        (size == other).then_some(Dim::Fixed(size as usize))
    };
    rest.iter().zip(other_rest).map(dim).collect()
}
