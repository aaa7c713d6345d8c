//! Running a case in its role.

use brewer::{
    Adaptor, Batch, BatchPostprocessor, Outputs, Side, StepContext,
    loss::{KdInputs, KdLoss, MatchLoss},
    temperature::{Temperature, TemperatureScheduler},
    weight::WeightScheduler,
};
use tch::Tensor;

use super::{
    Cost, Meter,
    cases::{BatchSpec, Case, OutputSpec, TensorSpec},
    checkpoint,
    expect::Returned,
    tensors::make,
};
use crate::{
    Plugin, PluginAdaptor, PluginBatchPostprocessor, PluginKdLoss, PluginMatchLoss, PluginRole,
    PluginTemperatureScheduler, PluginWeightScheduler, tensor_ops::name_of, text::clean_name,
};

/// What a case came to.
pub(super) struct Made {
    pub returned: Vec<Returned>,
    pub cost: Option<Cost>,
    /// Of a loss: the gradient with respect to each of the student's tensors, where there is one.
    pub gradients: Option<Vec<Option<Tensor>>>,
}

impl Made {
    fn new(returned: Vec<Returned>, cost: Option<Cost>) -> Self {
        Self { returned, cost, gradients: None }
    }

    /// A loss, and the gradients of it.
    fn loss(loss: &Tensor, student: &[Tensor], cost: Option<Cost>) -> Result<Self, tch::TchError> {
        let gradients = Tensor::f_run_backward(&[loss], student, false, false)?.into_iter();
        let gradients = gradients.map(|gradient| Some(gradient).filter(Tensor::defined)).collect();
        let returned = vec![Returned::number("loss", loss.f_double_value(&[])?)];
        Ok(Self { returned, cost, gradients: Some(gradients) })
    }
}

