//! The interface `model`: the student, to look at and to run.

use brewer::{
    Batch, OutputRequest,
    model::{Mode, ModelInfo},
};
use tch::{Device, Kind, Tensor, no_grad};
use wasmtime::component::Resource;

use crate::{
    batch::Columns,
    bindings::{model, tensor::ErrorCode},
    dataset::bytes,
    error::{OpError, OpResult},
    handles::Entry,
    limits::{Bytes, LimitError},
    outputs::ModelOutputs,
    state::State,
    tensor_ops::indices,
    text::clean_name,
};

impl State {
    fn parameter(&mut self, name: &str) -> OpResult<Tensor> {
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
        let batch = self.handles.get(&batch)?.batch();
        let info = student.info();
        let needed = memory_needed(&batch, &wanted, info);
        if needed > self.limits.tensor_bytes {
            let did = format!("asked for a forward that takes about {}", Bytes(needed));
            return Err(LimitError::new("tensor_bytes", Bytes(self.limits.tensor_bytes), did).into());
        }
        check_indices(&batch, info)?;
        let mode = match mode {
            model::Mode::Train => Mode::Train,
            model::Mode::Eval => Mode::Eval,
        };
        let outputs = no_grad(|| student.forward(&batch, &request(&wanted, info), mode))
            .map_err(|error| OpError::argument(error.to_string()))?;
        if let Some(name) = wanted.iter().find(|name| !outputs.contains(name)) {
            let names: Vec<_> = outputs.names().collect();
            let message = format!("the student returns no `{}`; it returns {}", clean_name(name), names.join(", "));
            return Err(OpError::new(ErrorCode::NotFound, message));
        }
        let outputs = ModelOutputs::new(&outputs);
        for tensor in outputs.computed() {
            self.call.usage.tensor(&self.limits, bytes(tensor)?)?;
        }
        Ok(self.handles.insert(&self.limits, Entry::Outputs(outputs))?)
    }

    fn parameter_names(&mut self) -> OpResult<Vec<String>> {
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
        self.call.usage.work(&self.limits, count.saturating_mul(READS))?;
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
fn request(wanted: &[String], info: &ModelInfo) -> OutputRequest {
    let mut request = OutputRequest::nothing();
    for name in wanted {
        request.add(name);
        (0..=info.num_layers).for_each(|layer| request.add_layer(name, layer));
    }
    request
}

/// About how many bytes a forward without gradients takes at its peak: some tensors of one layer (the widest is four
/// times as wide as a hidden state), and those of all layers that are returned.
fn memory_needed(batch: &Batch, wanted: &[String], info: &ModelInfo) -> u64 {
    const FLOAT: u64 = 4;
    const OF_ONE_LAYER: u64 = 16;
    let shape = batch.get("input_ids").map(Tensor::size).unwrap_or_default();
    let [rows, length] = shape[..] else {
        // The student refuses such a batch before it computes anything.
        return 0;
    };
    let (rows, length) = (rows.unsigned_abs(), length.unsigned_abs());
    let layers = |name: &str| if wanted.iter().any(|other| other == name) { info.num_layers as u64 } else { 0 };
    let tokens = rows.saturating_mul(length).saturating_mul(FLOAT);
    let hidden = tokens.saturating_mul(info.hidden_size.unsigned_abs());
    let map = tokens.saturating_mul(length).saturating_mul(info.num_attention_heads.unsigned_abs());
    let of_hidden = hidden.saturating_mul(OF_ONE_LAYER + layers("hidden_states"));
    of_hidden.saturating_add(map.saturating_mul(2 + layers("attentions")))
}

/// Checks what the student looks up. Itself it does so where looking is free; on a GPU an index outside would end in an
/// assertion after which the process can use the device no more, and a guest may make any batch.
fn check_indices(batch: &Batch, info: &ModelInfo) -> OpResult<()> {
    /// The label that does not count.
    const IGNORED: i64 = -100;
    let counts = [
        ("input_ids", info.vocab_size),
        ("token_type_ids", info.type_vocab_size),
        ("labels", info.labels.len() as i64),
    ];
    for (name, count) in counts {
        let Some(column) = batch.get(name).filter(|column| column.device() != Device::Cpu) else { continue };
        let column = column.f_to_kind(Kind::Int64)?;
        indices(&column.f_masked_fill(&column.f_eq(IGNORED)?, 0)?, count)?;
    }
    Ok(())
}
