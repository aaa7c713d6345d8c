//! What the tasks of a run are made of. A run without `tasks` has one, which has no name.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::PluginSource;
use super::student::LoadedStudent;
use crate::cache::CacheKey;
use crate::classes::Classes;
use crate::data::{
    DataConfig, DataError, Dataset, Loader, ReadProgress, TeacherView, Views, tokenizer_files, tokenizer_in,
    unread_tokenizer,
};
use crate::digest::{self, DigestError};
use crate::evaluation::Preparation;
use crate::experiment::{
    Experiment, ExperimentError, HeadsSpec, PluginSpec, PluginSpecs, StudentSpec, TaskSpec, TeacherSpec,
};
use crate::model::{self, LoadOptions, ModelConfig, ModelSpec};
use crate::train::{Branch, CacheRequest, ForwardArguments, Placement, TrainingTask};
use crate::{Adaptor, Model, Result, Side, adaptor};

/// What the experiment says of one task.
pub(super) struct TaskParts<'a> {
    pub name: Option<&'a str>,
    pub data: &'a DataConfig,
    teachers: Vec<&'a TeacherSpec>,
    plugins: Option<&'a PluginSpecs>,
}

impl<'a> TaskParts<'a> {
    /// The tasks of an experiment, at least one.
    pub fn of(experiment: &'a Experiment) -> Vec<Self> {
        if experiment.tasks.is_empty() {
            let teachers = experiment.teachers().collect();
            return vec![Self { name: None, data: &experiment.data, teachers, plugins: None }];
        }
        let tasks = experiment.tasks.iter();
        tasks
            .map(|(name, task)| Self {
                name: Some(name),
                data: &task.data,
                teachers: vec![&task.teacher],
                plugins: Some(&task.plugins),
            })
            .collect()
    }
}

/// The task, of an experiment with several, whose model `folder` has: its teacher, or the student with its head as the run
/// saves it.
pub fn task_of<'e>(experiment: &'e Experiment, folder: &Path) -> Option<(&'e str, &'e TaskSpec)> {
    let (folder, output) = (folder.canonicalize().ok()?, experiment.training.output_dir.canonicalize().ok());
    let is_saved =
        experiment.student.heads == HeadsSpec::ByTask && output.is_some_and(|output| folder.starts_with(output));
    let is_its = |(name, task): &(&String, &TaskSpec)| {
        is_same_folder(&task.teacher.model, &folder) || (is_saved && folder.file_name() == Some(name.as_ref()))
    };
    experiment.tasks.iter().find(is_its).map(|(name, task)| (name.as_str(), task))
}

/// The name of the device for the model in `folder`: its own if it is a teacher's, or else `training.device`.
pub fn device_of<'e>(experiment: &'e Experiment, folder: &Path) -> &'e str {
    let teacher = experiment.teachers().find(|teacher| is_same_folder(&teacher.model, folder));
    teacher.and_then(|teacher| teacher.device.as_deref()).unwrap_or(&experiment.training.device)
}

/// What batches pass through before the model in `folder` is evaluated on them, as in the experiment's run: the batch
/// post-processor of the task, the arguments of the teacher if it is one, or else of the student, and the order of a
/// teacher's classes.
pub fn preparation(
    experiment: &Experiment,
    task: Option<&str>,
    folder: &Path,
    model: &dyn Model,
    plugins: &mut dyn PluginSource,
) -> Result<Preparation> {
    let (spec, device) = (model.spec(), model.device());
    let teacher = experiment.teachers().enumerate().find(|(_, teacher)| is_same_folder(&teacher.model, folder));
    let (side, key, args) = match teacher {
        // Each of several tasks counts its own teachers.
        Some((_, teacher)) if !experiment.tasks.is_empty() => (Side::Teacher(0), "teacher.args", &teacher.args),
        Some((index, teacher)) => (Side::Teacher(index), "teacher.args", &teacher.args),
        None => (Side::Student, "student.args", &experiment.student.args),
    };
    let of_task = task.and_then(|task| experiment.tasks.get(task)?.plugins.batch_postprocessor.as_ref());
    let postprocessor = of_task.or(experiment.plugins.batch_postprocessor.as_ref());
    let classes = match side {
        Side::Student => None,
        Side::Teacher(_) => student_classes(experiment)?
            .map(|student| Classes::new(spec.task.labels(), &student, device))
            .transpose()?,
    };
    Ok(Preparation {
        side,
        task: task.map(Arc::from),
        postprocessor: postprocessor
            .map(|plugin| plugins.batch_postprocessor(plugin, vec![spec.clone()]))
            .transpose()?,
        arguments: ForwardArguments::new(key, args, spec)?,
        classes,
    })
}

