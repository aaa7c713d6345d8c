use std::path::Path;
use std::sync::Arc;

use tch::Device;

use super::builder::{Builder, Unfilled};
use super::families::{Architecture, Body};
use super::heads::{Head, POOLER_OUTPUT};
use super::huggingface::{self, ModelConfig};
use super::inputs::{Inputs, check_labels};
use super::{Model, ModelSpec, Parameters, Pass};
use crate::{Batch, Result, Task, memory};

/// A model with a Hugging Face config: what all of them do around the parts in which they differ.
pub(super) struct Pretrained {
    spec: ModelSpec,
    config: ModelConfig,
    device: Device,
    parameters: Parameters,
    body: Box<dyn Body>,
    head: Head,
    /// The names of the modules whose output can be asked for.
    modules: Arc<[String]>,
}

/// A model that is defined but whose parameters hold no values yet.
pub(super) struct Draft {
    pub spec: ModelSpec,
    pub unfilled: Unfilled,
    body: Box<dyn Body>,
    head: Head,
}

impl Draft {
    /// Defines the model of a class that a config describes.
    ///
    /// # Errors
    /// A config that is wrong, or sizes that this machine cannot hold: nothing is allocated then.
    pub fn new(architecture: &Architecture, config: &ModelConfig, device: Device) -> Result<Self> {
        Self::build(architecture, config, Builder::new(device))
    }

    /// The same, whose parameters are those of `shared` where they have the same name.
    pub fn sharing(
        architecture: &Architecture,
        config: &ModelConfig,
        device: Device,
        shared: Parameters,
    ) -> Result<Self> {
        Self::build(architecture, config, Builder::sharing(device, shared))
    }

    fn build(architecture: &Architecture, config: &ModelConfig, mut builder: Builder) -> Result<Self> {
        check_memory(architecture, config)?;
        let network = (architecture.build)(config, &mut builder)?;
        let spec = ModelSpec { architecture: architecture.name.to_owned(), ..network.spec };
        Ok(Self { spec, unfilled: builder.finish(), body: network.body, head: network.head })
    }
}

/// Whether the parameters fit the memory of this machine. They are counted with one layer and with two, so that it takes no
/// longer to refuse a billion layers.
fn check_memory(architecture: &Architecture, config: &ModelConfig) -> Result<()> {
    let family = architecture.family;
    let count = |layers: usize| -> Result<u128> {
        let mut config = config.clone();
        family.choose_layers(&mut config, &vec![0; layers])?;
        let mut builder = Builder::counting();
        (architecture.build)(&config, &mut builder)?;
        Ok(builder.num_elements())
    };
    // What is no number of layers is refused when the model is built.
    let num_layers = config.get(family.num_layers).and_then(|layers| layers.as_u64()).unwrap_or(1).max(1);
    let one = count(1)?;
    let of_layer = count(2)?.saturating_sub(one);
    let more = of_layer.saturating_mul(u128::from(num_layers - 1));
    let num_labels = config.labels()?.map_or(0, |labels| labels.len());
    memory::check_model(one.saturating_add(more)).map_err(|found| {
        let keys = family.sizes.iter().map(|size| size.key).chain([family.num_layers]);
        let sizes = keys.filter_map(|key| Some(format!("`{key}` {}", config.get(key)?)));
        let sizes = sizes.collect::<Vec<_>>().join(", ");
        config.invalid(format!("{found}: {sizes}, {num_labels} labels; make it smaller")).into()
    })
}

impl Pretrained {
    /// The model of a draft that has been filled.
    pub fn new(draft: Draft, config: ModelConfig, device: Device, trainable: bool) -> Result<Self> {
        let Draft { spec, mut unfilled, body, head } = draft;
        let modules = std::mem::take(&mut unfilled.modules).into();
        Ok(Self { spec, config, device, parameters: unfilled.into_parameters(trainable)?, body, head, modules })
    }
}

impl Model for Pretrained {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn config(&self) -> Option<&ModelConfig> {
        Some(&self.config)
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn forward(&self, batch: &Batch, pass: &mut Pass) -> Result<()> {
        let inputs = Inputs::new(batch, &self.spec.inputs, self.device)?;
        let labels = batch.get("labels");
        if labels.is_some() {
            pass.offer("loss");
        }
        let task = &self.spec.task;
        task.logits().iter().for_each(|name| pass.offer(name));
        pass.offer_layers(self.spec.num_layers.unwrap_or(0));
        if self.head.has_pooler() {
            pass.offer(POOLER_OUTPUT);
        }
        pass.offer_modules(&self.modules);
        if !pass.needs_embeddings() {
            return Ok(());
        }
        let Some(last) = self.body.forward(&inputs, pass)?.filter(|_| pass.needs_top()) else { return Ok(()) };
        let labels = labels.filter(|_| pass.wants("loss"));
        let wants_logits = task.logits().iter().any(|name| pass.wants(name)) || labels.is_some();
        let Some(mut logits) = self.head.forward(&last, &inputs, wants_logits, pass)? else { return Ok(()) };
        if let Task::Spans = task {
            logits = logits.f_transpose(1, 2)?;
        }
        if let Some(labels) = labels {
            check_labels(task, labels, &logits)?;
            pass.output("loss", task.loss(&logits, labels)?);
        }
        match task.logits() {
            [name] => pass.output(name, logits),
            names => names.iter().zip(logits.f_unbind(1)?).for_each(|(name, logits)| pass.output(name, logits)),
        }
        Ok(())
    }

    fn save(&self, folder: &Path) -> Result<()> {
        huggingface::write(folder, &self.config, &self.parameters)
    }

    fn device(&self) -> Device {
        self.device
    }
}