/// What came back, or the message of an error.
pub(super) fn run(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String> {
    // The tensors are the same whatever ran before.
    tch::manual_seed(plugin.settings.seed as i64);
    let text = |error: brewer::Error| error.to_string();
    let load = |error: crate::Error| error.to_string();
    match case.role {
        PluginRole::Adaptor => {
            let mut adaptor = PluginAdaptor::new(plugin).map_err(load)?;
            let (context, batch, outputs) = (context(case), batch(&case.batch)?, outputs(case)?);
            let (features, cost) =
                meter.measured(|| Ok((adaptor.adapt(&context, &batch, &outputs)?, adaptor.usage()))).map_err(text)?;
            let returned = features.summary().into_iter();
            let returned = returned.map(|(key, text)| Returned { key: key.to_owned(), text, number: None });
            Ok(Made::new(returned.collect(), cost))
        }
        PluginRole::BatchPostprocessor => {
            let mut postprocessor = PluginBatchPostprocessor::new(plugin, vec![]).map_err(load)?;
            let (context, batch) = (context(case), batch(&case.batch)?);
            let copy = || batch.iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
            let (processed, cost) = meter
                .measured(|| Ok((postprocessor.process(&context, copy())?, postprocessor.usage())))
                .map_err(text)?;
            let described = |(name, tensor): (&str, &Tensor)| Returned {
                key: clean_name(name),
                text: format!("{} {:?}", name_of(tensor.kind()), tensor.size()),
                number: None,
            };
            Ok(Made::new(processed.iter().map(described).collect(), cost))
        }
        PluginRole::KdLoss => {
            let mut loss = PluginKdLoss::new(plugin).map_err(load)?;
            let (student, teacher) = (trained(one("student", &case.student)?), one("teacher", &case.teacher)?);
            let labels = case.labels.as_ref().map(|labels| make("labels", labels)).transpose()?;
            let temperature = Temperature::Scalar(case.temperature);
            let inputs =
                KdInputs { student: &student, teacher: &teacher, temperature: &temperature, labels: labels.as_ref() };
            let (loss, cost) = meter
                .measured(|| {
                    loss.begin_step(&context_of_both(case));
                    Ok((loss.loss(&inputs)?, loss.usage()))
                })
                .map_err(text)?;
            Made::loss(&loss, std::slice::from_ref(&student), cost).map_err(|error| text(error.into()))
        }
        PluginRole::MatchLoss => {
            let mut loss = PluginMatchLoss::new(plugin).map_err(load)?;
            let student: Vec<Tensor> = all("student", &case.student)?.into_iter().map(trained).collect();
            let teacher = all("teacher", &case.teacher)?;
            if student.len() != loss.num_layers() || teacher.len() != loss.num_layers() {
                return Err(format!("the loss takes {} layers of each side", loss.num_layers()));
            }
            let mask = case.mask.as_ref().map(|mask| make("mask", mask)).transpose()?;
            let (loss, cost) = meter
                .measured(|| {
                    loss.begin_step(&context_of_both(case));
                    Ok((loss.loss(&student, &teacher, mask.as_ref())?, loss.usage()))
                })
                .map_err(text)?;
            Made::loss(&loss, &student, cost).map_err(|error| text(error.into()))
        }
        PluginRole::TemperatureScheduler => {
            let mut scheduler = PluginTemperatureScheduler::new(plugin).map_err(load)?;
            let (student, teacher) = (one("student", &case.student)?, one("teacher", &case.teacher)?);
            let (temperature, cost) = meter
                .measured(|| {
                    scheduler.begin_step(&context_of_both(case));
                    Ok((scheduler.temperature(&student, &teacher, case.temperature)?, scheduler.usage()))
                })
                .map_err(text)?;
            let returned = match temperature {
                Temperature::Scalar(value) => Returned::number("temperature", value),
                Temperature::PerExample(values) => Returned {
                    key: "temperature".to_owned(),
                    text: format!("{} {:?}", name_of(values.kind()), values.size()),
                    number: None,
                },
            };
            Ok(Made::new(vec![returned], cost))
        }
        PluginRole::WeightScheduler => {
            let mut scheduler = PluginWeightScheduler::new(plugin).map_err(load)?;
            let context = context_of_both(case);
            let (weight, cost) =
                meter.measured(|| Ok((scheduler.weight(&context)?, scheduler.usage()))).map_err(text)?;
            Ok(Made::new(vec![Returned::number("weight", weight)], cost))
        }
        PluginRole::Callback => {
            let (returned, cost) = checkpoint::run(plugin, case, meter)?;
            Ok(Made::new(returned, cost))
        }
    }
}

/// The step of a case. Every step is thought to be one of the optimizer's.
pub(super) fn context(case: &Case) -> StepContext {
    StepContext {
        step: case.step,
        global_step: case.step,
        progress: case.progress,
        side: Some(case.model),
        ..StepContext::default()
    }
}

/// The same of a role that is called for both sides together.
fn context_of_both(case: &Case) -> StepContext {
    StepContext { side: None, ..context(case) }
}

pub(super) fn batch(spec: &BatchSpec) -> Result<Batch, String> {
    spec.iter()
        .map(|(name, spec)| Ok((name.clone(), make(name, spec)?)))
        .collect::<Result<Vec<_>, _>>()
        .map(|tensors| tensors.into_iter().collect())
}

/// The student's are trained, so a loss that an adaptor makes of them has a gradient.
pub(super) fn outputs(case: &Case) -> Result<Outputs, String> {
    let make = |name: &str, spec: &TensorSpec| {
        let made = make(name, spec)?;
        Ok::<Tensor, String>(if matches!(case.model, Side::Student) { trained(made) } else { made })
    };
    let mut outputs = Outputs::new();
    for (name, spec) in &case.outputs {
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

fn trained(tensor: Tensor) -> Tensor {
    if tensor.is_floating_point() { tensor.set_requires_grad(true) } else { tensor }
}

fn all(name: &str, specs: &[TensorSpec]) -> Result<Vec<Tensor>, String> {
    specs.iter().map(|spec| make(name, spec)).collect()
}

fn one(name: &str, specs: &[TensorSpec]) -> Result<Tensor, String> {
    match specs {
        [spec] => make(name, spec),
        _ => Err(format!("`{name}` has {} tensors; this role takes one", specs.len())),
    }
}
