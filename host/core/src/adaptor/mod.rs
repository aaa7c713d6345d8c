//! From a model's outputs to the features that losses are computed from.

mod by_name;

use std::fmt;

pub use by_name::ByName;

use crate::{Batch, Features, Outputs, Result};

/// Which model the call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The teacher of that index (0 when there is one).
    Teacher(usize),
    Student,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Teacher(0) => formatter.write_str("teacher"),
            Role::Teacher(index) => write!(formatter, "teacher {index}"),
            Role::Student => formatter.write_str("student"),
        }
    }
}

/// What a call knows of the run around it.
#[derive(Debug, Clone)]
pub struct AdaptContext {
    pub role: Role,
    /// The task's name where there are several.
    pub task: Option<String>,
    /// The forward step, counted from 0; the check before training calls with 0 as well.
    pub step: u64,
}

/// Takes the features of a batch out of a model's outputs. One adaptor may serve teacher and student: the context
/// says whose outputs these are. A teacher's call runs without grad; what is computed from a student's outputs is
/// differentiated through.
pub trait Adaptor {
    /// How messages name it: `built-in adaptor`, `plugin adaptor.wasm`.
    fn name(&self) -> &str;

    /// What identifies it beyond its name, for the head of a run: a digest, a version. Empty if nothing does.
    fn identity(&self) -> String {
        String::new()
    }

    /// Whether a stranger wrote it: what it returns may be anything, also where the built-in one passes on what the data loader
    /// has checked.
    fn is_plugin(&self) -> bool {
        false
    }

    fn adapt(&mut self, context: &AdaptContext, batch: &Batch, outputs: &Outputs) -> Result<Features>;
}
