//! The interface `model`: the student, to look at and to run.

use std::collections::BTreeMap;

use brewer::{Batch, IGNORED_LABEL, OutputRequest, Pass, Task, model::ModelSpec};
use tch::{Device, Kind, Tensor, no_grad};
use wasmtime::component::Resource;

use crate::{
    batch::Columns,
    bindings::{model, tensor::ErrorCode},
    dataset::size,
    error::{OpError, OpResult},
    handles::Entry,
    limits::{Bytes, Cost, LimitError, check_time},
    outputs::ModelOutputs,
    permissions::Permission,
    state::State,
    tensor_ops::{COPY, bytes, indices},
    text::clean_name,
};

impl State {
    fn parameter(&mut self, name: &str) -> OpResult<Tensor> {
        self.permit(Permission::Parameters)?;
        let parameters = self.checkpoint()?.student.parameters();
        let parameter = parameters.get(name).ok_or_else(|| {
            let message = format!("the student has no parameter `{}`; `parameter-names` lists them", clean_name(name));
            OpError::new(ErrorCode::NotFound, message)
        })?;
        Ok(parameter.f_detach()?)
    }
}

impl model::Host for State {
    fn forward(
        &mut self,
        batch: Resource<Columns>,
        wanted: Vec<String>,
        mode: model::Mode,
    ) -> OpResult<Resource<ModelOutputs>> {
        if wanted.len() > MOST_WANTED {
            let found = format!("{} names of outputs", wanted.len());
            return Err(OpError::argument(format!("{found}; expected {MOST_WANTED} at most")));
        }
        let student = self.checkpoint()?.student.clone();
        let columns = self.handles.get(&batch)?;
        // With heads by task, a batch of the data is for its task's head.
        let student = student.of_task(columns.task()).map_err(|error| OpError::argument(error.to_string()))?.clone();
        let batch = columns.batch();
        let spec = student.spec();
        let Cost { bytes: needed, work, .. } = forward_cost(&batch, &wanted, spec);
        let taken = self.call.usage.step.total_bytes();
        if needed.saturating_add(taken) > self.limits.tensor_bytes {
            let (needed, taken) = (Bytes(needed), Bytes(taken));
            let did = format!("asked for a forward that takes about {needed}, after {taken} of tensors before it");
            return Err(LimitError::new("tensor_bytes", Bytes(self.limits.tensor_bytes), did).into());
        }
        check_time(&self.limits, work, " in a forward", self.call.device, || self.call.started.elapsed())?;
        check_indices(&batch, [spec]).map_err(|error| self.disclosed(error))?;
        let request = request(&wanted, spec);
        let mut pass = match mode {
            model::Mode::Train => Pass::training(&request),
            model::Mode::Eval => Pass::evaluation(&request),
        };
        no_grad(|| student.forward(&batch, &mut pass))
            .map_err(|error| self.disclosed(OpError::argument(error.to_string())))?;
        let outputs = pass.into_outputs();
        if let Some(name) = wanted.iter().find(|name| !outputs.contains(name)) {
            let names: Vec<_> = outputs.names().collect();
            let message = format!("the student returns no `{}`; it returns {}", clean_name(name), names.join(", "));
            return Err(OpError::new(ErrorCode::NotFound, message));
        }
        let outputs = ModelOutputs::new(&outputs);
        for tensor in outputs.computed() {
            self.spend(&Cost { bytes: size(tensor)?, ..Cost::default() })?;
        }
        Ok(self.handles.insert(&self.limits, Entry::Outputs(outputs))?)
    }

    fn parameter_names(&mut self) -> OpResult<Vec<String>> {
        self.permit(Permission::Parameters)?;
        Ok(self.checkpoint()?.student.parameters().iter().map(|(name, _)| name.to_owned()).collect())
    }

    fn parameter_shape(&mut self, name: String) -> OpResult<Vec<i64>> {
        Ok(self.parameter(&name)?.size())
    }

    fn parameter_statistics(&mut self, name: String) -> OpResult<model::Statistics> {
        let parameter = self.parameter(&name)?;
        let count = parameter.numel() as u64;
        if count == 0 {
            return Ok(model::Statistics { mean: 0.0, std: 0.0, norm: 0.0, min: 0.0, max: 0.0, count });
        }
        /// Reductions, each of which reads every element.
        const READS: u64 = 5;
        let work = count.saturating_mul(READS * 2 * COPY);
        self.spend(&Cost { work, bytes: bytes(count, Kind::Double), ..Cost::default() })?;
        let [mean, std, norm, min, max] = statistics(&parameter)?;
        Ok(model::Statistics { mean, std, norm, min, max, count })
    }
}

