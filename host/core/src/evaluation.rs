//! Running a model over a data set without training it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tch::Device;

use crate::callback::{Action, Callback, Scalars};
use crate::classes::{ClassMatching, Classes};
use crate::data::Loader;
use crate::metric::metrics;
use crate::model::ModelSpec;
use crate::out_of_memory::{EVALUATION_KEYS, OutOfMemory, described};
use crate::train::ForwardArguments;
use crate::{
    Batch, BatchPostprocessor, Model, OutputRequest, Pass, Result, RoleState, Side, StepContext, Student, Task,
    libtorch,
};

/// What an evaluation found.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The metrics of the model's task by name: `loss`, `accuracy`, …
    pub metrics: Scalars,
    pub num_examples: usize,
    pub seconds: f64,
}

impl Evaluation {
    pub fn examples_per_second(&self) -> f64 {
        self.num_examples as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// What a batch passes through before a model sees it: the same as in training.
pub struct Preparation {
    pub side: Side,
    /// The task's name where there are several.
    pub task: Option<Arc<str>>,
    pub postprocessor: Option<Box<dyn BatchPostprocessor>>,
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
    device: Device,
    interrupt: &AtomicBool,
) -> Result<Evaluation> {
    evaluate_batches(model, loader, preparation, device, interrupt, usize::MAX)
}

/// The same on the first `most` batches alone.
fn evaluate_batches(
    model: &dyn Model,
    loader: &Loader,
    preparation: &mut Preparation,
    device: Device,
    interrupt: &AtomicBool,
    most: usize,
) -> Result<Evaluation> {
    let mut request = OutputRequest::nothing();
    request.add("logits");
    request.add("loss");
    let mut metrics = metrics(&model.spec().task);
    let mut num_examples = 0;
    let start = Instant::now();
    for batch in loader.epoch(0).take(most) {
        if interrupt.load(Ordering::Relaxed) {
            break;
        }
        let batch = preparation.prepare(&batch?, device)?;
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

/// The names of the numbers that [`EvaluateAtCheckpoints`] reports of a task; none of data without labels.
pub fn scalar_names(split: &str, loader: &Loader, task: &Task) -> Vec<String> {
    if !loader.dataset().has_labels() {
        return vec![];
    }
    metrics(task).iter().map(|metric| scalar_name(split, metric.name())).collect()
}

/// How a metric on a split is called in reports.
fn scalar_name(split: &str, metric: &str) -> String {
    format!("{split}_{metric}")
}

/// Evaluates the student on a data set at every checkpoint and reports the metrics of its task as `SPLIT_loss`,
/// `SPLIT_accuracy`, …
pub struct EvaluateAtCheckpoints {
    split: String,
    loader: Loader,
    preparation: Preparation,
    device: Device,
    task: Task,
}

impl EvaluateAtCheckpoints {
    /// `task` is what the student predicts of the data.
    pub fn new(split: &str, loader: Loader, preparation: Preparation, device: Device, task: Task) -> Self {
        Self { split: split.to_owned(), loader, preparation, device, task }
    }

    fn report(&self, evaluation: Evaluation, scalars: &mut Scalars) {
        let metrics = evaluation.metrics.into_iter();
        scalars.extend(metrics.map(|(name, value)| (scalar_name(&self.split, &name), value)));
    }
}

impl Callback for EvaluateAtCheckpoints {
    fn name(&self) -> &str {
        "evaluation"
    }

    fn on_checkpoint(
        &mut self,
        student: &Student,
        _context: &StepContext,
        scalars: &mut Scalars,
        interrupt: &AtomicBool,
    ) -> Result<Action> {
        let model = student.of_task(self.preparation.task.as_deref())?;
        let evaluation = evaluate(model.as_ref(), &self.loader, &mut self.preparation, self.device, interrupt)?;
        self.report(evaluation, scalars);
        Ok(Action::Continue)
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.preparation.postprocessor.as_mut().and_then(|postprocessor| postprocessor.state())
    }

    fn scalar_names(&self) -> Option<Vec<String>> {
        Some(scalar_names(&self.split, &self.loader, &self.task))
    }

    fn rehearse(&mut self, student: &Student, scalars: &mut Scalars) -> Result<()> {
        let model = student.of_task(self.preparation.task.as_deref())?;
        let (preparation, never) = (&mut self.preparation, AtomicBool::new(false));
        let evaluation = evaluate_batches(model.as_ref(), &self.loader, preparation, self.device, &never, 1)?;
        self.report(evaluation, scalars);
        Ok(())
    }
}