/// The student's classes, as far as its origin names them; `None` where they are its teacher's.
fn student_classes(experiment: &Experiment) -> Result<Option<Vec<String>>> {
    let StudentSpec { model, config, init, heads, labels, .. } = &experiment.student;
    if *heads == HeadsSpec::ByTask {
        return Ok(None);
    }
    if labels.is_some() {
        return Ok(labels.clone());
    }
    let config = match (model, config, init) {
        (Some(folder), ..) => ModelConfig::read_folder(folder)?,
        (_, Some(file), _) => ModelConfig::read(file)?,
        (.., Some(init)) if !init.is_from_teacher() => ModelConfig::read_folder(&init.from)?,
        _ => return Ok(None),
    };
    Ok(config.labels()?)
}

/// The teachers of each task.
pub(super) fn load_teachers(experiment: &Experiment, placement: &Placement) -> Result<Vec<Vec<Rc<dyn Model>>>> {
    let mut devices = placement.teachers.iter();
    let mut tasks = vec![];
    for parts in TaskParts::of(experiment) {
        let mut teachers: Vec<Rc<dyn Model>> = vec![];
        for (spec, device) in parts.teachers.into_iter().zip(&mut devices) {
            teachers.push(model::load(&spec.model, &LoadOptions::frozen(*device))?.model.into());
        }
        tasks.push(teachers);
    }
    Ok(tasks)
}

/// What all tasks are made with.
pub(super) struct Assembler<'a> {
    pub experiment: &'a Experiment,
    pub student: &'a LoadedStudent,
    pub plugins: &'a mut dyn PluginSource,
    pub on_read: &'a dyn Fn(&ReadProgress<'_>),
}

