//! Running a model over a data set without training it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tch::Device;

use crate::callback::Scalars;
use crate::classes::{ClassMatching, Classes};
use crate::data::Loader;
use crate::metric::{MetricMode, metrics};
use crate::model::ModelSpec;
use crate::out_of_memory::{EVALUATION_KEYS, OutOfMemory, described};
use crate::train::{Evaluator, ForwardArguments};
use crate::{
    Batch, BatchPostprocessor, Model, OutputRequest, Pass, Result, RoleState, Side, StepContext, Student, Task,
    libtorch,
};

/// What an evaluation found.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The metrics of the model's task by name: `loss`, `accuracy`, …
    pub metrics: Scalars,
    /// How many examples there were.
    pub num_examples: usize,
    /// How long it took.
    pub seconds: f64,
}

impl Evaluation {
    /// How many examples it went through in a second.
    pub fn examples_per_second(&self) -> f64 {
        self.num_examples as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// What a batch passes through before a model sees it: the same as in training.
pub struct Preparation {
    /// Which model it is.
    pub side: Side,
    /// The task's name where there are several.
    pub task: Option<Arc<str>>,
    /// What changes a batch before the model sees it.
    pub postprocessor: Option<Box<dyn BatchPostprocessor>>,
    /// Extra arguments of the model's forward.
    pub arguments: ForwardArguments,
    /// A teacher's classes beside the student's, whose ids the labels are.
    pub classes: Option<Classes>,
}

impl Preparation {
    /// Batches as they are.
    pub fn none() -> Self {
        let arguments = ForwardArguments::default();
        Self { side: Side::Student, task: None, postprocessor: None, arguments, classes: None }
    }

    /// What data are read for, to evaluate a model of this kind: ids of labels are the student's.
    pub fn spec_of_data(&self, model: &ModelSpec) -> ModelSpec {
        match &self.classes {
            Some(Classes { student, matching: ClassMatching::Reordered(_), .. }) => {
                ModelSpec { task: model.task.clone().with_labels(student.clone()), ..model.clone() }
            }
            _ => model.clone(),
        }
    }

    /// The batch on `device`, after the post-processor. Its step is 0 whenever a model is evaluated, so that the same
    /// model has the same metrics.
    fn prepare(&mut self, batch: &Batch, device: Device) -> Result<Batch> {
        let mut batch = batch.to_device(device)?;
        if let Some(postprocessor) = &mut self.postprocessor {
            let context = StepContext::default().of(self.task.as_ref(), self.side);
            batch = postprocessor.process(&context, batch)?;
        }
        let in_own_order = self.classes.as_ref().map(|classes| classes.batch_of_teacher(&batch)).transpose()?;
        Ok(in_own_order.flatten().unwrap_or(batch))
    }
}

/// Runs the model over all batches of a loader, in evaluation mode and without grad. A raised `interrupt` ends it after
/// the current batch; what it returns is then of the batches before.
pub fn evaluate(
    model: &dyn Model,
    loader: &Loader,
    preparation: &mut Preparation,
    interrupt: &AtomicBool,
) -> Result<Evaluation> {
    evaluate_batches(model, loader, preparation, interrupt, usize::MAX)
}

/// The same on the first `most` batches alone.
fn evaluate_batches(
    model: &dyn Model,
    loader: &Loader,
    preparation: &mut Preparation,
    interrupt: &AtomicBool,
    most: usize,
) -> Result<Evaluation> {
    let mut request = OutputRequest::nothing();
    let task = &model.spec().task;
    task.logits().iter().for_each(|name| request.add(name));
    request.add("loss");
    let mut metrics = metrics(task);
    let mut num_examples = 0;
    let start = Instant::now();
    for batch in loader.epoch(0).take(most) {
        if interrupt.load(Ordering::Relaxed) {
            break;
        }
        let batch = preparation.prepare(&batch?, model.device())?;
        let measured = libtorch::guarded(|| {
            let with_arguments = preparation.arguments.with(&batch)?;
            let mut pass = Pass::evaluation(&request);
            tch::no_grad(|| model.forward(&with_arguments, &mut pass))?;
            let outputs = pass.into_outputs();
            metrics.iter_mut().try_for_each(|metric| metric.update(&batch, &outputs))
        });
        measured.map_err(|error| {
            OutOfMemory::or_else(error, "an evaluation".into(), described(&batch), EVALUATION_KEYS, |error| error)
        })?;
        num_examples += batch.len();
    }
    let values = metrics.iter().filter_map(|metric| Some((metric.name().to_owned(), metric.value()?)));
    Ok(Evaluation { metrics: values.collect(), num_examples, seconds: start.elapsed().as_secs_f64() })
}

/// Evaluates the student on a split of the data and reports the metrics of its task as `SPLIT_loss`, `SPLIT_accuracy`, …
pub struct SplitEvaluator {
    split: String,
    loader: Loader,
    preparation: Preparation,
    task: Task,
}

impl SplitEvaluator {
    /// `task` is what the student predicts of the data.
    pub fn new(split: &str, loader: Loader, preparation: Preparation, task: Task) -> Self {
        Self { split: split.to_owned(), loader, preparation, task }
    }

    /// The metrics of the student on the first `most` batches.
    fn measure(&mut self, student: &Student, interrupt: &AtomicBool, most: usize) -> Result<Scalars> {
        let model = student.of_task(self.preparation.task.as_deref())?;
        let (loader, preparation) = (&self.loader, &mut self.preparation);
        let found = evaluate_batches(model.as_ref(), loader, preparation, interrupt, most)?;
        Ok(found.metrics.into_iter().map(|(metric, value)| (format!("{}_{metric}", self.split), value)).collect())
    }
}

impl Evaluator for SplitEvaluator {
    fn split(&self) -> &str {
        &self.split
    }

    fn metrics(&self) -> Vec<(String, MetricMode)> {
        if !self.loader.dataset().has_labels() {
            return vec![];
        }
        let named = metrics(&self.task).into_iter();
        named.map(|metric| (format!("{}_{}", self.split, metric.name()), metric.mode())).collect()
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.preparation.postprocessor.as_mut().and_then(|postprocessor| postprocessor.state())
    }

    fn evaluate(&mut self, student: &Student, interrupt: &AtomicBool) -> Result<Scalars> {
        self.measure(student, interrupt, usize::MAX)
    }

    fn rehearse(&mut self, student: &Student) -> Result<Scalars> {
        self.measure(student, &AtomicBool::new(false), 1)
    }
}
