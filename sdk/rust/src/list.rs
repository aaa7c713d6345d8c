use crate::{Result, Tensor, bindings::brewer::plugin::tensor};

/// Tensors in order, such as the hidden states of all layers. A list of a model's outputs is lazy: a tensor of it is read
/// when it is taken out, and passing the list on reads nothing.
#[derive(Debug, Default)]
pub struct TensorList {
    /// `None` for an empty list: most features have no need for one.
    handle: Option<tensor::TensorList>,
}

impl TensorList {
    pub(crate) fn new(handle: tensor::TensorList) -> Self {
        Self { handle: Some(handle) }
    }

    pub(crate) fn handle(&self) -> Option<&tensor::TensorList> {
        self.handle.as_ref()
    }

    /// A list of these tensors.
    pub fn of<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<Self> {
        let mut list = Self::default();
        tensors.into_iter().try_for_each(|tensor| list.push(tensor))?;
        Ok(list)
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.handle().map_or(0, |list| list.len() as usize)
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the tensor at `index`; an error past the end.
    pub fn get(&self, index: usize) -> Result<Tensor> {
        let list = self.handle().ok_or_else(|| format!("there is no tensor {index} in an empty list"))?;
        Ok(Tensor::new(list.get(index as u32)?))
    }

    /// Reads all tensors.
    pub fn tensors(&self) -> Result<Vec<Tensor>> {
        (0..self.len()).map(|index| self.get(index)).collect()
    }

    /// Adds a tensor at the end.
    pub fn push(&mut self, tensor: &Tensor) -> Result<()> {
        Ok(self.handle.get_or_insert_with(tensor::TensorList::new).push(tensor.handle())?)
    }

    /// The positions `start..start + length`, without reading them.
    pub fn narrow(&self, start: usize, length: usize) -> Result<TensorList> {
        match self.handle() {
            Some(list) => Ok(Self::new(list.narrow(start as u32, length as u32)?)),
            None if start == 0 && length == 0 => Ok(Self::default()),
            None => Err(format!("{length} tensors from {start} on are not within an empty list").into()),
        }
    }

    /// The tensors joined along a dimension that they have: two of `[a, b]` give `[2a, b]` for dim 0.
    pub fn cat(&self, dim: i64) -> Result<Tensor> {
        let list = self.handle().ok_or("there is no tensor in the list")?;
        Ok(Tensor::new(list.cat(dim)?))
    }

    /// The tensors, all of one shape, joined along a new dimension: two of `[a, b]` give `[2, a, b]` for dim 0.
    pub fn stack(&self, dim: i64) -> Result<Tensor> {
        let list = self.handle().ok_or("there is no tensor in the list")?;
        Ok(Tensor::new(list.stack(dim)?))
    }
}
