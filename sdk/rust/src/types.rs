use crate::{Result, Tensor, TensorList, bindings::brewer::plugin::types};

pub use types::{Context, Model};

impl Context {
    /// Whether the outputs are the student's.
    pub fn is_student(&self) -> bool {
        matches!(self.model, Model::Student)
    }
}

/// Tensors by name, as a model is called with them; their first dimension is the batch.
#[derive(Debug)]
pub struct Batch(types::Batch);

/// A batch without a tensor.
impl Default for Batch {
    fn default() -> Self {
        Self(types::Batch::new())
    }
}

impl Batch {
    pub(crate) fn from_handle(handle: types::Batch) -> Self {
        Self(handle)
    }

    pub(crate) fn handle(&self) -> &types::Batch {
        &self.0
    }

    pub(crate) fn into_handle(self) -> types::Batch {
        self.0
    }

    /// The names of all tensors: `input_ids`, `attention_mask`, `labels`, …
    pub fn names(&self) -> Vec<String> {
        self.0.names()
    }

    /// The tensor `name`; an error if there is none.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        Ok(Tensor::new(self.0.tensor(name)?))
    }

    /// The tensor `name`, if there is one.
    pub fn get(&self, name: &str) -> Result<Option<Tensor>> {
        self.0.has(name).then(|| self.tensor(name)).transpose()
    }

    /// Puts a tensor under a name, in place of the one that was there, or after all others. It shows in the batch that a
    /// post-processor returns and in the one that [`model::forward`](crate::model::forward) gets, nowhere else.
    pub fn insert(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        Ok(self.0.insert(name, tensor.handle())?)
    }

    /// Takes the tensor `name` out; an error if there is none.
    pub fn remove(&mut self, name: &str) -> Result<()> {
        Ok(self.0.remove(name)?)
    }
}

/// What the model returned, by Hugging Face's names. What no plugin and no loss reads is not computed: ask for what you
/// need, when you need it.
#[derive(Debug)]
pub struct Outputs(types::Outputs);

impl Outputs {
    pub(crate) fn new(outputs: types::Outputs) -> Self {
        Self(outputs)
    }

    /// The names of all that the model can return, computed or not.
    pub fn names(&self) -> Vec<String> {
        self.0.names()
    }

    /// Whether the model can return a tensor or a list of that name.
    pub fn has(&self, name: &str) -> bool {
        self.0.has(name)
    }

    /// Reads the tensor `name`; an error if there is none. Pass the error on: if the tensor is only not computed yet, the
    /// host computes it and calls again.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        Ok(Tensor::new(self.0.tensor(name)?))
    }

    /// Reads the tensor `name`, if the model has one.
    pub fn get(&self, name: &str) -> Result<Option<Tensor>> {
        self.0.has(name).then(|| self.tensor(name)).transpose()
    }

    /// The list `name` (`hidden_states`, `attentions`) without reading any of it; an error if there is none.
    pub fn list(&self, name: &str) -> Result<TensorList> {
        Ok(TensorList::new(self.0.list(name)?))
    }

    /// The list `name`, if the model has one.
    pub fn get_list(&self, name: &str) -> Result<Option<TensorList>> {
        self.0.has(name).then(|| self.list(name)).transpose()
    }
}

/// What an adaptor returns: what losses are computed from, under TextBrewer's keys. Each may be left out, not all.
#[derive(Debug, Default)]
pub struct Features {
    /// `[batch, labels]` or `[batch, length, labels]` each, before any softmax.
    pub logits: Vec<Tensor>,
    /// `[batch, length]` each, 1 where logits of `[batch, length, labels]` count: one for all logits, or one for each.
    pub logits_mask: Vec<Tensor>,
    /// `[batch]` or `[batch, length]` each, integers, one for each of `logits`.
    pub labels: Vec<Tensor>,
    /// Losses of any shape; the mean of each is added to the total.
    pub losses: Vec<Tensor>,
    /// `[batch, length, hidden]` each; a match selects them by position.
    pub hidden: TensorList,
    /// `[batch, heads, length, length]` each; a match selects them by position.
    pub attention: TensorList,
    /// `[batch, length]`, 1 for tokens and 0 for padding: the mask of every match.
    pub inputs_mask: Option<Tensor>,
}

impl Features {
    pub(crate) fn into_handle(self) -> Result<types::Features> {
        let features = types::Features::new();
        self.logits.iter().try_for_each(|tensor| features.push_logits(tensor.handle()))?;
        self.logits_mask.iter().try_for_each(|tensor| features.push_logits_mask(tensor.handle()))?;
        self.labels.iter().try_for_each(|tensor| features.push_labels(tensor.handle()))?;
        self.losses.iter().try_for_each(|tensor| features.push_loss(tensor.handle()))?;
        self.hidden.handle().map_or(Ok(()), |list| features.extend_hidden(list))?;
        self.attention.handle().map_or(Ok(()), |list| features.extend_attention(list))?;
        self.inputs_mask.as_ref().map_or(Ok(()), |mask| features.set_inputs_mask(mask.handle()))?;
        Ok(features)
    }
}

/// One tensor where several may stand.
impl From<Tensor> for Vec<Tensor> {
    fn from(tensor: Tensor) -> Self {
        vec![tensor]
    }
}
