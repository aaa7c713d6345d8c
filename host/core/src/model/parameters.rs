use indexmap::IndexMap;
use tch::Tensor;

/// The tensors of a model by name, in the order of its definition.
#[derive(Debug, Default)]
pub struct Parameters {
    tensors: IndexMap<String, Tensor>,
}

impl Parameters {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.tensors.insert(name.into(), tensor);
    }

    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// How many numbers there are in all tensors together.
    pub fn num_elements(&self) -> usize {
        self.tensors.values().map(Tensor::numel).sum()
    }
}
