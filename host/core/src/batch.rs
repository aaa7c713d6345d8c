use indexmap::IndexMap;
use tch::{Device, Tensor};

use crate::Result;

/// What the loader hands to a model: tensors by name, in the order in which they were inserted. The first dimension
/// of every tensor is the batch: `input_ids` and `attention_mask` are `[batch, length]`, `labels` is what the model's
/// [`Task`](crate::Task) makes of them.
#[derive(Debug, Default)]
pub struct Batch {
    tensors: IndexMap<String, Tensor>,
}

impl Batch {
    /// A batch without columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a tensor under a name, in place of one that was there.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.tensors.insert(name.into(), tensor);
    }

    /// The column of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The same batch without the tensor of that name.
    pub fn without(&self, name: &str) -> Batch {
        self.iter().filter(|(other, _)| *other != name).map(|(name, tensor)| (name, tensor.shallow_clone())).collect()
    }

    /// The names of its columns, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Its columns by name, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// How many examples the batch holds: the first dimension of its first tensor, 0 when there is none.
    pub fn len(&self) -> usize {
        self.tensors.values().next().and_then(|tensor| tensor.size().first().copied()).unwrap_or(0) as usize
    }

    /// Whether it holds no example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same batch on `device`; tensors that are there already are shared, not copied.
    pub fn to_device(&self, device: Device) -> Result<Batch> {
        let tensors = self
            .tensors
            .iter()
            .map(|(name, tensor)| Ok((name.clone(), tensor.f_to_device(device)?)))
            .collect::<Result<_>>()?;
        Ok(Batch { tensors })
    }
}

impl<N: Into<String>> FromIterator<(N, Tensor)> for Batch {
    fn from_iter<I: IntoIterator<Item = (N, Tensor)>>(tensors: I) -> Self {
        Batch { tensors: tensors.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect() }
    }
}
