use std::sync::Arc;

use super::session::CheckedFeatures;
use super::{Branch, CacheRequest};
use crate::cache::CacheDtype;
use crate::data::{Loader, ModelBatches, Ready, TeacherInput, Views};
use crate::distiller::Distiller;
use crate::loss::ModelFeatures;
use crate::{Batch, BatchPostprocessor, Device, Features, Outputs, Result, Side, StepContext};

/// What is learnt from what on which data. Most runs have one task; all tasks of a run train one student.
pub struct TrainingTask {
    /// `None` where there is only one.
    pub name: Option<Arc<str>>,
    /// The student with this task's adaptor.
    pub student: Branch,
    /// In the order of the experiment; none for the trainer.
    pub teachers: Vec<Branch>,
    /// For each teacher, whether its features are kept.
    pub cache_requests: Vec<Option<CacheRequest>>,
    /// What changes a batch before the models see it.
    pub postprocessor: Option<Box<dyn BatchPostprocessor>>,
    /// The examples as each model reads them.
    pub views: Views,
    /// In which batches and in which order the examples come.
    pub loader: Loader,
}

/// Batches on the devices of their models, after the post-processor.
pub(super) struct Prepared(ModelBatches);

impl Prepared {
    pub fn student(&self) -> &Batch {
        &self.0.student
    }

    pub fn of_teacher(&self, index: usize) -> &Batch {
        self.0.teachers.get(index).and_then(|input| input.batch.as_ref()).unwrap_or(&self.0.student)
    }

    fn ready(&self, index: usize) -> &Ready {
        self.0.teachers.get(index).map_or(&Ready::Nothing, |input| &input.ready)
    }
}

/// The features of student and teachers, each with the outputs that they were made from.
pub(super) struct Adapted {
    pub student: (Features, Outputs),
    pub teachers: Vec<(Features, Outputs)>,
}

impl Adapted {
    /// The features of the student with its outputs, and those of the teachers, whose outputs are no longer needed.
    pub fn into_features(self) -> ((Features, Outputs), Vec<Features>) {
        (self.student, self.teachers.into_iter().map(|(features, _)| features).collect())
    }
}

impl TrainingTask {
    /// The batches on the devices of their models, after the post-processor; it sees a teacher's batch only where that is
    /// not the student's.
    pub(super) fn prepare(&mut self, batches: ModelBatches, context: &StepContext) -> Result<Prepared> {
        let of_student = self.student.model.device();
        let mut prepare = |side, batch: Batch, device: Device| -> Result<Batch> {
            let batch = batch.to_device(device)?;
            match &mut self.postprocessor {
                Some(postprocessor) => postprocessor.process(&context.of(self.name.as_ref(), side), batch),
                None => Ok(batch),
            }
        };
        let student = prepare(Side::Student, batches.student, of_student)?;
        let mut teachers = vec![];
        for (index, (teacher, input)) in self.teachers.iter().zip(batches.teachers).enumerate() {
            let device = teacher.model.device();
            let ready = match input.ready {
                Ready::Nothing => Ready::Nothing,
                Ready::Outputs(outputs) => Ready::Outputs(outputs.to_device(device)?),
                Ready::Features(features) => Ready::Features(features.to_device(of_student)?),
            };
            let batch = match (input.batch, &ready) {
                (Some(batch), _) => Some(prepare(Side::Teacher(index), batch, device)?),
                (None, Ready::Nothing | Ready::Outputs(_)) if device != of_student => Some(student.to_device(device)?),
                (None, _) => None,
            };
            teachers.push(TeacherInput { batch, ready });
        }
        Ok(Prepared(ModelBatches { student, teachers, ..batches }))
    }

    /// The features of student and teachers; `seed` is that of the student's dropout, `None` in evaluation.
    pub(super) fn adapt(&mut self, batch: &Prepared, context: &StepContext, seed: Option<i64>) -> Result<Adapted> {
        let mut teachers = vec![];
        for index in 0..self.teachers.len() {
            teachers.push(self.teacher_features(index, batch, context)?);
        }
        Ok(Adapted { student: self.student.features(batch.student(), context, seed)?, teachers })
    }

