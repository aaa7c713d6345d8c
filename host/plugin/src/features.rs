//! What an adaptor builds up to return.

use brewer::{Features, Layers};
use tch::Tensor;
use wasmtime::component::Resource;

use crate::{
    bindings::types,
    error::OpResult,
    handles::{Element, Entry, TensorList},
    limits::Cost,
    state::State,
};

/// How many elements an adaptor was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    /// In the tensors of the batch, and in outputs that are one tensor.
    pub(crate) tensors: u64,
    /// In outputs that are lists of tensors.
    pub(crate) layers: u64,
}

/// Features while the guest fills them.
#[derive(Debug, Default)]
pub struct Draft {
    logits: Vec<Tensor>,
    logits_mask: Vec<Tensor>,
    labels: Vec<Tensor>,
    losses: Vec<Tensor>,
    hidden: Vec<Element>,
    attention: Vec<Element>,
    inputs_mask: Option<Tensor>,
}

impl Draft {
    /// How many tensors it holds.
    pub(crate) fn len(&self) -> usize {
        self.logits.len()
            + self.logits_mask.len()
            + self.labels.len()
            + self.losses.len()
            + self.hidden.len()
            + self.attention.len()
            + usize::from(self.inputs_mask.is_some())
    }

    /// What losses take of these features beyond what they would take of the model's own outputs: `given` are the elements
    /// of its tensors and of the batch, and of the layers in its lists. Whether a loss uses a feature is not known here.
    pub(crate) fn cost(&self, given: Given) -> Cost {
        /// Of a loss: softmax on both sides, products, and the gradients of all.
        const TENSORS: u64 = 4;
        const WORK: u64 = 150;
        const OF_A_TENSOR: u64 = 500_000;
        const FLOAT: u64 = 4;
        let elements = |tensor: &Tensor| tensor.numel() as u64;
        let tensors = [&self.logits, &self.logits_mask, &self.labels, &self.losses].into_iter().flatten();
        let tensors = tensors.chain(&self.inputs_mask).map(elements).fold(0u64, u64::saturating_add);
        // Layers that the model made are its own, however often they are returned: a match takes one.
        let layers = self.hidden.iter().chain(&self.attention).filter(|element| element.source.is_none());
        let layers = layers.filter_map(|element| element.tensor.as_ref()).map(elements).fold(0u64, u64::saturating_add);
        let excess = tensors.saturating_sub(given.tensors).saturating_add(layers.saturating_sub(given.layers));
        let (bytes, work) = (excess.saturating_mul(TENSORS * FLOAT), excess.saturating_mul(WORK));
        let work = work.saturating_add(self.len() as u64 * OF_A_TENSOR);
        Cost { bytes, work, gradient_bytes: bytes, gradient_work: work }
    }

    /// Layers that were not computed stay absent: whether they matter is for the loss plan to say.
    pub(crate) fn finish(self) -> Features {
        let layers = |elements: Vec<Element>| elements.into_iter().map(|element| element.tensor).collect::<Layers>();
        Features {
            logits: self.logits,
            logits_mask: self.logits_mask,
            labels: self.labels,
            losses: self.losses,
            hidden: layers(self.hidden),
            attention: layers(self.attention),
            inputs_mask: self.inputs_mask,
            modules: Default::default(),
        }
    }
}

impl State {
    fn push(
        &mut self,
        features: Resource<Draft>,
        tensor: Resource<Tensor>,
        put: impl FnOnce(&mut Draft, Tensor),
    ) -> OpResult<()> {
        self.operation()?;
        let tensor = self.tensor(&tensor)?;
        self.handles.reserve(&self.limits, 1)?;
        put(self.handles.grow(&features, 1)?, tensor);
        Ok(())
    }

    fn extend(
        &mut self,
        features: Resource<Draft>,
        list: Resource<TensorList>,
        field: fn(&mut Draft) -> &mut Vec<Element>,
    ) -> OpResult<()> {
        self.operation()?;
        let elements: Vec<_> = self.handles.get(&list)?.0.iter().map(Element::share).collect();
        self.handles.reserve(&self.limits, elements.len())?;
        field(self.handles.grow(&features, elements.len())?).extend(elements);
        Ok(())
    }
}

impl types::HostFeatures for State {
    fn new(&mut self) -> wasmtime::Result<Resource<Draft>> {
        self.operation()?;
        Ok(self.handles.insert(&self.limits, Entry::Features(Box::default()))?)
    }

    fn push_logits(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, tensor| draft.logits.push(tensor))
    }

    fn push_logits_mask(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, tensor| draft.logits_mask.push(tensor))
    }

    fn push_labels(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, tensor| draft.labels.push(tensor))
    }

    fn push_loss(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, tensor| draft.losses.push(tensor))
    }

    fn push_hidden(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, tensor| draft.hidden.push(Element { tensor: Some(tensor), source: None }))
    }

    fn extend_hidden(&mut self, this: Resource<Draft>, list: Resource<TensorList>) -> OpResult<()> {
        self.extend(this, list, |draft| &mut draft.hidden)
    }

    fn push_attention(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, tensor| draft.attention.push(Element { tensor: Some(tensor), source: None }))
    }

    fn extend_attention(&mut self, this: Resource<Draft>, list: Resource<TensorList>) -> OpResult<()> {
        self.extend(this, list, |draft| &mut draft.attention)
    }

    fn set_inputs_mask(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.operation()?;
        let tensor = self.tensor(&tensor)?;
        self.handles.reserve(&self.limits, 1)?;
        let is_set = self.handles.get(&this)?.inputs_mask.is_some();
        self.handles.grow(&this, usize::from(!is_set))?.inputs_mask = Some(tensor);
        Ok(())
    }

    fn drop(&mut self, this: Resource<Draft>) -> wasmtime::Result<()> {
        self.handles.remove(&this);
        Ok(())
    }
}
