//! From an experiment to all that its run needs: models, data, adaptors.

mod heads;
mod notes;
mod plugins;
mod student;
mod tasks;

use std::path::PathBuf;

use tch::Device;

pub use notes::Note;
pub use plugins::PluginSource;
pub use tasks::{device_of, preparation, task_of};

use crate::Result;
use crate::callback::{Callback, DataSplit};
use crate::data::{Dataset, Loader, Order, ReadProgress};
use crate::distiller::{Distiller, PlanDistiller, Trainer, restore_projections};
use crate::evaluation::SplitEvaluator;
use crate::experiment::{DistillerName, Experiment, split_name};
use crate::model::ModelSpec;
use crate::train::{Evaluator, Placement, Session, Settings, TaskOrder, Timetable};
use plugins::NamedPlugins;
use tasks::{Assembler, TaskParts};

/// All that a run needs.
pub struct Assembled {
    /// What trains.
    pub session: Session,
    /// How it trains.
    pub settings: Settings,
    /// What the student is evaluated on.
    pub evaluated: Vec<Evaluated>,
    /// Parameters of the student that its origin lacked.
    pub new_parameters: Vec<String>,
    /// Tensors of the origin that the student has no use for.
    pub left_out: Vec<String>,
    /// What was decided for the user.
    pub notes: Vec<Note>,
    /// The folder whose tokenizer belongs to the student.
    pub tokenizer_folder: PathBuf,
}

/// Data on which the student is evaluated.
pub struct Evaluated {
    /// The data, by the name that reports give it.
    pub split: DataSplit,
    /// The file that they were read from.
    pub path: PathBuf,
    /// The model that is evaluated on it.
    pub model: ModelSpec,
}

impl Assembled {
    /// When steps, epochs and checkpoints come.
    ///
    /// # Errors
    /// If an epoch has fewer batches than one optimizer step takes.
    pub fn timetable(&self) -> Result<Timetable> {
        Ok(Timetable::new(&self.settings.training, self.session.batches_per_epoch())?)
    }

    /// What the run writes, in bytes, as far as it is known beforehand: the student and the checkpoints, each with the
    /// student and the optimizer's state, all in float32.
    pub fn output_bytes(&self) -> Result<u64> {
        let student = &self.session.student;
        // What is written more than once the optimizer knows once.
        let model = 4 * student.num_saved();
        let trained = 4 * student.parameters().num_elements() as u64;
        let checkpoint = model + trained * self.settings.optimizer.state_per_parameter() as u64;
        let timetable = self.timetable()?;
        let best = self.settings.evaluation.most_best(timetable.optimizer_steps());
        let most = self.settings.training.save.most(timetable.num_checkpoints().saturating_add(best));
        Ok(checkpoint.saturating_mul(most as u64).saturating_add(model))
    }
}

/// Reads models and data, and makes the adaptors and the distiller that the experiment names. `on_read` is told how far
/// the data is read; see [`Dataset::read`].
pub fn assemble(
    experiment: &Experiment,
    plugins: &mut dyn PluginSource,
    on_read: &dyn Fn(&ReadProgress<'_>),
) -> Result<Assembled> {
    experiment.check_effects()?;
    let training = &experiment.training;
    let placement = Placement::of(experiment)?;
    // Before the first random weight is drawn.
    tch::manual_seed(training.seed as i64);
    let all_teachers = tasks::load_teachers(experiment, &placement)?;
    let student = student::load_student(experiment, &all_teachers, placement.student)?;

    let mut assembler = Assembler { experiment, student: &student, plugins: &mut *plugins, on_read };
    let mut tasks = vec![];
    let mut evaluated = vec![];
    let mut evaluators: Vec<Box<dyn Evaluator>> = vec![];
    for (parts, teachers) in TaskParts::of(experiment).into_iter().zip(all_teachers) {
        let task = assembler.task(&parts, teachers)?;
        let mut splits = vec![];
        for (split, path) in parts.data.splits() {
            splits.push((split_name(parts.name, split), path, assembler.eval(&parts, path)?));
        }
        let of_teachers = task.views.teachers.iter().filter_map(|teacher| teacher.own.as_deref());
        let of_splits = splits.iter().map(|(.., dataset)| dataset);
        let read: Vec<&Dataset> = of_splits.chain([task.views.student.as_ref()]).chain(of_teachers).collect();
        Dataset::check_columns(parts.data, &read)?;
        for (name, path, dataset) in splits {
            let loader = Loader::new(dataset.into(), parts.data.eval_batch_size(), Order::ByLength);
            let preparation = assembler.preparation(&parts)?;
            let model = task.student.model.spec().clone();
            let predicted = model.task.clone();
            evaluators.push(Box::new(SplitEvaluator::new(&name, loader.clone(), preparation, predicted)));
            let split = DataSplit { name, task: task.name.clone(), loader };
            evaluated.push(Evaluated { split, path: path.to_owned(), model });
        }
        tasks.push(task);
    }
    let train = tasks.iter().map(|task| DataSplit {
        name: split_name(task.name.as_deref(), "train"),
        task: task.name.clone(),
        loader: task.loader.clone(),
    });
    let splits: Vec<DataSplit> = train.chain(evaluated.iter().map(|of| of.split.clone())).collect();
    let mut callbacks: Vec<Box<dyn Callback>> = vec![];
    for spec in &experiment.plugins.callbacks {
        callbacks.push(plugins.callback(spec, &splits)?);
    }
    let distiller = distiller(experiment, placement.student, plugins)?;
    if let Some(path) = &experiment.student.projections {
        restore_projections(path, &distiller.trained())?;
    }
    let sizes: Vec<usize> = tasks.iter().map(|task| task.loader.len()).collect();
    let task_order = match sizes.len() {
        1 => TaskOrder::single(),
        _ => TaskOrder::drawn(&sizes, training.tau, training.seed),
    };
    let settings = Settings {
        training: training.clone(),
        evaluation: experiment.evaluation.clone(),
        optimizer: experiment.optimizer.clone(),
        schedule: experiment.schedule.clone(),
        skip_batches: experiment.plugins.skip_batches,
    };
    let notes = notes::notes(&student, &tasks);
    Ok(Assembled {
        notes,
        session: Session { student: student.student, tasks, task_order, distiller, evaluators, callbacks },
        settings,
        evaluated,
        new_parameters: student.new,
        left_out: student.left_out,
        tokenizer_folder: student.tokenizer_folder,
    })
}

fn distiller(experiment: &Experiment, device: Device, source: &mut dyn PluginSource) -> Result<Box<dyn Distiller>> {
    let config = &experiment.distillation;
    let plugins = &mut NamedPlugins { specs: &experiment.plugins, source };
    Ok(match experiment.distiller {
        DistillerName::Basic => Box::new(PlanDistiller::basic(config, plugins)?),
        // Several tasks differ in what a step is fed with; its loss is the same.
        DistillerName::General | DistillerName::MultiTask => Box::new(PlanDistiller::general(config, device, plugins)?),
        DistillerName::MultiTeacher => Box::new(PlanDistiller::multi_teacher(config, plugins)?),
        DistillerName::Trainer => Box::new(Trainer),
    })
}
