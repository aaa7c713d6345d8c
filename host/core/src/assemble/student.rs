use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::Note;
use super::heads::load_by_task;
use crate::experiment::{Experiment, ExperimentError, HeadsSpec, LayerChoice, StudentSpec};
use crate::model::{self, LoadOptions, Loaded, ModelConfig, ModelError, class_of_body};
use crate::{Device, Model, Result, Student};

/// The student, and what its origin lacked or left over.
pub(super) struct LoadedStudent {
    pub student: Student,
    pub new: Vec<String>,
    pub left_out: Vec<String>,
    pub tokenizer_folder: PathBuf,
    /// What its `config.json` lacked and was taken from the first teacher's.
    pub from_teacher: Vec<&'static str>,
    /// The tasks by index whose first teacher's classes the student has because its head was made for them.
    pub has_classes_of: Vec<usize>,
    /// Which layers it was made of, where a rule says that, and where the heads come from, if tasks have their own.
    pub notes: Vec<Note>,
}

/// A model as the experiment says where the student comes from, with one head.
pub(super) struct Origin {
    pub model: Box<dyn Model>,
    pub new: Vec<String>,
    pub left_out: Vec<String>,
    pub tokenizer_folder: PathBuf,
    pub from_teacher: Vec<&'static str>,
    /// Whether its classes are the first teacher's because it is made of that teacher, or because its config has none.
    pub has_teachers_classes: bool,
    /// Which layers it was made of, where a rule says that.
    pub notes: Vec<Note>,
}

/// Makes the student as the experiment says; `teachers` are those of each task.
pub(super) fn load_student(
    experiment: &Experiment,
    teachers: &[Vec<Rc<dyn Model>>],
    device: Device,
) -> Result<LoadedStudent> {
    if experiment.student.heads == HeadsSpec::ByTask {
        return load_by_task(experiment, teachers, device);
    }
    let first = teachers.first().and_then(|teachers| teachers.first());
    let Origin { model, new, left_out, tokenizer_folder, from_teacher, has_teachers_classes, notes } =
        load_origin(experiment, first.map(|model| model.as_ref()), device)?;
    let has_classes_of = if has_teachers_classes { vec![0] } else { vec![] };
    let student = Student::one(model.into());
    Ok(LoadedStudent { student, new, left_out, tokenizer_folder, from_teacher, has_classes_of, notes })
}

/// Makes the model that the student comes from; `teacher` is the first one.
pub(super) fn load_origin(experiment: &Experiment, teacher: Option<&dyn Model>, device: Device) -> Result<Origin> {
    let StudentSpec { model, config, init, heads, architecture, labels, .. } = &experiment.student;
    let mut options = LoadOptions {
        device,
        architecture: architecture.clone(),
        labels: labels.clone(),
        problem_type: None,
        trainable: true,
    };
    if let Some(folder) = model {
        if let (HeadsSpec::ByTask, Some(teacher)) = (heads, teacher) {
            complete_body(&mut options, &ModelConfig::read_folder(folder)?, teacher);
        }
        let Loaded { model, new, left_out } = model::load(folder, &options)?;
        return Ok(Origin { new, left_out, ..Origin::made(model, folder.clone()) });
    }
    let teacher_folder = experiment.teachers().next().map(|teacher| teacher.model.clone());
    if let Some(file) = config {
        let read = ModelConfig::read(file)?;
        if let (HeadsSpec::ByTask, Some(teacher)) = (heads, teacher) {
            complete_body(&mut options, &read, teacher);
        }
        let folder = teacher_folder.or_else(|| file.parent().map(Path::to_owned)).unwrap_or_default();
        let from_teacher = complete(&mut options, &read, teacher)?;
        let model = model::from_config(file, &options)?;
        let has_teachers_classes = from_teacher.contains(&LABELS);
        return Ok(Origin { from_teacher, has_teachers_classes, ..Origin::made(model, folder) });
    }
    // The experiment's check saw to it that one of the three is given.
    let Some(init) = init else { unreachable!("a student without an origin passed the experiment's check") };
    match (init.is_from_teacher(), teacher, teacher_folder) {
        (true, Some(teacher), Some(folder)) => {
            let (model, notes) = from_layers(teacher, &init.layers, device)?;
            Ok(Origin { has_teachers_classes: true, notes, ..Origin::made(model, folder) })
        }
        _ => {
            let whole = model::load(&init.from, &LoadOptions::frozen(device))?.model;
            let (model, notes) = from_layers(whole.as_ref(), &init.layers, device)?;
            Ok(Origin { notes, ..Origin::made(model, init.from.clone()) })
        }
    }
}

