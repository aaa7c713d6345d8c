use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use tch::Tensor;

use super::ForwardArguments;
use crate::classes::{ClassMatching, Classes};
use crate::features::FeaturesForm;
use crate::loss::{LossError, ModelFeatures};
use crate::{Adaptor, Batch, Features, Model, OutputId, OutputRequest, Outputs, Pass, Result, Side, StepContext, Task};

/// A model and its adaptor: from a batch to features.
pub struct Branch {
    /// Which model it is.
    pub side: Side,
    /// The task's name where there are several.
    pub task: Option<Arc<str>>,
    /// A student is shared by the branches of all tasks, or its body is, if each task has a head of its own.
    pub model: Rc<dyn Model>,
    /// What takes features out of its outputs.
    pub adaptor: Box<dyn Adaptor>,
    /// A teacher's classes beside the student's. What its adaptor sees is in the student's order.
    classes: Option<Classes>,
    /// Whether a batch's labels, which are the student's, are labels of the model's task, too.
    has_labels: bool,
    arguments: ForwardArguments,
    request: OutputRequest,
    repeats: Repeats,
    /// The modules whose outputs go into the features.
    modules: Vec<String>,
    /// That of the features that the check before step 0 saw.
    form: Option<FeaturesForm>,
}

/// Forwards that were made again because the adaptor read what had not been asked for.
#[derive(Default)]
struct Repeats {
    forwards: u64,
    outputs: BTreeSet<OutputId>,
}

impl Branch {
    /// Everything is computed until [`Branch::narrow`] says what is used.
    pub fn new(
        side: Side,
        task: Option<Arc<str>>,
        model: Rc<dyn Model>,
        arguments: ForwardArguments,
        adaptor: Box<dyn Adaptor>,
    ) -> Self {
        let request = OutputRequest::everything();
        Self {
            side,
            task,
            model,
            classes: None,
            has_labels: true,
            arguments,
            adaptor,
            request,
            repeats: Repeats::default(),
            modules: vec![],
            form: None,
        }
    }

    /// The same branch of a teacher, whose classes are matched with those of the student's task. Labels are the student's:
    /// a teacher of another kind of task does not see them.
    pub fn with_classes(self, student: &Task) -> Result<Self> {
        let own = &self.model.spec().task;
        let classes = Classes::new(own.labels(), student.labels(), self.model.device())?;
        let has_labels = own.is_of_kind(student);
        Ok(Self { classes: Some(classes), has_labels, ..self })
    }

    /// A teacher's classes beside the student's; `None` of the student.
    pub fn classes(&self) -> Option<&Classes> {
        self.classes.as_ref()
    }

    /// `teacher 1`, and with several tasks `student of sentiment`.
    pub fn label(&self) -> String {
        match &self.task {
            Some(task) => format!("{} of {task}", self.side),
            None => self.side.to_string(),
        }
    }

    /// The features of a batch, and the outputs that they were made from. `seed` is that of the student's dropout, `None`
    /// in evaluation. A teacher runs without grad, and is never in training.
    pub fn features(&mut self, batch: &Batch, context: &StepContext, seed: Option<i64>) -> Result<(Features, Outputs)> {
        match self.side {
            Side::Student => self.forward(batch, context, seed),
            Side::Teacher(_) => tch::no_grad(|| self.forward(batch, context, None)),
        }
    }

    /// The features of outputs that were not computed here.
    pub fn adapt(&mut self, batch: &Batch, mut outputs: Outputs, context: &StepContext) -> Result<(Features, Outputs)> {
        self.put_in_order(&mut outputs)?;
        let features = self.adaptor.adapt(&context.of(self.task.as_ref(), self.side), batch, &outputs)?;
        let modules = self.module_outputs(&outputs)?;
        Ok((Features { modules, ..features }, outputs))
    }

    fn forward(&mut self, batch: &Batch, context: &StepContext, seed: Option<i64>) -> Result<(Features, Outputs)> {
        let context = context.of(self.task.as_ref(), self.side);
        let unlabelled = (!self.has_labels).then(|| batch.without("labels"));
        let seen = unlabelled.as_ref().unwrap_or(batch);
        let in_own_order = self.classes.as_ref().map(|classes| classes.batch_of_teacher(seen)).transpose()?.flatten();
        let seen = in_own_order.as_ref().unwrap_or(seen);
        let with_arguments = (!self.arguments.is_empty()).then(|| self.arguments.with(seen)).transpose()?;
        let seen = with_arguments.as_ref().unwrap_or(seen);
        // A step is computed from what it reads itself: a resumed run does not know what the steps before it read.
        let mut request = self.request.clone();
        let memory = self.adaptor.state().map(|state| state.save()).transpose()?;
        loop {
            // A forward that is repeated draws what it drew before.
            if let Some(seed) = seed {
                tch::manual_seed(seed);
            }
            let mut pass = Pass::new(&request, seed.is_some());
            self.model.forward(seen, &mut pass)?;
            let mut outputs = pass.into_outputs();
            self.put_in_order(&mut outputs)?;
            let features = self.adaptor.adapt(&context, batch, &outputs);
            let modules = self.module_outputs(&outputs)?;
            // An adaptor may read at some step what it did not read in the check.
            let missed: Vec<OutputId> =
                outputs.missed().into_iter().filter(|output| !request.wants_output(output)).collect();
            if missed.is_empty() {
                return features.map(|features| (Features { modules, ..features }, outputs));
            }
            missed.iter().for_each(|output| request.add_output(output));
            self.repeats.forwards += 1;
            self.repeats.outputs.extend(missed);
            // The adaptor is called for the batch once more, and must not count it twice.
            if let (Some(state), Some(memory)) = (self.adaptor.state(), &memory) {
                state.restore(memory)?;
            }
        }
    }

