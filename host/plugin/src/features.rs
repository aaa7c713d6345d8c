//! What an adaptor builds up to return.

use brewer::{Features, Layers, loss::matching::MinilmRelations};
use tch::{Kind, TchError, Tensor};
use wasmtime::component::Resource;

use crate::{
    bindings::types,
    error::OpResult,
    handles::{Element, Entry, TensorList},
    limits::Cost,
    state::State,
    tensor_ops::{bytes, is_float},
};

/// How many elements an adaptor was given.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Given {
    /// In the tensors of the batch, and in outputs that are one tensor.
    pub(crate) tensors: u64,
    /// In outputs that are lists of tensors.
    pub(crate) layers: u64,
    /// The most that a loss makes of one output: [`pairs`].
    pub(crate) pairs: u64,
}

/// How many elements a loss makes of a layer `[batch, length, hidden]` when it compares each position with each other
/// (`mmd`, and `minilm_relations` in every head) or each hidden number with each other (`fsp`); none of another layer.
pub(crate) fn pairs(shape: &[i64]) -> u64 {
    const HEADS: u64 = MinilmRelations::DEFAULT_HEADS.get() as u64;
    let [batch, length, hidden] = *shape else { return 0 };
    let square = |size: i64| size.unsigned_abs().saturating_mul(size.unsigned_abs());
    let of_example = square(length).saturating_mul(HEADS).saturating_add(square(hidden));
    batch.unsigned_abs().saturating_mul(of_example)
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

    /// What losses take of these features beyond what they would take of the model's own outputs. Whether a loss uses a
    /// feature, and which loss it is, is not known here.
    ///
    /// Errors: if libtorch does not tell the kind of a tensor.
    pub(crate) fn cost(&self, given: Given) -> Result<Cost, TchError> {
        /// Of a loss: softmax on both sides, products, and the gradients of all.
        const TENSORS: u64 = 4;
        const WORK: u64 = 150;
        const OF_A_TENSOR: u64 = 500_000;
        let tensors = [&self.logits, &self.logits_mask, &self.labels, &self.losses].into_iter().flatten();
        let tensors: Vec<&Tensor> = tensors.chain(&self.inputs_mask).collect();
        // Layers that the model made are its own, however often they are returned: a match takes one.
        let layers = self.hidden.iter().chain(&self.attention).filter(|element| element.source.is_none());
        let layers: Vec<&Tensor> = layers.filter_map(|element| element.tensor.as_ref()).collect();
        let pairs = layers.iter().map(|layer| pairs(&layer.size()).saturating_sub(given.pairs));
        let pairs = pairs.fold(0, u64::saturating_add);
        let excess = elements(&tensors).saturating_sub(given.tensors);
        let excess = excess.saturating_add(elements(&layers).saturating_sub(given.layers)).saturating_add(pairs);
        // Losses compute in the kind of what they are given, where that is floats.
        let mut widest = Kind::Float;
        for tensor in tensors.iter().chain(&layers) {
            let kind = tensor.f_kind()?;
            if is_float(kind) && kind.elt_size_in_bytes() > widest.elt_size_in_bytes() {
                widest = kind;
            }
        }
        let (bytes, work) = (bytes(excess.saturating_mul(TENSORS), widest), excess.saturating_mul(WORK));
        let work = work.saturating_add(self.len() as u64 * OF_A_TENSOR);
        Ok(Cost { bytes, work, gradient_bytes: bytes, gradient_work: work })
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

fn elements(tensors: &[&Tensor]) -> u64 {
    tensors.iter().map(|tensor| tensor.numel() as u64).fold(0, u64::saturating_add)
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
