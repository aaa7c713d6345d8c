//! From an experiment to all that its run needs: models, data, adaptors.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tch::Device;

use crate::data::{Dataset, Loader, Order};
use crate::device::device;
use crate::distiller::{Basic, Distiller, General, MultiTeacher, Trainer};
use crate::evaluation::EvaluateAtCheckpoints;
use crate::experiment::{DistillerName, Experiment, ExperimentError, PluginSpec, StudentSpec, TeacherSpec};
use crate::model::{self, LoadOptions, Loaded, ModelInfo};
use crate::train::{Branch, Checked, Session, Settings, Timetable};
use crate::{Adaptor, Callback, Model, Result, Role, adaptor, projection};

/// Makes the implementations of traits that an experiment names as plugins.
pub trait PluginSource {
    /// An adaptor of its own for one model.
    fn adaptor(&mut self, spec: &PluginSpec, role: Role) -> Result<Box<dyn Adaptor>>;
}

/// All that a run needs.
pub struct Assembled {
    pub session: Session,
    pub settings: Settings,
    pub train: Arc<Dataset>,
    pub dev: Option<Arc<Dataset>>,
    pub loader: Loader,
    /// Parameters of the student that its origin lacked.
    pub new_parameters: Vec<String>,
    /// Tensors of the origin that the student has no use for.
    pub left_out: Vec<String>,
    /// The folder whose tokenizer belongs to the student.
    pub tokenizer_folder: PathBuf,
}

impl Assembled {
    /// The check before step 0, on the first batch.
    pub fn check(&mut self) -> Result<Checked> {
        self.session.check_settings(&self.settings, &self.timetable()?)?;
        let examples = self.loader.examples(0);
        let first = &examples[..examples.len().min(self.loader.batch_size())];
        self.session.check(self.train.batch(first)?)
    }

    pub fn timetable(&self) -> Result<Timetable> {
        Ok(Timetable::new(&self.settings.training, self.loader.len())?)
    }
}

/// Reads models and data, and makes the adaptors and the distiller that the experiment names.
pub fn assemble(experiment: &Experiment, plugins: &mut dyn PluginSource) -> Result<Assembled> {
    let training = &experiment.training;
    let device = device(&training.device)?;
    // Before the first random weight is drawn.
    tch::manual_seed(training.seed as i64);
    let spec = &experiment.student;
    let load_teacher = |teacher: &TeacherSpec| Ok(model::load(&teacher.model, &LoadOptions::frozen(device))?.model);
    let teacher_models: Vec<Box<dyn Model>> = experiment.teachers().map(load_teacher).collect::<Result<_>>()?;
    let student = load_student(experiment, teacher_models.first().map(Box::as_ref), device)?;
    let info = student.model.info().clone();

    let train_path = experiment.data.train.as_deref().ok_or_else(|| ExperimentError::Combination {
        key: "data.train",
        message: "missing; name a file of training examples".into(),
    })?;
    let data = &experiment.data;
    let tokenizer = tokenizer_in(&student.tokenizer_folder);
    let read = |path: &Path| Dataset::read(path, data, &info, tokenizer.as_deref());
    let train = Arc::new(read(train_path)?);
    let dev = data.dev.as_deref().map(read).transpose()?.map(Arc::new);
    for teacher in &teacher_models {
        check_reads_the_same(teacher.info(), &info)?;
    }

    let loader = Loader::new(train.clone(), data.batch_size, data.train_order(training.seed));
    let mut callbacks: Vec<Box<dyn Callback>> = vec![];
    if let Some(dev) = &dev {
        let loader = Loader::new(dev.clone(), data.eval_batch_size(), Order::ByLength);
        callbacks.push(Box::new(EvaluateAtCheckpoints::new("dev", loader, device)));
    }

    let mut adaptor_of = |own: Option<&PluginSpec>, role| match own.or(experiment.plugins.adaptor.as_ref()) {
        Some(spec) => plugins.adaptor(spec, role),
        None => Ok(Box::new(adaptor::ByName) as Box<dyn Adaptor>),
    };
    let mut teachers = vec![];
    for (index, (model, teacher)) in teacher_models.into_iter().zip(experiment.teachers()).enumerate() {
        let role = Role::Teacher(index);
        teachers.push(Branch::new(role, model, adaptor_of(teacher.adaptor.as_ref(), role)?));
    }
    let adaptor = adaptor_of(spec.adaptor.as_ref(), Role::Student)?;
    let distiller = distiller(experiment, device)?;
    if let Some(path) = &spec.projections {
        projection::restore(path, &distiller.trained())?;
    }
    let session = Session {
        student: Branch::new(Role::Student, student.model, adaptor),
        teachers,
        distiller,
        postprocessor: None,
        callbacks,
        device,
    };
    let settings = Settings {
        training: training.clone(),
        optimizer: experiment.optimizer.clone(),
        schedule: experiment.schedule.clone(),
    };
    Ok(Assembled {
        session,
        settings,
        train,
        dev,
        loader,
        new_parameters: student.new,
        left_out: student.left_out,
        tokenizer_folder: student.tokenizer_folder,
    })
}

fn distiller(experiment: &Experiment, device: Device) -> Result<Box<dyn Distiller>> {
    Ok(match experiment.distiller {
        DistillerName::Basic => Box::new(Basic::new(&experiment.distillation)?),
        DistillerName::General => Box::new(General::new(&experiment.distillation, device)?),
        DistillerName::MultiTeacher => Box::new(MultiTeacher::new(&experiment.distillation)?),
        DistillerName::Trainer => Box::new(Trainer),
    })
}

struct Student {
    model: Box<dyn Model>,
    new: Vec<String>,
    left_out: Vec<String>,
    tokenizer_folder: PathBuf,
}

fn load_student(experiment: &Experiment, teacher: Option<&dyn Model>, device: Device) -> Result<Student> {
    let StudentSpec { model, config, init, architecture, labels, .. } = &experiment.student;
    let options = LoadOptions { device, architecture: architecture.clone(), labels: labels.clone(), trainable: true };
    if let Some(folder) = model {
        let Loaded { model, new, left_out } = model::load(folder, &options)?;
        return Ok(Student { model, new, left_out, tokenizer_folder: folder.clone() });
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
        Self { model, new: vec![], left_out: vec![], tokenizer_folder }
    }
}

/// The tokenizer in a model's folder, if there is one.
pub fn tokenizer_in(folder: &Path) -> Option<PathBuf> {
    Some(folder.join("tokenizer.json")).filter(|path| path.is_file())
}

/// Whether a teacher can read what was made for the student.
fn check_reads_the_same(teacher: &ModelInfo, student: &ModelInfo) -> Result<()> {
    let sizes = [
        ("vocabulary", "tokens", teacher.vocab_size, student.vocab_size),
        ("longest input", "tokens", teacher.max_length as i64, student.max_length as i64),
    ];
    for (what, unit, of_teacher, of_student) in sizes {
        if of_teacher < of_student {
            let message = format!(
                "the teacher's {what} is {of_teacher} {unit} and the student's {of_student}; both read the same \
                 batches, so the teacher's must be at least as large"
            );
            return Err(ExperimentError::Combination { key: "student", message }.into());
        }
    }
    Ok(())
}