impl Origin {
    /// One for which every parameter has an origin, or none has.
    pub fn made(model: Box<dyn Model>, tokenizer_folder: PathBuf) -> Self {
        Self {
            model,
            new: vec![],
            left_out: vec![],
            tokenizer_folder,
            from_teacher: vec![],
            has_teachers_classes: false,
            notes: vec![],
        }
    }
}

/// A student of a teacher's layers; what a rule made of their number is told.
fn from_layers(teacher: &dyn Model, choice: &LayerChoice, device: Device) -> Result<(Box<dyn Model>, Vec<Note>)> {
    let Some(num_layers) = teacher.spec().num_layers else {
        return Err(ModelError::UnnamedLayers { architecture: teacher.spec().architecture.clone() }.into());
    };
    let layers = choice.indices(num_layers).ok_or_else(|| ExperimentError::Combination {
        key: "student.init.layers",
        message: format!("takes {choice} of a model that has {num_layers}; take as many or fewer"),
    })?;
    let pairs = layers.iter().enumerate().map(|(student, layer)| format!("{student} from {layer}"));
    let notes = match choice {
        LayerChoice::Indices(_) => vec![],
        LayerChoice::Rule(..) => vec![Note { label: "layers", text: pairs.collect::<Vec<_>>().join(", ") }],
    };
    Ok((model::from_layers(teacher, &layers, device)?, notes))
}

const LABELS: &str = "labels";

/// Names a class for a body whose config names none that is supported: the one for what the first teacher predicts. Each
/// task puts its own head in the place of that class's.
fn complete_body(options: &mut LoadOptions, config: &ModelConfig, teacher: &dyn Model) {
    let task = &teacher.spec().task;
    if let Some(class) = class_of_body(config, task) {
        options.architecture = Some(class.to_owned());
        options.labels = Some(task.labels().to_vec()).filter(|labels| !labels.is_empty());
    }
}

/// Takes from the teacher what a `config.json` does not say and the experiment does not either; returns what that is.
/// The configs of TextBrewer's examples have sizes alone.
fn complete(options: &mut LoadOptions, config: &ModelConfig, teacher: Option<&dyn Model>) -> Result<Vec<&'static str>> {
    let Some(spec) = teacher.map(Model::spec) else { return Ok(vec![]) };
    let mut taken = vec![];
    if config.architecture().is_none() && options.architecture.is_none() {
        // The architecture belongs to one model type.
        taken.extend(config.model_type().is_none().then_some("model type"));
        taken.push("architecture");
        options.architecture = Some(spec.architecture.clone());
    }
    if config.labels()?.is_none() && options.labels.is_none() && !spec.task.labels().is_empty() {
        taken.push(LABELS);
        options.labels = Some(spec.task.labels().to_vec());
        // What the classes are to each other belongs to them.
        let of_teacher = teacher.and_then(Model::config).and_then(ModelConfig::problem_type).and_then(Value::as_str);
        if let (None, Some(problem)) = (config.problem_type(), of_teacher) {
            taken.push("problem type");
            options.problem_type = Some(problem.to_owned());
        }
    }
    Ok(taken)
}
