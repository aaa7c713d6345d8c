//! Where in a run a call happens, and whose tensors it is about.

use std::fmt;
use std::sync::Arc;

/// One of the models that a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The model that is trained.
    Student,
    /// The teacher of that index, 0 where there is one.
    Teacher(usize),
}

impl fmt::Display for Side {
    /// `student`, `teacher`, `teacher 1`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Side::Student => formatter.write_str("student"),
            Side::Teacher(0) => formatter.write_str("teacher"),
            Side::Teacher(index) => write!(formatter, "teacher {index}"),
        }
    }
}

/// The point of a run at which a role is called. A run that is resumed calls with the contexts of the unbroken run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepContext {
    /// The forward step, counted from 0. The check before training and an evaluation call with 0 as well.
    pub step: u64,
    /// The optimizer steps that are done.
    pub global_step: u64,
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// The share of the run's optimizer steps that are done, in 0..=1.
    pub progress: f64,
    /// The task's name where the experiment has several.
    pub task: Option<Arc<str>>,
    /// Whose batch or outputs the call is about; `None` if it is about student and teacher together.
    pub side: Option<Side>,
}

impl StepContext {
    /// The same step, in a call for one model of a task.
    pub fn of(&self, task: Option<&Arc<str>>, side: Side) -> Self {
        Self { task: task.cloned(), side: Some(side), ..*self }
    }

    /// The same step, in a call for all models of a task.
    pub fn of_task(&self, task: Option<&Arc<str>>) -> Self {
        Self { task: task.cloned(), side: None, ..*self }
    }
}