/// Mean, standard deviation, norm, least and largest element, in double precision and one transfer.
fn statistics(parameter: &Tensor) -> OpResult<[f64; 5]> {
    let elements = parameter.f_to_kind(Kind::Double)?;
    let numbers = [
        elements.f_mean(None::<Kind>)?,
        elements.f_std(false)?,
        elements.f_norm()?,
        elements.f_min()?,
        elements.f_max()?,
    ];
    let mut values = [0.0; 5];
    Tensor::f_stack(&numbers, 0)?.f_to_device(Device::Cpu)?.f_copy_data(&mut values, 5)?;
    Ok(values)
}

/// The most names that one forward takes: several times what a model returns.
const MOST_WANTED: usize = 100;

/// The outputs of these names, of a list all layers.
fn request(wanted: &[String], spec: &ModelSpec) -> OutputRequest {
    let mut request = OutputRequest::nothing();
    for name in wanted {
        request.add(name);
        if LISTS.contains(&name.as_str()) {
            (0..=spec.num_layers.unwrap_or(0)).for_each(|layer| request.add_layer(name, layer));
        }
    }
    request
}

/// The outputs that are a tensor for each layer.
const LISTS: [&str; 2] = ["hidden_states", "attentions"];

/// Tensors as large as a hidden state that live at once in a layer, whose widest is four times as wide.
const OF_ONE_LAYER: u64 = 16;
const FLOAT: u64 = 4;

/// What a model reads of a batch, and the sizes of what it makes of it, in elements.
struct Reading {
    layers: u64,
    hidden_state: u64,
    attention_map: u64,
    /// The multiply-adds of the layers in a forward.
    work: u64,
    logits: u64,
    /// The multiply-adds of the logits in a forward.
    work_of_head: u64,
}

impl Reading {
    /// Nothing if the model refuses the batch before it computes anything. What is not known of its layers counts for
    /// nothing; the time of the call is limited all the same.
    fn new(batch: &Batch, spec: &ModelSpec) -> Self {
        let shape = batch.get("input_ids").map(Tensor::size).unwrap_or_default();
        let (rows, length) = match shape[..] {
            [rows, length] => (rows.unsigned_abs(), length.unsigned_abs()),
            _ => (0, 0),
        };
        let layers = spec.num_layers.unwrap_or(0) as u64;
        let width = spec.hidden_size.unwrap_or(0).unsigned_abs();
        let heads = spec.num_attention_heads.unwrap_or(0).unsigned_abs();
        let tokens = rows.saturating_mul(length);
        let hidden_state = tokens.saturating_mul(width);
        let attention_map = tokens.saturating_mul(length).saturating_mul(heads);
        // Four projections of attention, two of the widest layer; scores and what is summed by them.
        let of_token = width.saturating_mul(12).saturating_add(length.saturating_mul(2));
        let of_layer = hidden_state.saturating_mul(of_token);
        let places = match spec.task {
            Task::TokenLabels { .. } | Task::Spans | Task::MaskedLm { .. } => tokens,
            Task::SingleLabel { .. } | Task::MultiLabel { .. } | Task::Regression { .. } => rows,
        };
        let logits = places.saturating_mul(spec.task.num_outputs().unsigned_abs());
        let work_of_head = logits.saturating_mul(width);
        Self { layers, hidden_state, attention_map, work: of_layer.saturating_mul(layers), logits, work_of_head }
    }
}

/// About what a forward without gradients takes, in bytes at its peak: some tensors of one layer, those of all layers
/// that are returned, and the logits with their logarithms for a loss.
fn forward_cost(batch: &Batch, wanted: &[String], spec: &ModelSpec) -> Cost {
    const LOGITS: u64 = 2;
    let Reading { layers, hidden_state, attention_map, mut work, logits, work_of_head } = Reading::new(batch, spec);
    let is_wanted = |name: &str| wanted.iter().any(|other| other == name);
    let returned = |name: &str| if is_wanted(name) { layers } else { 0 };
    let hidden = hidden_state.saturating_mul(OF_ONE_LAYER + returned("hidden_states"));
    let maps = attention_map.saturating_mul(2 + returned("attentions"));
    let mut elements = hidden.saturating_add(maps);
    if spec.task.logits().iter().any(|name| is_wanted(name)) || is_wanted("loss") {
        elements = elements.saturating_add(logits.saturating_mul(LOGITS));
        work = work.saturating_add(work_of_head);
    }
    Cost { work, bytes: elements.saturating_mul(FLOAT), ..Cost::default() }
}

