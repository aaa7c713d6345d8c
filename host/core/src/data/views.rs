use std::sync::Arc;

use super::Dataset;
use crate::{Batch, Result};

/// The examples of a run as each of its models reads them. Most often all read the same; a teacher with another
/// tokenizer than the student's reads the same rows as tokens of its own.
#[derive(Debug, Clone)]
pub struct Views {
    pub student: Arc<Dataset>,
    /// One for each teacher; `None` where it reads what the student reads.
    pub teachers: Vec<Option<Arc<Dataset>>>,
}

/// The same examples as batches for each model.
#[derive(Debug)]
pub struct ModelBatches {
    pub student: Batch,
    /// One for each teacher; `None` where it reads the student's.
    pub teachers: Vec<Option<Batch>>,
}

impl Views {
    /// The batches of some examples, on the CPU; see [`Dataset::batch`].
    pub fn batches(&self, examples: &[usize]) -> Result<ModelBatches> {
        let of_teacher = |teacher: &Option<Arc<Dataset>>| teacher.as_ref().map(|own| own.batch(examples)).transpose();
        Ok(ModelBatches {
            student: self.student.batch(examples)?,
            teachers: self.teachers.iter().map(of_teacher).collect::<Result<_>>()?,
        })
    }
}
