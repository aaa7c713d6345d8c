use std::rc::Rc;

use crate::model::Mode;
use crate::{AdaptContext, Adaptor, Batch, Features, Model, OutputRequest, Outputs, Result, Role};

/// A model and its adaptor: from a batch to features.
pub struct Branch {
    pub role: Role,
    /// The task's name where there are several.
    pub task: Option<String>,
    /// A student is shared by the branches of all tasks.
    pub model: Rc<dyn Model>,
    pub adaptor: Box<dyn Adaptor>,
    request: OutputRequest,
}

impl Branch {
    /// Everything is computed until [`Branch::narrow`] says what is used.
    pub fn new(role: Role, task: Option<String>, model: Rc<dyn Model>, adaptor: Box<dyn Adaptor>) -> Self {
        Self { role, task, model, adaptor, request: OutputRequest::everything() }
    }

    /// `teacher 1`, and with several tasks `student of sentiment`.
    pub fn label(&self) -> String {
        match &self.task {
            Some(task) => format!("{} of {task}", self.role),
            None => self.role.to_string(),
        }
    }

    /// The features of a batch, and the outputs that they were made from. A teacher runs without grad.
    pub fn features(&mut self, batch: &Batch, step: u64, mode: Mode) -> Result<(Features, Outputs)> {
        match self.role {
            Role::Student => self.forward(batch, step, mode),
            Role::Teacher(_) => tch::no_grad(|| self.forward(batch, step, Mode::Eval)),
        }
    }

    fn forward(&mut self, batch: &Batch, step: u64, mode: Mode) -> Result<(Features, Outputs)> {
        let context = AdaptContext { role: self.role, task: self.task.clone(), step };
        loop {
            let outputs = self.model.forward(batch, &self.request, mode)?;
            let features = self.adaptor.adapt(&context, batch, &outputs);
            // An adaptor may read at some step what it did not read in the check: it is computed from now on.
            let before = self.request.clone();
            self.request.extend(&outputs.missed());
            if self.request == before {
                return features.map(|features| (features, outputs));
            }
        }
    }

    /// From now on only what was read of `outputs` is computed.
    pub fn narrow(&mut self, outputs: &Outputs) {
        self.request = outputs.read();
    }
}
