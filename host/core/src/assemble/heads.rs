//! A student with a head for each task.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Note;
use super::student::{LoadedStudent, Origin, load_origin};
use crate::classes::{ClassMatching, Classes, listed};
use crate::experiment::{Experiment, ExperimentError};
use crate::model::{self, LoadOptions, SharedBody, WithNewHead};
use crate::random::named;
use crate::{Device, Model, Result, Student, Task};

/// Makes a student with a head for each task on one body. A head is, in this order:
///
/// 1. that in the folder of the task's name in `student.model`, as a student with heads by task is saved;
/// 2. a copy of the head of the student's origin, where that is trained for just the task's classes, by name;
/// 3. new, for what the task's teacher predicts. Its random weights follow from the seed and the task's name.
pub(super) fn load_by_task(
    experiment: &Experiment,
    teachers: &[Vec<Rc<dyn Model>>],
    device: Device,
) -> Result<LoadedStudent> {
    let tasks: Vec<(&String, &Rc<dyn Model>)> =
        experiment.tasks.keys().zip(teachers.iter().filter_map(|teachers| teachers.first())).collect();
    let saved = tasks.iter().find_map(|(task, _)| saved_folder(experiment, task));
    let origin = match &saved {
        Some(folder) => Origin::made(load_trainable(folder, device)?, folder.clone()),
        None => load_origin(experiment, tasks.first().map(|(_, teacher)| teacher.as_ref()), device)?,
    };
    let is_trained = saved.is_none() && origin.new.is_empty() && experiment.student.config.is_none();
    let mut body = SharedBody::of(origin.model.as_ref())?;
    let mut is_head_used = saved.is_some() || !is_trained;
    let (mut models, mut notes, mut has_classes_of) = (vec![], origin.notes, vec![]);
    for (index, (task, teacher)) in tasks.into_iter().enumerate() {
        let predicted = &teacher.spec().task;
        let (model, head) = if let Some(folder) = saved_folder(experiment, task) {
            // The one that the body comes from is loaded already.
            let loaded = match saved.as_ref() == Some(&folder) {
                true => None,
                false => Some(load_trainable(&folder, device)?),
            };
            let own = loaded.as_deref().unwrap_or(origin.model.as_ref());
            check_head(task, &folder, &own.spec().task, predicted)?;
            let model = body.with_head_of(own, [&folder, &origin.tokenizer_folder])?;
            (model, "as it was saved".to_owned())
        } else if is_trained && is_for(&origin.model.spec().task, predicted)? {
            is_head_used = true;
            let folder = &origin.tokenizer_folder;
            (body.with_head_of(origin.model.as_ref(), [folder, folder])?, "the student's own".to_owned())
        } else {
            tch::manual_seed(named(experiment.training.seed, task) as i64);
            let WithNewHead { model, new } = body.with_new_head(predicted)?;
            has_classes_of.push(index);
            (model, format!("new, with random weights: {}", new.join(", ")))
        };
        models.push((task.clone(), model.into()));
        notes.push(Note { label: "heads", text: format!("of {task}: {head}") });
    }
    let mut left_out = origin.left_out;
    if !is_head_used {
        let names = origin.model.parameters().iter().map(|(name, _)| name);
        left_out.extend(names.filter(|name| body.parameters().get(name).is_none()).map(str::to_owned));
    }
    Ok(LoadedStudent {
        student: Student::by_task(models, body.parameters()),
        new: vec![],
        left_out,
        tokenizer_folder: origin.tokenizer_folder,
        // What is for a head is each task's teacher's.
        from_teacher: origin.from_teacher.into_iter().filter(|what| *what == "model type").collect(),
        has_classes_of,
        notes,
    })
}

/// Where a student that was saved with heads by task has the model of a task, if `student.model` names one.
fn saved_folder(experiment: &Experiment, task: &str) -> Option<PathBuf> {
    let folder = experiment.student.model.as_ref()?.join(task);
    folder.join("config.json").is_file().then_some(folder)
}

fn load_trainable(folder: &Path, device: Device) -> Result<Box<dyn Model>> {
    Ok(model::load(folder, &LoadOptions { trainable: true, ..LoadOptions::frozen(device) })?.model)
}

/// Whether a trained head is for the same classes, by name, in whatever order.
fn is_for(own: &Task, predicted: &Task) -> Result<bool> {
    let matching = Classes::new(predicted.labels(), own.labels(), Device::Cpu)?.matching;
    let are_same = matches!(matching, ClassMatching::Same | ClassMatching::Reordered(_));
    Ok(are_same && own.is_of_kind(predicted))
}

/// Whether the head that a task's folder has is for what the task's teacher predicts.
fn check_head(task: &str, folder: &Path, own: &Task, predicted: &Task) -> Result<()> {
    let matching = Classes::new(predicted.labels(), own.labels(), Device::Cpu)?.matching;
    if own.is_of_kind(predicted) && !matches!(matching, ClassMatching::Different) {
        return Ok(());
    }
    let shown = |task: &Task| match task.labels() {
        [] => task.to_string(),
        labels => format!("{task} into {}", listed(labels)),
    };
    let message = format!(
        "the head of the task `{task}` in {} is for {}, and its teacher for {}; give the task another name, and so a new \
         head, or another teacher",
        folder.display(),
        shown(own),
        shown(predicted)
    );
    Err(ExperimentError::Combination { key: "student.model", message }.into())
}