    /// Puts a teacher's logits into the student's order of classes.
    fn put_in_order(&self, outputs: &mut Outputs) -> Result<()> {
        self.classes.as_ref().map_or(Ok(()), |classes| classes.reorder(outputs))
    }

    /// Whether logits of a teacher and of the student are about the same classes. Logits of another number of classes
    /// than the model's own are the adaptor's, and so is what they mean.
    pub(super) fn check_classes(&self, teacher: &Features, student: &Features) -> Result<()> {
        let Some(classes) = &self.classes else { return Ok(()) };
        let has_own = |features: &Features, classes: &[String]| {
            let is_own = |logits: &Tensor| logits.size().last() == Some(&(classes.len() as i64));
            features.logits.iter().any(is_own)
        };
        let is_compared = has_own(teacher, &classes.teacher) && has_own(student, &classes.student);
        if is_compared && matches!(classes.matching, ClassMatching::Different) {
            return Err(self.other_classes(classes).into());
        }
        Ok(())
    }

    /// The error that a teacher's classes are not the student's.
    pub fn other_classes(&self, classes: &Classes) -> LossError {
        LossError::Classes {
            side: self.label(),
            is_of_task: self.task.is_some(),
            teacher: classes.teacher.clone(),
            student: classes.student.clone(),
        }
    }

    /// Puts the outputs of these modules into the features from now on.
    pub fn read_modules(&mut self, names: Vec<String>) {
        names.iter().for_each(|name| self.request.add_module(name));
        self.modules = names;
    }

    fn module_outputs(&self, outputs: &Outputs) -> Result<IndexMap<String, Tensor>> {
        let mut modules = IndexMap::new();
        for name in &self.modules {
            let output = outputs.module(name).ok_or_else(|| LossError::NoModule {
                side: self.label(),
                name: name.clone(),
                known: outputs.modules().to_vec(),
            })?;
            modules.insert(name.clone(), output.shallow_clone());
        }
        Ok(modules)
    }

    /// From now on features are of this form.
    pub fn fix_form(&mut self, features: &Features) {
        self.form = Some(features.form(&self.model.spec().task));
    }

    /// Whether features are of the form that the check before step 0 saw. Another one would change the loss in the middle
    /// of a run.
    pub fn check_form(&self, side: &ModelFeatures<'_>) -> Result<()> {
        let Some(expected) = &self.form else { return Ok(()) };
        let found = side.features.form(side.task);
        let changed = |key: &str, found: String, expected: String| -> Result<()> {
            Err(side.wrong(key, found, format!("{expected}, as in the check before step 0")).into())
        };
        if found.logits.len() != expected.logits.len() {
            let count = |form: &FeaturesForm| format!("{} tensors", form.logits.len());
            return changed("logits", count(&found), count(expected));
        }
        for (index, (found, expected)) in found.logits.iter().zip(&expected.logits).enumerate() {
            if found != expected {
                let describe = |(dims, classes): &(usize, Option<i64>)| match classes {
                    Some(classes) => format!("{dims} dimensions and {classes} classes"),
                    None => format!("{dims} dimensions"),
                };
                return changed(&format!("logits[{index}]"), describe(found), describe(expected));
            }
        }
        // Of a teacher no loss is computed, and a cache does not keep them.
        if self.side == Side::Student && found.losses != expected.losses {
            let count = |form: &FeaturesForm| format!("{} tensors", form.losses);
            return changed("losses", count(&found), count(expected));
        }
        Ok(())
    }

    /// From now on only what was read of `outputs` is computed.
    pub fn narrow(&mut self, outputs: &Outputs) {
        self.request = outputs.read();
        self.repeats = Repeats::default();
    }

    /// How many forwards were repeated since [`Branch::narrow`] and why, as a sentence; `None` if none was.
    pub fn repeats(&self) -> Option<String> {
        let Repeats { forwards, outputs } = &self.repeats;
        let times = match forwards {
            0 => return None,
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let outputs: Vec<String> = outputs.iter().map(OutputId::to_string).collect();
        Some(format!(
            "the forward of the {} was repeated {times}: {} read {}, and did not in the check before step 0. To compute it \
             once, read it in the check as well",
            self.label(),
            self.adaptor.name(),
            outputs.join(", ")
        ))
    }
}