impl Assembler<'_> {
    pub fn task(&mut self, parts: &TaskParts<'_>, teachers: Vec<Rc<dyn Model>>) -> Result<TrainingTask> {
        let student = self.student.student.of_task(parts.name)?.clone();
        let task_name = parts.name.map(Arc::from);
        let mut branches = vec![];
        for (index, (model, spec)) in teachers.iter().zip(&parts.teachers).enumerate() {
            let side = Side::Teacher(index);
            let arguments = ForwardArguments::new("teacher.args", &spec.args, model.spec())?;
            let adaptor = self.adaptor(spec.adaptor.as_ref().or(parts.own_adaptor()))?;
            let branch = Branch::new(side, task_name.clone(), model.clone(), arguments, adaptor);
            let branch = branch.with_classes(&student.spec().task)?;
            self.check_classes(parts, spec, &branch)?;
            branches.push(branch);
        }
        let views = self.views(parts, &teachers, student.spec())?;
        let data = parts.data;
        let order = data.train_order(self.experiment.training.seed);
        let mut cache_requests = vec![];
        for (index, (branch, spec)) in branches.iter().zip(&parts.teachers).enumerate() {
            cache_requests.push(self.cache_request(parts, spec, branch, views.of_teacher(index))?);
        }
        let own = parts.own_adaptor().or(self.experiment.student.adaptor.as_ref());
        let adaptor = self.adaptor(own)?;
        let readers = branches.iter().map(|teacher| teacher.model.spec()).chain([student.spec()]).cloned().collect();
        let postprocessor = self.postprocessor(parts).cloned();
        let postprocessor = postprocessor.map(|spec| self.plugins.batch_postprocessor(&spec, readers)).transpose()?;
        let arguments = ForwardArguments::new("student.args", &self.experiment.student.args, student.spec())?;
        Ok(TrainingTask {
            name: task_name.clone(),
            student: Branch::new(Side::Student, task_name, student, arguments, adaptor),
            teachers: branches,
            cache_requests,
            postprocessor,
            loader: Loader::new(views.student.clone(), data.batch_size, order),
            views,
        })
    }

    /// Whether the teacher of one of several tasks has the student's classes. Labels of other classes are refused as they are
    /// read, which says less; what an adaptor makes of logits is looked at later.
    fn check_classes(&self, parts: &TaskParts<'_>, spec: &TeacherSpec, teacher: &Branch) -> Result<()> {
        let Experiment { plugins, student, .. } = self.experiment;
        let adaptors = [spec.adaptor.as_ref(), parts.own_adaptor(), student.adaptor.as_ref(), plugins.adaptor.as_ref()];
        match teacher.classes() {
            Some(classes) if parts.name.is_some() && adaptors.iter().all(Option::is_none) && classes.are_other() => {
                Err(teacher.other_classes(classes).into())
            }
            _ => Ok(()),
        }
    }

    /// Examples that the student is evaluated on.
    pub fn eval(&self, parts: &TaskParts<'_>, path: &Path) -> Result<Dataset> {
        let spec = self.student.student.of_task(parts.name)?.spec();
        let tokenizer = tokenizer_in(&self.student.tokenizer_folder);
        let read = Dataset::read(path, parts.data, spec, tokenizer.as_deref(), self.on_read);
        Ok(read.map_err(|error| error.with_model(&self.student.tokenizer_folder))?)
    }

    /// What batches pass through before the student is evaluated on them. The post-processor is one of its own: what it
    /// keeps in its memory does not change the training.
    pub fn preparation(&mut self, parts: &TaskParts<'_>) -> Result<Preparation> {
        let postprocessor = self.postprocessor(parts).cloned();
        let spec = self.student.student.of_task(parts.name)?.spec();
        let readers = vec![spec.clone()];
        Ok(Preparation {
            side: Side::Student,
            task: parts.name.map(Arc::from),
            postprocessor: postprocessor.map(|spec| self.plugins.batch_postprocessor(&spec, readers)).transpose()?,
            arguments: ForwardArguments::new("student.args", &self.experiment.student.args, spec)?,
            classes: None,
        })
    }

    fn postprocessor<'p>(&'p self, parts: &'p TaskParts<'_>) -> Option<&'p PluginSpec> {
        parts.own(|plugins| &plugins.batch_postprocessor).or(self.experiment.plugins.batch_postprocessor.as_ref())
    }

    fn adaptor(&mut self, own: Option<&PluginSpec>) -> Result<Box<dyn Adaptor>> {
        match own.or(self.experiment.plugins.adaptor.as_ref()) {
            Some(spec) => self.plugins.adaptor(spec),
            None => Ok(Box::new(adaptor::ByName)),
        }
    }

    fn cache_request(
        &mut self,
        parts: &TaskParts<'_>,
        spec: &TeacherSpec,
        branch: &Branch,
        dataset: &Dataset,
    ) -> Result<Option<CacheRequest>> {
        let Some(cache) = &spec.cache else {
            return Ok(self.experiment.distillation.is_caching_logits.then_some(CacheRequest::Memory));
        };
        let adaptor = spec.adaptor.as_ref().or(parts.own_adaptor()).or(self.experiment.plugins.adaptor.as_ref());
        let postprocessor = self.postprocessor(parts).cloned();
        let mut digest = |spec: Option<&PluginSpec>, none: &str| {
            spec.map_or(Ok(none.to_owned()), |spec| plugin_digest(self.plugins, spec))
        };
        let (adaptor, postprocessor) = (digest(adaptor, "built-in")?, digest(postprocessor.as_ref(), "none")?);
        let tokenizer = match dataset.is_tokenized() {
            true => tokenizer_digest(&spec.model)?.or(tokenizer_digest(&self.student.tokenizer_folder)?),
            false => None,
        };
        let key = CacheKey {
            teacher: digest::of_model(&spec.model)?,
            tokenizer: tokenizer.unwrap_or_else(|| "none".to_owned()),
            data: dataset.digest(),
            adaptor,
            postprocessor,
            // They were read from JSON.
            args: digest::of_parts([serde_json::to_vec(&spec.args).expect("JSON can be written").as_slice()]),
            classes: branch.classes().map(Classes::cache_key).unwrap_or_default(),
        };
        Ok(Some(CacheRequest::Folder { spec: cache.clone(), key }))
    }

    fn views(&self, parts: &TaskParts<'_>, teachers: &[Rc<dyn Model>], model: &ModelSpec) -> Result<Views> {
        let path = parts.data.train.as_deref().ok_or_else(|| ExperimentError::Combination {
            key: "data.train",
            message: match parts.name {
                Some(task) => format!("missing in the task `{task}`; name a file of training examples"),
                None => "missing; name a file of training examples".into(),
            },
        })?;
        let folder = &self.student.tokenizer_folder;
        let tokenizer = tokenizer_in(folder);
        let student = Dataset::read(path, parts.data, model, tokenizer.as_deref(), self.on_read);
        let student = student.map_err(|error| error.with_model(folder))?;
        let mut views = Views { student: Arc::new(student), teachers: vec![] };
        for (spec, teacher) in parts.teachers.iter().zip(teachers) {
            let own = tokenizer_in(&spec.model);
            if own.is_none() && views.student.is_tokenized() && unread_tokenizer(&spec.model).is_some() {
                // Whether it is the student's cannot be told, and the student's tokens may be other words to it.
                let model = Some(spec.model.clone());
                return Err(DataError::NoTokenizer { path: path.to_owned(), model }.into());
            }
            let is_other = own.is_some() && tokenizer_digest(&spec.model)? != tokenizer_digest(folder)?;
            let own = match views.student.is_split() || views.student.is_tokenized() && is_other {
                true => {
                    // Labels are the student's whatever the teacher calls them.
                    let reader = ModelSpec { task: model.task.clone(), ..teacher.spec().clone() };
                    let own = own.as_deref();
                    let read = Dataset::read_for_teacher(path, parts.data, &reader, own, self.on_read);
                    Some(Arc::new(read.map_err(|error| error.with_model(&spec.model))?))
                }
                false => {
                    check_reads_the_same(teacher.spec(), model)?;
                    None
                }
            };
            views.teachers.push(TeacherView { own, cache: None });
        }
        Ok(views)
    }
}

