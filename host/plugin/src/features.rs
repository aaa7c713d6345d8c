//! What an adaptor builds up to return.

use brewer::{Features, Layer, loss::matching::MinilmRelations};
use tch::{Kind, TchError, Tensor};
use wasmtime::component::Resource;

use crate::{
    bindings::types,
    error::OpResult,
    handles::{Entry, TensorList},
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
    hidden: Vec<Layer>,
    attention: Vec<Layer>,
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
        let layers = self.hidden.iter().chain(&self.attention).filter(|layer| layer.origin.is_none());
        let layers: Vec<&Tensor> = layers.filter_map(|layer| layer.tensor.as_ref()).collect();
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
        Features {
            logits: self.logits,
            logits_mask: self.logits_mask,
            labels: self.labels,
            losses: self.losses,
            hidden: self.hidden,
            attention: self.attention,
            inputs_mask: self.inputs_mask,
            modules: Default::default(),
        }
    }
}

fn elements(tensors: &[&Tensor]) -> u64 {
    tensors.iter().map(|tensor| tensor.numel() as u64).fold(0, u64::saturating_add)
}

impl State {
    /// Puts a tensor, with the output that it is, where `put` does.
    fn push(
        &mut self,
        features: Resource<Draft>,
        tensor: Resource<Tensor>,
        put: fn(&mut Draft, Layer),
    ) -> OpResult<()> {
        self.operation()?;
        let layer = self.layer(&tensor)?;
        self.handles.reserve(&self.limits, 1)?;
        put(self.handles.grow(&features, 1)?, layer);
        Ok(())
    }

    fn extend(
        &mut self,
        features: Resource<Draft>,
        list: Resource<TensorList>,
        field: fn(&mut Draft) -> &mut Vec<Layer>,
    ) -> OpResult<()> {
        self.operation()?;
        let layers: Vec<_> = self.handles.get(&list)?.0.iter().map(Layer::shallow_clone).collect();
        self.handles.reserve(&self.limits, layers.len())?;
        field(self.handles.grow(&features, layers.len())?).extend(layers);
        Ok(())
    }
}

impl types::HostFeatures for State {
    fn new(&mut self) -> wasmtime::Result<Resource<Draft>> {
        self.operation()?;
        Ok(self.handles.insert(&self.limits, Entry::Features(Box::default()))?)
    }

    fn push_logits(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, layer| draft.logits.extend(layer.tensor))
    }

    fn push_logits_mask(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, layer| draft.logits_mask.extend(layer.tensor))
    }

    fn push_labels(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, layer| draft.labels.extend(layer.tensor))
    }

    fn push_loss(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, layer| draft.losses.extend(layer.tensor))
    }

    fn push_hidden(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, layer| draft.hidden.push(layer))
    }

    fn extend_hidden(&mut self, this: Resource<Draft>, list: Resource<TensorList>) -> OpResult<()> {
        self.extend(this, list, |draft| &mut draft.hidden)
    }

    fn push_attention(&mut self, this: Resource<Draft>, tensor: Resource<Tensor>) -> OpResult<()> {
        self.push(this, tensor, |draft, layer| draft.attention.push(layer))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use brewer::{OutputId, Outputs};
    use tch::Device;

    use super::*;
    use crate::{
        bindings::{
            tensor::{HostTensor as _, HostTensorList},
            types::{HostFeatures, HostOutputs},
        },
        limits::Limits,
        outputs::ModelOutputs,
        plugin::Settings,
    };

    fn borrowed<T: 'static>(handle: &Resource<T>) -> Resource<T> {
        Resource::new_borrow(handle.rep())
    }

    /// A layer that a guest passes on is the model's; one that it makes of it, also at the same place in memory, is not.
    #[test]
    fn layers_know_which_output_they_are() {
        let mut state = State::new(Arc::new(Settings::of_tests()), Arc::new(Limits::default()));
        let layer = || Some(Tensor::randn([2, 3, 4], (Kind::Float, Device::Cpu)));
        let mut outputs = Outputs::new();
        outputs.insert("pooled", layer());
        outputs.insert_list("hidden_states", vec![layer(), layer(), None]);
        let entry = Entry::Outputs(ModelOutputs::new(&outputs));
        let outputs: Resource<ModelOutputs> = state.handles.insert(&state.limits, entry).unwrap();
        let list = HostOutputs::list(&mut state, borrowed(&outputs), "hidden_states".into()).unwrap();
        let first = HostTensorList::get(&mut state, borrowed(&list), 1).unwrap();
        let pooled = HostOutputs::tensor(&mut state, borrowed(&outputs), "pooled".into()).unwrap();

        let features = HostFeatures::new(&mut state).unwrap();
        let shared = state.share(borrowed(&first)).unwrap();
        let turned = state.transpose(borrowed(&first), 1, 2).unwrap();
        let turned_back = state.transpose(borrowed(&turned), 1, 2).unwrap();
        let of_same_kind = state.to_kind(borrowed(&first), crate::bindings::tensor::Kind::Float32).unwrap();
        let detached = state.detach(borrowed(&first)).unwrap();
        let own = HostTensorList::new(&mut state).unwrap();
        HostTensorList::push(&mut state, borrowed(&own), borrowed(&shared)).unwrap();
        let taken_out = HostTensorList::get(&mut state, borrowed(&own), 0).unwrap();
        for tensor in [&first, &shared, &taken_out, &pooled, &turned_back, &of_same_kind, &detached] {
            state.push_hidden(borrowed(&features), borrowed(tensor)).unwrap();
        }
        state.extend_attention(borrowed(&features), borrowed(&list)).unwrap();

        let Some(Entry::Features(draft)) = state.handles.remove(&features) else { panic!("no features") };
        let Features { hidden, attention, .. } = draft.finish();
        let of_list = |layer| Some(OutputId::Layer("hidden_states".into(), layer));
        let origins = |layers: Vec<Layer>| layers.into_iter().map(|layer| layer.origin).collect::<Vec<_>>();
        let pooled = Some(OutputId::Tensor("pooled".into()));
        let expected = [of_list(1), of_list(1), of_list(1), pooled, None, None, None];
        assert_eq!(origins(hidden), expected);
        assert_eq!(origins(attention), [of_list(0), of_list(1), of_list(2)]);
    }
}
