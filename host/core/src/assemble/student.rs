use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::experiment::{Experiment, StudentSpec};
use crate::model::{self, LoadOptions, Loaded};
use crate::{Device, Model, Result};

/// The model to be trained, and what its origin lacked or left over.
pub(super) struct Student {
    pub model: Rc<dyn Model>,
    pub new: Vec<String>,
    pub left_out: Vec<String>,
    pub tokenizer_folder: PathBuf,
}

/// Makes the student as the experiment says; `teacher` is the first one.
pub(super) fn load_student(experiment: &Experiment, teacher: Option<&dyn Model>, device: Device) -> Result<Student> {
    let StudentSpec { model, config, init, architecture, labels, .. } = &experiment.student;
    let options = LoadOptions { device, architecture: architecture.clone(), labels: labels.clone(), trainable: true };
    if let Some(folder) = model {
        let Loaded { model, new, left_out } = model::load(folder, &options)?;
        return Ok(Student { model: model.into(), new, left_out, tokenizer_folder: folder.clone() });
    }
    let teacher_folder = experiment.teachers().next().map(|teacher| teacher.model.clone());
    if let Some(file) = config {
        let folder = teacher_folder.or_else(|| file.parent().map(Path::to_owned)).unwrap_or_default();
        return Ok(Student::made(model::from_config(file, &options)?, folder));
    }
    // The experiment's check saw to it that one of the three is given.
    let Some(init) = init else { unreachable!("a student without an origin passed the experiment's check") };
    match (init.is_from_teacher(), teacher, teacher_folder) {
        (true, Some(teacher), Some(folder)) => Ok(Student::made(model::from_layers(teacher, &init.layers)?, folder)),
        _ => {
            let whole = model::load(&init.from, &LoadOptions::frozen(device))?.model;
            Ok(Student::made(model::from_layers(whole.as_ref(), &init.layers)?, init.from.clone()))
        }
    }
}

impl Student {
    /// One for which every parameter has an origin, or none has.
    fn made(model: Box<dyn Model>, tokenizer_folder: PathBuf) -> Self {
        Self { model: model.into(), new: vec![], left_out: vec![], tokenizer_folder }
    }
}
