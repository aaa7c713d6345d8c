use std::sync::Arc;

use super::Dataset;
use crate::cache::TeacherCache;
use crate::{Batch, Features, Outputs, Result};

/// The examples of a run as each of its models reads them. Most often all read the same; a teacher with another
/// tokenizer than the student's reads the same rows as tokens of its own, and rows may have a part for each.
#[derive(Debug, Clone)]
pub struct Views {
    /// As the student reads them.
    pub student: Arc<Dataset>,
    /// As each teacher reads them; one for each.
    pub teachers: Vec<TeacherView>,
}

/// The examples as one teacher reads them.
#[derive(Debug, Clone, Default)]
pub struct TeacherView {
    /// `None` where it reads what the student reads.
    pub own: Option<Arc<Dataset>>,
    /// What it made of them already.
    pub cache: Option<Arc<TeacherCache>>,
}

/// The same examples as batches for each model.
#[derive(Debug)]
pub struct ModelBatches {
    /// Which examples these are.
    pub examples: Vec<usize>,
    /// The student's batch.
    pub student: Batch,
    /// One for each teacher.
    pub teachers: Vec<TeacherInput>,
}

/// What a teacher's features of a batch are made from.
#[derive(Debug)]
pub struct TeacherInput {
    /// `None` where it reads the student's.
    pub batch: Option<Batch>,
    /// What of it is there already.
    pub ready: Ready,
}

/// What need not be computed for a teacher.
#[derive(Debug)]
pub enum Ready {
    /// All of it is computed.
    Nothing,
    /// Its forward: the outputs stood in the data.
    Outputs(Outputs),
    /// Its features: they are cached.
    Features(Features),
}

impl Views {
    /// The batches of some examples, on the CPU; see [`Dataset::batch`].
    pub fn batches(&self, examples: &[usize]) -> Result<ModelBatches> {
        let of_teacher = |teacher: &TeacherView| match &teacher.cache {
            Some(cache) if cache.has_all(examples) => {
                Ok(TeacherInput { batch: None, ready: Ready::Features(cache.read(examples)?) })
            }
            _ => self.input(teacher, examples, 0),
        };
        Ok(ModelBatches {
            examples: examples.to_vec(),
            student: self.student.batch(examples)?,
            teachers: self.teachers.iter().map(of_teacher).collect::<Result<_>>()?,
        })
    }

    /// The same without caches, and with `more` padding than the examples need.
    pub(crate) fn padded_batches(&self, examples: &[usize], more: usize) -> Result<ModelBatches> {
        Ok(ModelBatches {
            examples: examples.to_vec(),
            student: self.student.padded_batch(examples, more)?,
            teachers: self.teachers.iter().map(|teacher| self.input(teacher, examples, more)).collect::<Result<_>>()?,
        })
    }

    /// What a teacher reads.
    pub fn of_teacher(&self, index: usize) -> &Arc<Dataset> {
        self.teachers.get(index).and_then(|teacher| teacher.own.as_ref()).unwrap_or(&self.student)
    }

    fn input(&self, teacher: &TeacherView, examples: &[usize], more: usize) -> Result<TeacherInput> {
        let batch = teacher.own.as_ref().map(|own| own.padded_batch(examples, more)).transpose()?;
        let read = teacher.own.as_ref().unwrap_or(&self.student);
        let outputs = read.padded_teacher_outputs(examples, more)?;
        Ok(TeacherInput { batch, ready: outputs.map_or(Ready::Nothing, Ready::Outputs) })
    }
}
