use std::path::Path;
use std::sync::Arc;

use tch::{Device, Tensor};

use super::builder::Unfilled;
use super::checkpoint;
use super::config::ModelConfig;
use super::demand::{Demand, Encoded};
use super::heads::Head;
use super::inputs::Inputs;
use super::taps::Taps;
use super::{Mode, Model, ModelInfo, Parameters};
use crate::{Batch, OutputRequest, Outputs, Result};

/// A stack of layers with embeddings below: all of a model but its pooler and its head.
pub(super) trait Body {
    /// Runs as many layers as `demand` needs.
    fn forward(&self, inputs: &Inputs, demand: &Demand, mode: Mode) -> Result<Encoded>;
}

/// From the last hidden state `[batch, length, hidden]` to one vector for each example, `[batch, hidden]`.
pub(super) trait Pooler {
    fn forward(&self, hidden: &Tensor, taps: &Taps) -> Result<Tensor>;
}

/// The parts of a [`Transformer`].
pub(super) struct Parts {
    pub body: Box<dyn Body>,
    /// Present where the head reads it.
    pub pooler: Option<Box<dyn Pooler>>,
    pub head: Box<dyn Head>,
    /// The names of the modules whose output can be asked for.
    pub modules: Arc<[String]>,
}

/// A transformer that is defined but whose parameters hold no values yet.
pub(super) struct Draft {
    pub info: ModelInfo,
    pub parts: Parts,
    pub unfilled: Unfilled,
}

/// Any transformer with a Hugging Face config: what all of them do around the parts in which they differ.
pub(super) struct Transformer {
    info: ModelInfo,
    config: ModelConfig,
    device: Device,
    parameters: Parameters,
    parts: Parts,
}

impl Transformer {
    /// The model of a draft that has been filled.
    pub fn new(draft: Draft, config: ModelConfig, device: Device, trainable: bool) -> Result<Self> {
        let parameters = draft.unfilled.into_parameters(trainable)?;
        Ok(Self { info: draft.info, config, device, parameters, parts: draft.parts })
    }
}

impl Model for Transformer {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn config(&self) -> Option<&ModelConfig> {
        Some(&self.config)
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn forward(&self, batch: &Batch, request: &OutputRequest, mode: Mode) -> Result<Outputs> {
        let Parts { body, pooler, head, modules } = &self.parts;
        let inputs = Inputs::new(batch, &self.info, self.device)?;
        let mut outputs = Outputs::new();
        let offered = head.offers(batch);
        for name in &offered {
            outputs.insert(*name, None);
        }
        let wants_head = offered.iter().any(|name| request.wants(name));
        let wants_pooler = pooler.is_some() && request.wants("pooler_output");
        // A module may stand anywhere, so asking for one runs all layers.
        let last = wants_head || wants_pooler || request.wants_modules();
        let demand = Demand { request, last, taps: Taps::new(request) };
        let encoded = body.forward(&inputs, &demand, mode)?;

        outputs.insert_list("hidden_states", encoded.hidden_states);
        outputs.insert_list("attentions", encoded.attentions);
        let mut top = encoded.last;
        if let Some(pooler) = pooler {
            top = top.map(|last| pooler.forward(&last, &demand.taps)).transpose()?;
            outputs.insert("pooler_output", top.as_ref().map(Tensor::shallow_clone));
        }
        if let Some(top) = top.filter(|_| wants_head) {
            head.forward(&top, batch, request, mode, &mut outputs)?;
        }
        outputs.insert_modules(Arc::clone(modules), demand.taps.into_kept());
        Ok(outputs)
    }

    fn save(&self, folder: &Path) -> Result<()> {
        checkpoint::write(folder, &self.config, &self.parameters)
    }

    fn device(&self) -> Device {
        self.device
    }
}
