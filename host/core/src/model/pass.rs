//! One forward through a model.

use std::sync::Arc;

use indexmap::IndexMap;
use tch::Tensor;

use crate::{OutputRequest, Outputs, Result};

/// The list of hidden states among a model's outputs; position 0 is the embeddings' output.
const HIDDEN_STATES: &str = "hidden_states";
/// The list of attention probabilities among a model's outputs.
const ATTENTIONS: &str = "attentions";

/// One forward through a model: how it computes, what it must return, and what it has returned.
///
/// A model announces what it can return (`offer…`), asks what is needed, computes no more than that, and hands over what
/// it made. So what is new in the engine enters here, and no model changes for it.
#[derive(Debug)]
pub struct Pass<'a> {
    request: &'a OutputRequest,
    is_training: bool,
    outputs: Outputs,
    /// How many layers the model has.
    num_layers: usize,
    /// The layer that runs now.
    layer: usize,
    /// Whether anything above the layers is needed.
    needs_top: bool,
    offered_modules: Arc<[String]>,
    modules: IndexMap<String, Tensor>,
}

impl<'a> Pass<'a> {
    /// A pass of training: dropout is active.
    pub fn training(request: &'a OutputRequest) -> Self {
        Self::new(request, true)
    }

    /// A pass of evaluation: nothing is random.
    pub fn evaluation(request: &'a OutputRequest) -> Self {
        Self::new(request, false)
    }

    pub(crate) fn new(request: &'a OutputRequest, is_training: bool) -> Self {
        Self {
            request,
            is_training,
            outputs: Outputs::new(),
            num_layers: 0,
            layer: 0,
            needs_top: false,
            offered_modules: Arc::default(),
            modules: IndexMap::new(),
        }
    }

    /// Whether dropout is on.
    pub fn is_training(&self) -> bool {
        self.is_training
    }

    /// What the model returned.
    pub fn into_outputs(self) -> Outputs {
        let mut outputs = self.outputs;
        outputs.insert_modules(self.offered_modules, self.modules);
        outputs
    }

    /// Announces the output `name`, which is computed from the last layer's output.
    pub fn offer(&mut self, name: &str) {
        self.outputs.insert(name, None);
        self.needs_top |= self.request.wants(name);
    }

    /// Announces the hidden states and the attention probabilities of the layers.
    pub fn offer_layers(&mut self, num_layers: usize) {
        self.outputs.insert_list(HIDDEN_STATES, (0..=num_layers).map(|_| None).collect());
        self.outputs.insert_list(ATTENTIONS, (0..num_layers).map(|_| None).collect());
        self.num_layers = num_layers;
    }

    /// Announces the modules whose output can be asked for. A module may stand anywhere, so asking for one runs the
    /// whole model.
    pub fn offer_modules(&mut self, names: &Arc<[String]>) {
        self.offered_modules = Arc::clone(names);
        self.needs_top |= self.request.wants_modules();
    }

