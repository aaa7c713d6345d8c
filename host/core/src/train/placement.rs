//! On which device each model of a run computes.

use tch::Device;

use crate::Result;
use crate::device::device;
use crate::experiment::{Experiment, ExperimentError};

/// The devices of a run's models. A teacher's batches are moved to it, and its features to the student, where losses,
/// projections and the optimizer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The student's, where losses are computed.
    pub student: Device,
    /// In the order of [`Experiment::teachers`].
    pub teachers: Vec<Device>,
}

impl Placement {
    /// The placement that an experiment asks for: `training.device` is the student's, and that of each teacher which does
    /// not name its own.
    ///
    /// # Errors
    /// If a device is not there; the one of a teacher is named by its key.
    pub fn of(experiment: &Experiment) -> Result<Self> {
        let student = device(&experiment.training.device)?;
        let mut teachers = vec![];
        for (key, teacher) in experiment.teacher_keys().into_iter().zip(experiment.teachers()) {
            teachers.push(match &teacher.device {
                Some(name) => device(name).map_err(|source| ExperimentError::Device { key, source })?,
                None => student,
            });
        }
        Ok(Self { student, teachers })
    }
}
