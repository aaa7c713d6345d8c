use super::Branch;
use super::session::CheckedFeatures;
use crate::data::{Loader, ModelBatches, Views};
use crate::distiller::Distiller;
use crate::loss::Side;
use crate::model::Mode;
use crate::{AdaptContext, Batch, BatchPostprocessor, Device, Features, Outputs, Result, Role};

/// What is learnt from what on which data. Most runs have one task; all tasks of a run train one student.
pub struct Task {
    /// `None` where there is only one.
    pub name: Option<String>,
    /// The student with this task's adaptor.
    pub student: Branch,
    /// In the order of the experiment; none for the trainer.
    pub teachers: Vec<Branch>,
    pub postprocessor: Option<Box<dyn BatchPostprocessor>>,
    pub views: Views,
    /// In which batches and in which order the examples come.
    pub loader: Loader,
}

/// A batch on the device, as the student reads it and as each teacher does.
pub(super) struct Prepared {
    pub student: Batch,
    /// `None` where the teacher reads the student's.
    teachers: Vec<Option<Batch>>,
}

impl Prepared {
    fn of_teacher(&self, index: usize) -> &Batch {
        self.teachers.get(index).and_then(Option::as_ref).unwrap_or(&self.student)
    }
}

/// The features of student and teachers, each with the outputs that they were made from.
pub(super) struct Adapted {
    pub student: (Features, Outputs),
    pub teachers: Vec<(Features, Outputs)>,
}

impl Task {
    /// The batches on the device, after the post-processor; it sees a teacher's batch only where that is not the
    /// student's.
    pub(super) fn prepare(&mut self, batches: ModelBatches, step: u64, device: Device) -> Result<Prepared> {
        let mut prepare = |role, batch: Batch| {
            let batch = batch.to_device(device)?;
            match &mut self.postprocessor {
                Some(postprocessor) => {
                    postprocessor.process(&AdaptContext { role, task: self.name.clone(), step }, batch)
                }
                None => Ok(batch),
            }
        };
        let student = prepare(Role::Student, batches.student)?;
        let teachers = batches.teachers.into_iter().enumerate();
        let of_teacher = |(index, batch): (usize, Option<Batch>)| {
            batch.map(|batch| prepare(Role::Teacher(index), batch)).transpose()
        };
        Ok(Prepared { student, teachers: teachers.map(of_teacher).collect::<Result<_>>()? })
    }

    pub(super) fn adapt(&mut self, batch: &Prepared, step: u64, mode: Mode) -> Result<Adapted> {
        let mut teachers = vec![];
        for (index, teacher) in self.teachers.iter_mut().enumerate() {
            teachers.push(teacher.features(batch.of_teacher(index), step, Mode::Eval)?);
        }
        Ok(Adapted { student: self.student.features(&batch.student, step, mode)?, teachers })
    }

    /// Has each model return the outputs of the modules that the distiller reads.
    pub(super) fn read_modules(&mut self, distiller: &dyn Distiller) {
        for branch in self.teachers.iter_mut().chain([&mut self.student]) {
            branch.read_modules(distiller.modules(branch.role));
        }
    }

    /// Whether the features of a batch are all that the distiller needs; afterwards the models compute only what was
    /// used.
    pub(super) fn check(
        &mut self,
        distiller: &dyn Distiller,
        batch: &Prepared,
        Adapted { student, teachers }: &Adapted,
    ) -> Result<()> {
        let labels: Vec<String> = self.teachers.iter().map(|teacher| teacher.label()).collect();
        let student_label = self.student.label();
        let side = |branch: &'_ Branch, label, features, batch: &Batch| Side {
            adaptor: branch.adaptor.name().to_owned(),
            label,
            features,
            batch_size: batch.len(),
        };
        let student_side = side(&self.student, student_label.as_str(), &student.0, &batch.student);
        let of_teachers = self.teachers.iter().zip(&labels).zip(teachers).enumerate();
        let teacher_sides: Vec<Side<'_>> = of_teachers
            .map(|(index, ((branch, label), (features, _)))| side(branch, label, features, batch.of_teacher(index)))
            .collect();
        distiller.check(&student_side, &teacher_sides)?;

        let branches = self.teachers.iter_mut().chain([&mut self.student]);
        for (branch, (features, outputs)) in branches.zip(teachers.iter().chain([student])) {
            for used in distiller.used_layers(features, branch.role) {
                outputs.record_use(used);
            }
            branch.narrow(outputs);
        }
        Ok(())
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