    /// Whether the output `name` is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.request.wants(name)
    }

    /// Whether anything is needed that is computed from the last layer's output.
    pub fn needs_top(&self) -> bool {
        self.needs_top
    }

    /// Whether the embeddings' output is needed.
    pub fn needs_embeddings(&self) -> bool {
        self.needs_hidden(0) || self.needs_layer(0)
    }

    /// Whether anything is needed of a layer or of what is above it.
    fn needs_layer(&self, layer: usize) -> bool {
        let wants_attention = |layer| self.request.wants_layer(ATTENTIONS, layer);
        layer < self.num_layers
            && (self.needs_top
                || (layer..self.num_layers).any(wants_attention)
                || (layer + 1..=self.num_layers).any(|position| self.needs_hidden(position)))
    }

    /// Runs the layers on the embeddings' output, `[batch, length, hidden]`, as far as they are needed, and keeps the hidden
    /// states. `run` returns the output of the layer at an index, or `None` if nothing is needed of it but its attention
    /// probabilities. Returns the last layer's output; `None` where it is not needed.
    pub fn layers(
        &mut self,
        embedded: Tensor,
        mut run: impl FnMut(usize, &Tensor, &mut Self) -> Result<Option<Tensor>>,
    ) -> Result<Option<Tensor>> {
        self.hidden_state(0, &embedded);
        let mut hidden = embedded;
        for layer in 0..self.num_layers {
            if !self.needs_layer(layer) {
                return Ok(None);
            }
            self.layer = layer;
            let Some(output) = run(layer, &hidden, self)? else { return Ok(None) };
            hidden = output;
            self.hidden_state(layer + 1, &hidden);
        }
        Ok(Some(hidden))
    }

    /// Whether the attention probabilities of the layer that runs now are asked for.
    pub fn wants_attention(&self) -> bool {
        self.request.wants_layer(ATTENTIONS, self.layer)
    }

    /// Whether the output of the layer that runs now is needed, and not only its attention probabilities.
    pub fn needs_layer_output(&self) -> bool {
        self.needs_top || self.needs_hidden(self.layer + 1) || self.needs_layer(self.layer + 1)
    }

    /// Hands over the attention probabilities of the layer that runs now, `[batch, heads, length, length]`.
    pub fn attention(&mut self, probabilities: &Tensor) {
        if self.wants_attention() {
            self.outputs.insert_layer(ATTENTIONS, self.layer, probabilities.shallow_clone());
        }
    }

    /// Keeps the hidden state at a position, `[batch, length, hidden]`.
    fn hidden_state(&mut self, position: usize, hidden: &Tensor) {
        if self.needs_hidden(position) {
            self.outputs.insert_layer(HIDDEN_STATES, position, hidden.shallow_clone());
        }
    }

    /// Hands over what the module `name` returned.
    pub fn module(&mut self, name: &str, output: &Tensor) {
        if self.request.wants_modules() && self.request.wants_module(name) {
            self.modules.insert(name.to_owned(), output.shallow_clone());
        }
    }

    /// Hands over all outputs at once, whatever the request is: those of a model that has them ready.
    pub fn return_all(&mut self, outputs: Outputs) {
        self.outputs = outputs;
    }

    /// Hands over the output `name`.
    pub fn output(&mut self, name: &str, tensor: Tensor) {
        self.outputs.insert(name, Some(tensor));
    }

    fn needs_hidden(&self, position: usize) -> bool {
        self.request.wants_layer(HIDDEN_STATES, position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each layer that runs, whether its output and whether its map is wanted.
    fn plan(hidden: &[usize], maps: &[usize], last: bool) -> Vec<(bool, bool)> {
        let mut request = OutputRequest::nothing();
        hidden.iter().for_each(|&layer| request.add_layer(HIDDEN_STATES, layer));
        maps.iter().for_each(|&layer| request.add_layer(ATTENTIONS, layer));
        if last {
            request.add("logits");
        }
        let mut pass = Pass::evaluation(&request);
        pass.offer("logits");
        pass.offer_layers(4);
        let mut plan = vec![];
        let run = |_, hidden: &Tensor, pass: &mut Pass<'_>| {
            plan.push((pass.needs_layer_output(), pass.wants_attention()));
            Ok(pass.needs_layer_output().then(|| hidden.shallow_clone()))
        };
        pass.layers(Tensor::new(), run).unwrap();
        plan
    }

    #[test]
    fn stops_above_what_is_wanted() {
        assert_eq!(plan(&[], &[], false), []);
        assert_eq!(plan(&[0], &[], false), []);
        assert_eq!(plan(&[2], &[], false), [(true, false); 2]);
        assert_eq!(plan(&[1], &[1], false), [(true, false), (false, true)]);
        assert_eq!(plan(&[], &[0, 2], false), [(true, true), (true, false), (false, true)]);
        assert_eq!(plan(&[2], &[1], false), [(true, false), (true, true)]);
        assert_eq!(plan(&[], &[3], true), [(true, false), (true, false), (true, false), (true, true)]);
    }

    #[test]
    fn nothing_wanted_needs_no_embeddings() {
        let needs = |request: &OutputRequest| {
            let mut pass = Pass::evaluation(request);
            pass.offer("logits");
            pass.offer_layers(2);
            pass.needs_embeddings()
        };
        let mut request = OutputRequest::nothing();
        assert!(!needs(&request));
        request.add_layer(HIDDEN_STATES, 0);
        assert!(needs(&request));
    }
}
