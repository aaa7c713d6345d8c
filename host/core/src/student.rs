//! What a run trains.

use std::path::Path;
use std::rc::Rc;

use crate::model::ModelError;
use crate::{Device, Model, Parameters, Result};

/// The model that a run trains, or one for each task where tasks have heads of their own: these are one body with several
/// heads, so all parameters but the heads' are the same tensors. Cheap to clone.
#[derive(Clone)]
pub struct Student(Rc<Models>);

enum Models {
    One(Rc<dyn Model>),
    ByTask {
        /// In the order of the tasks.
        models: Vec<(String, Rc<dyn Model>)>,
        parameters: Parameters,
    },
}

/// What the names of a head's parameters begin with, before the task's name.
const HEADS: &str = "heads";

impl Student {
    /// A student that is one model for all tasks.
    pub fn one(model: Rc<dyn Model>) -> Self {
        Self(Rc::new(Models::One(model)))
    }

    /// A student with a head for each of the tasks, at least one, on a body that has the parameters `body`.
    pub fn by_task(models: Vec<(String, Rc<dyn Model>)>, body: &Parameters) -> Self {
        let mut parameters = Parameters::new();
        for (task, model) in &models {
            let name_of = |name: &str| match body.get(name) {
                Some(_) => name.to_owned(),
                None => format!("{HEADS}.{task}.{name}"),
            };
            for (name, tensor) in model.parameters().iter() {
                // A parameter of the body comes again with each model.
                if parameters.get(&name_of(name)).is_none() {
                    parameters.insert(name_of(name), tensor.shallow_clone());
                }
                for other in model.parameters().other_names(name) {
                    parameters.tie(name_of(other), &name_of(name));
                }
            }
        }
        Self(Rc::new(Models::ByTask { models, parameters }))
    }

    /// The model for a task; the name is `None` in a run of one task.
    ///
    /// # Errors
    /// A student with heads by task that has none for this one.
    pub fn of_task(&self, task: Option<&str>) -> Result<&Rc<dyn Model>, ModelError> {
        let models = match &*self.0 {
            Models::One(model) => return Ok(model),
            Models::ByTask { models, .. } => models,
        };
        let own = models.iter().find(|(name, _)| Some(name.as_str()) == task);
        own.map(|(_, model)| model).ok_or_else(|| ModelError::NoHeadOfTask {
            task: task.map_or("one that is not named".to_owned(), |task| format!("`{task}`")),
            known: models.iter().map(|(name, _)| name.clone()).collect(),
        })
    }

    /// Its models, each with the task whose head it has, if it has one of its own.
    pub fn models(&self) -> Vec<(Option<&str>, &Rc<dyn Model>)> {
        match &*self.0 {
            Models::One(model) => vec![(None, model)],
            Models::ByTask { models, .. } => models.iter().map(|(task, model)| (Some(task.as_str()), model)).collect(),
        }
    }

    /// All parameters, each once. Those of a task's head have `heads.TASK.` before the name in its model.
    pub fn parameters(&self) -> &Parameters {
        match &*self.0 {
            Models::One(model) => model.parameters(),
            Models::ByTask { parameters, .. } => parameters,
        }
    }

    /// The name in its model of a parameter, as Hugging Face has it.
    pub fn name_in_model<'n>(&self, name: &'n str) -> &'n str {
        let of_task = |task: &str| name.strip_prefix(HEADS)?.strip_prefix('.')?.strip_prefix(task)?.strip_prefix('.');
        let mut tasks = self.models().into_iter().filter_map(|(task, _)| task);
        tasks.find_map(of_task).unwrap_or(name)
    }

    /// Where its parameters are.
    pub fn device(&self) -> Device {
        match &*self.0 {
            Models::One(model) => model.device(),
            // There is at least one, and all lie where the body does.
            Models::ByTask { models, .. } => models[0].1.device(),
        }
    }

    /// How many numbers its files hold: a parameter comes once under each of its names, and the body with each head.
    pub fn num_saved(&self) -> u64 {
        let of_model =
            |model: &dyn Model| model.parameters().named().map(|(_, tensor)| tensor.numel() as u64).sum::<u64>();
        self.models().into_iter().map(|(_, model)| of_model(model.as_ref())).sum()
    }

    /// Writes it to a folder in Hugging Face layout; with heads by task, each task's model to a folder of the task's name in
    /// it. `beside` is called for each folder of a model.
    pub fn save(&self, folder: &Path, mut beside: impl FnMut(&Path) -> Result<()>) -> Result<()> {
        for (task, model) in self.models() {
            let folder = task.map_or(folder.to_owned(), |task| folder.join(task));
            model.save(&folder)?;
            beside(&folder)?;
        }
        Ok(())
    }
}
