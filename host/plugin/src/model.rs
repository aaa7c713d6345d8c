//! The interface `model`: the student, to look at and to run.

use brewer::{Batch, IGNORED_LABEL, OutputRequest, Pass, model::ModelSpec};
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
        let student = self.checkpoint()?.student.clone();
        let columns = self.handles.get(&batch)?;
        // With heads by task, a batch of the data is for its task's head.
        let student = student.of_task(columns.task()).map_err(|error| OpError::argument(error.to_string()))?.clone();
        let batch = columns.batch();
        let spec = student.spec();
        let Cost { bytes: needed, work, .. } = forward_cost(&batch, &wanted, spec);
        if needed > self.limits.tensor_bytes {
            let did = format!("asked for a forward that takes about {}", Bytes(needed));
            return Err(LimitError::new("tensor_bytes", Bytes(self.limits.tensor_bytes), did).into());
        }
        check_time(&self.limits, work, " in a forward", self.call.device, || self.call.started.elapsed())?;
        check_indices(&batch, spec).map_err(|error| self.disclosed(error))?;
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

/// The outputs of these names, of a list all layers.
fn request(wanted: &[String], spec: &ModelSpec) -> OutputRequest {
    let mut request = OutputRequest::nothing();
    for name in wanted {
        request.add(name);
        (0..=spec.num_layers.unwrap_or(0)).for_each(|layer| request.add_layer(name, layer));
    }
    request
}

/// Tensors as large as a hidden state that live at once in a layer, whose widest is four times as wide.
const OF_ONE_LAYER: u64 = 16;
const FLOAT: u64 = 4;

/// What a model reads of a batch, and the sizes of what it makes of it, in elements.
struct Reading {
    layers: u64,
    hidden_state: u64,
    attention_map: u64,
    /// The multiply-adds of a forward.
    work: u64,
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
        Self { layers, hidden_state, attention_map, work: of_layer.saturating_mul(layers) }
    }
}

/// About what a forward without gradients takes, in bytes at its peak: some tensors of one layer, and those of all layers
/// that are returned.
fn forward_cost(batch: &Batch, wanted: &[String], spec: &ModelSpec) -> Cost {
    let Reading { layers, hidden_state, attention_map, work } = Reading::new(batch, spec);
    let returned = |name: &str| if wanted.iter().any(|other| other == name) { layers } else { 0 };
    let hidden = hidden_state.saturating_mul(OF_ONE_LAYER + returned("hidden_states"));
    let maps = attention_map.saturating_mul(2 + returned("attentions"));
    Cost { work, bytes: hidden.saturating_add(maps).saturating_mul(FLOAT), ..Cost::default() }
}

/// About what a forward and its gradient take in training: tensors of all layers wait for the gradient.
pub(crate) fn training_cost(batch: &Batch, spec: &ModelSpec) -> Cost {
    const MAPS_OF_ONE_LAYER: u64 = 3;
    let Reading { layers, hidden_state, attention_map, work } = Reading::new(batch, spec);
    let hidden = hidden_state.saturating_mul(OF_ONE_LAYER);
    let maps = attention_map.saturating_mul(MAPS_OF_ONE_LAYER);
    let bytes = hidden.saturating_add(maps).saturating_mul(FLOAT * layers);
    Cost { work, bytes, gradient_work: work.saturating_mul(2), gradient_bytes: bytes / 2 }
}

/// Checks what the student looks up. Itself it does so where looking is free; on a GPU an index outside would end in an
/// assertion after which the process can use the device no more, and a guest may make any batch.
fn check_indices(batch: &Batch, spec: &ModelSpec) -> OpResult<()> {
    let inputs = spec.inputs.columns.iter().filter_map(|column| Some((column.name, column.count?)));
    let labels = spec.task.labels_are_classes().then(|| ("labels", spec.task.num_outputs()));
    for (name, count) in inputs.chain(labels) {
        let Some(column) = batch.get(name).filter(|column| column.device() != Device::Cpu) else { continue };
        let column = column.f_to_kind(Kind::Int64)?;
        indices(&column.f_masked_fill(&column.f_eq(IGNORED_LABEL)?, 0)?, count)?;
    }
    Ok(())
}
