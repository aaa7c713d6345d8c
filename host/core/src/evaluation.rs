//! Running a model over a data set without training it.

use std::rc::Rc;
use std::time::Instant;

use tch::Device;

use crate::callback::{Action, Callback, Scalars};
use crate::data::Loader;
use crate::metric::classification;
use crate::model::Mode;
use crate::{Model, OutputRequest, Result};

/// What an evaluation found.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The metrics by name: `loss`, `accuracy`.
    pub metrics: Scalars,
    pub num_examples: usize,
    pub seconds: f64,
}

impl Evaluation {
    pub fn examples_per_second(&self) -> f64 {
        self.num_examples as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// Runs the model over all batches of a loader, in evaluation mode and without grad.
pub fn evaluate(model: &dyn Model, loader: &Loader, device: Device) -> Result<Evaluation> {
    evaluate_batches(model, loader, device, usize::MAX)
}

/// The same on the first batches alone.
fn evaluate_batches(model: &dyn Model, loader: &Loader, device: Device, most: usize) -> Result<Evaluation> {
    let mut request = OutputRequest::nothing();
    request.add("logits");
    request.add("loss");
    let mut metrics = classification();
    let mut num_examples = 0;
    let start = Instant::now();
    tch::no_grad(|| -> Result<()> {
        for batch in loader.epoch(0).take(most) {
            let batch = batch?.to_device(device)?;
            let outputs = model.forward(&batch, &request, Mode::Eval)?;
            for metric in &mut metrics {
                metric.update(&batch, &outputs)?;
            }
            num_examples += batch.len();
        }
        Ok(())
    })?;
    let values = metrics.iter().filter_map(|metric| Some((metric.name().to_owned(), metric.value()?)));
    Ok(Evaluation { metrics: values.collect(), num_examples, seconds: start.elapsed().as_secs_f64() })
}

/// Evaluates the student on a data set at every checkpoint and reports `SPLIT_loss` and `SPLIT_accuracy`.
pub struct EvaluateAtCheckpoints {
    split: String,
    loader: Loader,
    device: Device,
}

impl EvaluateAtCheckpoints {
    pub fn new(split: &str, loader: Loader, device: Device) -> Self {
        Self { split: split.to_owned(), loader, device }
    }

    /// How a metric is called in reports.
    fn scalar(&self, metric: &str) -> String {
        format!("{}_{metric}", self.split)
    }

    fn report(&self, evaluation: Evaluation, scalars: &mut Scalars) {
        scalars.extend(evaluation.metrics.into_iter().map(|(name, value)| (self.scalar(&name), value)));
    }
}

impl Callback for EvaluateAtCheckpoints {
    fn name(&self) -> &str {
        "evaluation"
    }

    fn on_checkpoint(&mut self, model: &Rc<dyn Model>, _step: u64, scalars: &mut Scalars) -> Result<Action> {
        let evaluation = evaluate(model.as_ref(), &self.loader, self.device)?;
        self.report(evaluation, scalars);
        Ok(Action::Continue)
    }

    fn scalar_names(&self) -> Option<Vec<String>> {
        Some(classification().iter().map(|metric| self.scalar(metric.name())).collect())
    }

    fn rehearse(&mut self, model: &Rc<dyn Model>, scalars: &mut Scalars) -> Result<()> {
        let evaluation = evaluate_batches(model.as_ref(), &self.loader, self.device, 1)?;
        self.report(evaluation, scalars);
        Ok(())
    }
}