    /// A teacher's features of a batch, on the student's device: out of its cache, or else made and put there.
    pub(super) fn teacher_features(
        &mut self,
        index: usize,
        batch: &Prepared,
        context: &StepContext,
    ) -> Result<(Features, Outputs)> {
        let device = self.student.model.device();
        let teacher = &mut self.teachers[index];
        let (features, outputs) = match batch.ready(index) {
            Ready::Features(features) => return Ok((features.shallow_clone(), Outputs::new())),
            Ready::Outputs(outputs) => {
                teacher.adapt(batch.of_teacher(index), outputs.to_device(teacher.model.device())?, context)?
            }
            Ready::Nothing => teacher.features(batch.of_teacher(index), context, None)?,
        };
        if let Some(cache) = self.views.teachers.get(index).and_then(|view| view.cache.as_ref()) {
            cache.write(&batch.0.examples, &features)?;
            if cache.dtype() != CacheDtype::Float32 {
                // The numbers are rounded from the first time on, not from the second.
                return Ok((cache.read(&batch.0.examples)?.to_device(device)?, outputs));
            }
        }
        Ok((features.to_device(device)?, outputs))
    }

    /// Has each model return the outputs of the modules that the distiller reads.
    pub(super) fn read_modules(&mut self, distiller: &dyn Distiller) {
        for branch in self.teachers.iter_mut().chain([&mut self.student]) {
            branch.read_modules(distiller.modules(branch.side));
        }
    }

    /// The check before step 0: whether the features of a batch are all that the distiller needs. Afterwards the models
    /// compute only what was used, and features of another form are refused.
    pub(super) fn check(&mut self, distiller: &dyn Distiller, batch: &Prepared, adapted: &Adapted) -> Result<()> {
        self.verify(distiller, batch, adapted)?;
        let branches = self.teachers.iter_mut().chain([&mut self.student]);
        for (branch, (features, outputs)) in branches.zip(adapted.teachers.iter().chain([&adapted.student])) {
            for (feature, position) in distiller.used_layers(features, branch.side) {
                if let Some(origin) = &features.layers(feature)[position].origin {
                    outputs.record(origin);
                }
            }
            branch.narrow(outputs);
            branch.fix_form(features);
        }
        Ok(())
    }

    /// Whether the features of a batch are all that the distiller needs, and of the form that the check saw. What an adaptor
    /// returns may change from batch to batch, so each step asks.
    pub(super) fn verify(&self, distiller: &dyn Distiller, batch: &Prepared, adapted: &Adapted) -> Result<()> {
        let Adapted { student, teachers } = adapted;
        let labels: Vec<String> = self.teachers.iter().map(Branch::label).collect();
        let student_label = self.student.label();
        let student_side = side(&self.student, student_label.as_str(), &student.0, batch.student());
        let of_teachers = self.teachers.iter().zip(&labels).zip(teachers).enumerate();
        let teacher_sides: Vec<ModelFeatures<'_>> = of_teachers
            .map(|(index, ((branch, label), (features, _)))| side(branch, label, features, batch.of_teacher(index)))
            .collect();
        // First what changed: that a loss cannot be computed follows from it.
        let branches = self.teachers.iter().chain([&self.student]);
        for (branch, side) in branches.zip(teacher_sides.iter().chain([&student_side])) {
            branch.check_form(side)?;
        }
        for (branch, (features, _)) in self.teachers.iter().zip(teachers) {
            branch.check_classes(features, &student.0)?;
        }
        distiller.check(&student_side, &teacher_sides)
    }

    /// What each model's adaptor returned, for people.
    pub(super) fn summary(&self, Adapted { student, teachers }: &Adapted) -> Vec<CheckedFeatures> {
        let branches = self.teachers.iter().chain([&self.student]);
        branches
            .zip(teachers.iter().chain([student]))
            .map(|(branch, (features, _))| (branch.label(), features.summary()))
            .collect()
    }
}

/// The features of one model, for the checks of losses.
fn side<'a>(branch: &'a Branch, label: &'a str, features: &'a Features, batch: &Batch) -> ModelFeatures<'a> {
    ModelFeatures {
        adaptor: branch.adaptor.name().to_owned(),
        is_plugin: branch.adaptor.is_plugin(),
        label,
        features,
        batch_size: batch.len(),
        task: &branch.model.spec().task,
    }
}
