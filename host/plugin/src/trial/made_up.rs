//! What a case calls a role with, made up: tensors, batches, outputs, a student.

use std::path::Path;

use brewer::{
    Batch, Model, Outputs, Parameters, Pass, Side, StepContext, Student, Task, libtorch,
    model::{InputSpec, ModelConfig, ModelSpec},
};
use tch::{Device, Kind, Tensor};

use super::cases::{BatchSpec, Case, OutputSpec, SpecKind, TensorSpec};
use crate::{
    checkpoint::{Batches, Split},
    error::Error,
};

impl Case {
    /// The step of a role that is called for one model. Every forward step is thought to be one of the optimizer's.
    pub(crate) fn context(&self) -> StepContext {
        StepContext {
            step: self.step,
            global_step: self.step,
            progress: self.progress,
            side: Some(self.model),
            ..StepContext::default()
        }
    }

    /// The step of a role that is called for both sides together.
    pub(crate) fn context_of_both(&self) -> StepContext {
        StepContext { side: None, ..self.context() }
    }

    pub(crate) fn batch(&self) -> Result<Batch, String> {
        batch(&self.batch)
    }

    /// The student's are trained, so a loss that an adaptor makes of them has a gradient.
    pub(crate) fn outputs(&self) -> Result<Outputs, String> {
        let make = |name: &str, spec: &TensorSpec| {
            let made = make(name, spec)?;
            Ok::<Tensor, String>(if self.model == Side::Student { trained(made) } else { made })
        };
        let mut outputs = Outputs::new();
        for (name, spec) in &self.outputs {
            match spec {
                OutputSpec::Tensor(spec) => outputs.insert(name, Some(make(name, spec)?)),
                OutputSpec::List(specs) => {
                    let layers = specs.iter().map(|spec| Ok(Some(make(name, spec)?))).collect::<Result<_, String>>()?;
                    outputs.insert_list(name, layers);
                }
            }
        }
        Ok(outputs)
    }

    /// The one tensor of student and teacher, the student's trained.
    pub(crate) fn logits(&self) -> Result<(Tensor, Tensor), String> {
        let one = |name: &str, specs: &[TensorSpec]| match specs {
            [spec] => make(name, spec),
            _ => Err(format!("`{name}` has {} tensors; this role takes one", specs.len())),
        };
        Ok((trained(one("student", &self.student)?), one("teacher", &self.teacher)?))
    }

    /// The tensors of student and teacher, the student's trained.
    pub(crate) fn layers(&self) -> Result<(Vec<Tensor>, Vec<Tensor>), String> {
        let all = |name: &str, specs: &[TensorSpec]| -> Result<Vec<Tensor>, String> {
            specs.iter().map(|spec| make(name, spec)).collect()
        };
        let student = all("student", &self.student)?.into_iter().map(trained).collect();
        Ok((student, all("teacher", &self.teacher)?))
    }

    pub(crate) fn labels(&self) -> Result<Option<Tensor>, String> {
        self.labels.as_ref().map(|labels| make("labels", labels)).transpose()
    }

    pub(crate) fn mask(&self) -> Result<Option<Tensor>, String> {
        self.mask.as_ref().map(|mask| make("mask", mask)).transpose()
    }

    /// The data of a callback.
    pub(crate) fn splits(&self) -> Result<Vec<Split>, String> {
        let split = |(name, batches): (&String, &Vec<_>)| {
            let batches = batches.iter().map(batch).collect::<Result<Vec<_>, _>>()?;
            Ok(Split { name: name.clone(), task: None, batches: Box::new(batches) })
        };
        self.splits.iter().map(split).collect()
    }

    /// The student of a callback, which returns what the case says.
    pub(crate) fn model(&self) -> Result<Student, String> {
        Ok(Student::one(std::rc::Rc::new(MadeUpModel::new(self)?)))
    }
}

fn batch(spec: &BatchSpec) -> Result<Batch, String> {
    spec.iter()
        .map(|(name, spec)| Ok((name.clone(), make(name, spec)?)))
        .collect::<Result<Vec<_>, _>>()
        .map(|tensors| tensors.into_iter().collect())
}

fn trained(tensor: Tensor) -> Tensor {
    if tensor.is_floating_point() { tensor.set_requires_grad(true) } else { tensor }
}

/// The tensor of a description; what cannot be made is an error for the author.
fn make(name: &str, spec: &TensorSpec) -> Result<Tensor, String> {
    let refused = |error: tch::TchError| format!("{name}: {}", libtorch::message(&error));
    let TensorSpec { shape, kind, below, values } = spec;
    let elements = shape.iter().try_fold(1_i64, |product, &size| product.checked_mul(size).filter(|_| size >= 0));
    if elements.is_none_or(|elements| elements > 1 << 28) {
        return Err(format!("{name}: the shape {shape:?} is not one that can be made up"));
    }
    let made = match (values, kind) {
        (Some(values), _) => {
            let flat = Tensor::f_from_slice(values).map_err(refused)?;
            flat.f_reshape(shape).map_err(refused)?.f_to_kind(kind.kind()).map_err(refused)?
        }
        (None, SpecKind::Float32) => Tensor::f_randn(shape, (Kind::Float, Device::Cpu)).map_err(refused)?,
        (None, _) => {
            let integers = Tensor::f_randint((*below).max(1), shape, (Kind::Int64, Device::Cpu)).map_err(refused)?;
            integers.f_to_kind(kind.kind()).map_err(refused)?
        }
    };
    Ok(made)
}

impl SpecKind {
    fn kind(self) -> Kind {
        match self {
            SpecKind::Float32 => Kind::Float,
            SpecKind::Int64 => Kind::Int64,
            SpecKind::Bool => Kind::Bool,
        }
    }
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
        Ok(Self { spec, parameters, outputs: case.outputs()? })
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
