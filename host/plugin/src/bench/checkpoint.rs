//! A checkpoint that is made up: a student that returns what the case says, data, and the numbers so far.

use std::{path::Path, rc::Rc, sync::atomic::AtomicBool};

use brewer::{
    Batch, Model, Outputs, Parameters, Pass, StepContext, Student, Task,
    callback::{Action, Callback, Scalars},
    model::{InputSpec, ModelConfig, ModelSpec},
};
use tch::Device;

use super::{Cost, Meter, cases::Case, expect::Returned, roles, tensors::make};
use crate::{
    Error, Plugin, PluginCallback,
    checkpoint::{Batches, Split},
};

/// Calls a callback at each checkpoint of the case; what the last one answers and reports counts.
pub(super) fn run(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<(Vec<Returned>, Option<Cost>), String> {
    let text = |error: brewer::Error| error.to_string();
    let student = Student::one(Rc::new(MadeUpModel::new(case)?));
    let mut callback = PluginCallback::with_splits(plugin, splits(case)?).map_err(|error| error.to_string())?;
    let no_numbers = [Scalars::new()];
    let checkpoints = if case.metrics.is_empty() { &no_numbers[..] } else { &case.metrics };
    let mut call = |index: usize| {
        let mut scalars = checkpoints[index].clone();
        let step = case.step + index as u64;
        let context = StepContext { step, global_step: step, ..roles::context(case) };
        let action = callback.on_checkpoint(&student, &context, &mut scalars, &AtomicBool::new(false))?;
        Ok(((action, scalars), callback.usage()))
    };
    let last = checkpoints.len() - 1;
    for index in 0..last {
        call(index).map_err(text)?;
    }
    let ((action, scalars), cost) = meter.measured(|| call(last)).map_err(text)?;
    let answer = match action {
        Action::Continue => "continue",
        Action::Stop => "stop",
    };
    let mut returned = vec![Returned { key: "action".to_owned(), text: answer.to_owned(), number: None }];
    let reported = scalars.iter().filter(|(name, _)| !checkpoints[last].contains_key(*name));
    returned.extend(reported.map(|(name, number)| Returned::number(name, *number)));
    Ok((returned, cost))
}

fn splits(case: &Case) -> Result<Vec<Split>, String> {
    let split = |(name, batches): (&String, &Vec<_>)| {
        let batches = batches.iter().map(roles::batch).collect::<Result<Vec<_>, _>>()?;
        Ok(Split { name: name.clone(), task: None, batches: Box::new(batches) })
    };
    case.splits.iter().map(split).collect()
}

impl Batches for Vec<Batch> {
    fn count(&self) -> usize {
        self.len()
    }

    fn batch(&self, index: usize) -> brewer::Result<Option<Batch>> {
        self.get(index).map(|batch| batch.to_device(Device::Cpu)).transpose()
    }
}

struct MadeUpModel {
    spec: ModelSpec,
    parameters: Parameters,
    outputs: Outputs,
}

impl MadeUpModel {
    fn new(case: &Case) -> Result<Self, String> {
        let mut parameters = Parameters::new();
        for (name, spec) in &case.parameters {
            parameters.insert(name, make(name, spec)?);
        }
        let spec = ModelSpec {
            architecture: "Bench".to_owned(),
            inputs: InputSpec { columns: vec![], max_length: None, pad_token_id: 0 },
            task: Task::SingleLabel { labels: vec![] },
            num_layers: None,
            hidden_size: None,
            num_attention_heads: None,
        };
        Ok(Self { spec, parameters, outputs: roles::outputs(case)? })
    }
}

impl Model for MadeUpModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn config(&self) -> Option<&ModelConfig> {
        None
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What the case says, whatever the batch is.
    fn forward(&self, _batch: &Batch, pass: &mut Pass) -> brewer::Result<()> {
        pass.return_all(self.outputs.to_device(Device::Cpu)?);
        Ok(())
    }

    fn save(&self, folder: &Path) -> brewer::Result<()> {
        let problem = "the student of a test has nothing to save".to_owned();
        Err(Error::Bench { path: folder.to_owned(), problem }.into())
    }

    fn device(&self) -> Device {
        Device::Cpu
    }
}
