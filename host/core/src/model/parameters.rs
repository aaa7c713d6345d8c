use indexmap::IndexMap;
use tch::Tensor;

/// The tensors of a model by name, in the order of its definition. Tied parameters are one tensor, which has a name of
/// its own and others besides.
#[derive(Debug, Default)]
pub struct Parameters {
    tensors: IndexMap<String, Tensor>,
    /// The own name of the tensor that has this name besides.
    tied: IndexMap<String, String>,
}

impl Parameters {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter under its name.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.tensors.insert(name.into(), tensor);
    }

    /// Gives the tensor `own` the name `name` besides. Returns the tensor; `None` if there is none.
    pub fn tie(&mut self, name: impl Into<String>, own: &str) -> Option<&Tensor> {
        let tensor = self.tensors.get(own)?;
        self.tied.insert(name.into(), own.to_owned());
        Some(tensor)
    }

    /// The tensor that has this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(self.tied.get(name).map_or(name, String::as_str))
    }

    /// All tensors under their own names: each of them once.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// All names that tensors have: a tied one comes once under each of them.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        let tied = self.tied.iter().filter_map(|(name, own)| Some((name.as_str(), self.tensors.get(own)?)));
        self.iter().chain(tied)
    }

    /// The names that the tensor `own` has besides this one.
    pub fn other_names(&self, own: &str) -> impl Iterator<Item = &str> {
        self.tied.iter().filter(move |(_, other)| *other == own).map(|(name, _)| name.as_str())
    }

    /// How many numbers there are in all tensors together.
    pub fn num_elements(&self) -> usize {
        self.tensors.values().map(Tensor::numel).sum()
    }
}