impl TaskParts<'_> {
    fn own_adaptor(&self) -> Option<&PluginSpec> {
        self.own(|plugins| &plugins.adaptor)
    }

    /// A plugin of the task's own.
    fn own(&self, role: fn(&PluginSpecs) -> &Option<PluginSpec>) -> Option<&PluginSpec> {
        self.plugins.and_then(|plugins| role(plugins).as_ref())
    }
}

/// The digest of a component and its configuration.
fn plugin_digest(plugins: &mut dyn PluginSource, spec: &PluginSpec) -> Result<String> {
    let component = digest::of_parts([plugins.digest(spec)?.as_bytes()]);
    Ok(digest::of_parts([component.as_bytes(), spec.config.to_string().as_bytes()]))
}

fn is_same_folder(left: &Path, right: &Path) -> bool {
    match (left.canonicalize(), right.canonicalize()) {
        (Ok(left), Ok(right)) => left == right,
        _ => false,
    }
}

/// The digest of the files that the tokenizer of a model's folder is made of, and of their names; `None` if it has none.
fn tokenizer_digest(folder: &Path) -> Result<Option<String>, DigestError> {
    let mut parts = vec![];
    for file in tokenizer_files(folder) {
        parts.push(file.file_name().unwrap_or_default().to_string_lossy().into_owned());
        parts.push(digest::of_file(&file)?);
    }
    Ok((!parts.is_empty()).then(|| digest::of_parts(parts.iter().map(String::as_bytes))))
}

/// Whether a teacher can read what was made for the student.
fn check_reads_the_same(teacher: &ModelSpec, student: &ModelSpec) -> Result<()> {
    let vocab_size = |spec: &ModelSpec| spec.inputs.vocab_size().unwrap_or(i64::MAX);
    let max_length = |spec: &ModelSpec| spec.inputs.max_length.map_or(i64::MAX, |length| length as i64);
    let sizes = [
        ("vocabulary", vocab_size(teacher), vocab_size(student)),
        ("longest input", max_length(teacher), max_length(student)),
    ];
    for (what, of_teacher, of_student) in sizes {
        if of_teacher < of_student {
            let message = format!(
                "the teacher's {what} is {of_teacher} tokens and the student's {of_student}; both read the same \
                 batches, so the teacher's must be at least as large"
            );
            return Err(ExperimentError::Combination { key: "student", message }.into());
        }
    }
    Ok(())
}