/// About what a forward and its gradient take in training: tensors of all layers wait for the gradient, and so do the logits,
/// their logarithms and their probabilities.
pub(crate) fn training_cost(batch: &Batch, spec: &ModelSpec) -> Cost {
    const MAPS_OF_ONE_LAYER: u64 = 3;
    const LOGITS: u64 = 4;
    let Reading { layers, hidden_state, attention_map, work, logits, work_of_head } = Reading::new(batch, spec);
    let hidden = hidden_state.saturating_mul(OF_ONE_LAYER);
    let maps = attention_map.saturating_mul(MAPS_OF_ONE_LAYER);
    let elements = hidden.saturating_add(maps).saturating_mul(layers).saturating_add(logits.saturating_mul(LOGITS));
    let (bytes, work) = (elements.saturating_mul(FLOAT), work.saturating_add(work_of_head));
    Cost { work, bytes, gradient_work: work.saturating_mul(2), gradient_bytes: bytes / 2 }
}

/// Checks what models look up in a batch that a guest made, which no loader has checked. A model itself does so where
/// looking is free; on a GPU an index outside would end in an assertion after which the process can use the device no
/// more.
pub(crate) fn check_indices<'s>(batch: &Batch, readers: impl IntoIterator<Item = &'s ModelSpec>) -> OpResult<()> {
    // The fewest that a reader has, by column: looking at a tensor waits for its device.
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for reader in readers {
        let columns = reader.inputs.columns.iter().filter_map(|column| Some((column.name, column.count?)));
        let classes = match reader.task {
            // Its classes are the positions of the batch.
            Task::Spans => batch.get("input_ids").and_then(|ids| ids.size().last().copied()).unwrap_or(0),
            _ => reader.task.num_outputs(),
        };
        // Of a model whose classes are not known nothing can be said.
        let labels = (reader.task.labels_are_classes() && classes > 0).then_some((LABELS, classes));
        for (name, count) in columns.chain(labels) {
            let least = counts.entry(name).or_insert(count);
            *least = count.min(*least);
        }
    }
    for (name, count) in counts {
        let Some(tensor) = batch.get(name) else { continue };
        let mut index = tensor.f_to_kind(Kind::Int64)?;
        if name == LABELS {
            index = index.f_masked_fill(&index.f_eq(IGNORED_LABEL)?, 0)?;
        }
        indices(&index, count).map_err(|error| error.about(name))?;
    }
    Ok(())
}

const LABELS: &str = "labels";

#[cfg(test)]
mod tests {
    use brewer::model::InputSpec;

    use super::*;

    /// The logits of a small model over many words are larger than all else that it makes.
    #[test]
    fn a_vocabulary_counts() {
        let spec = |task: Task| ModelSpec {
            architecture: "BertForMaskedLM".into(),
            inputs: InputSpec { columns: vec![], max_length: None, pad_token_id: 0 },
            task,
            num_layers: Some(2),
            hidden_size: Some(128),
            num_attention_heads: Some(2),
        };
        let words = spec(Task::MaskedLm { vocab_size: 30_522 });
        let classes = spec(Task::SingleLabel { labels: vec!["a".into(), "b".into()] });
        let batch: Batch = [("input_ids", Tensor::zeros([10, 8], (Kind::Int64, Device::Cpu)))].into_iter().collect();
        let logits = 10 * 8 * 30_522 * FLOAT;
        let cost = |wanted: &str| forward_cost(&batch, &[wanted.to_owned()], &words);
        assert!(cost("logits").bytes > 2 * logits && cost("loss").bytes > 2 * logits);
        assert!(cost("hidden_states").bytes < logits);
        assert_eq!(cost("logits").work - cost("hidden_states").work, 10 * 8 * 30_522 * 128);
        let more = training_cost(&batch, &words).bytes - training_cost(&batch, &classes).bytes;
        assert_eq!(more, 4 * (logits - 10 * 2 * FLOAT));
    }
}
