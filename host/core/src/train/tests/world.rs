//! A model of two parameters, and all that a run with it needs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tch::{Device, Kind, Reduction, Tensor};
use tempfile::TempDir;

use crate::adaptor::ByName;
use crate::callback::{Action, Callback, Scalars};
use crate::data::{DataConfig, Dataset, Loader, Order, Views};
use crate::distiller;
use crate::metric::MetricMode;
use crate::model::{InputColumn, InputSpec, ModelConfig, ModelSpec};
use crate::train::checkpoints::write_tensors;
use crate::train::optimizer::{OptimizerConfig, SgdConfig};
use crate::train::*;
use crate::{
    Adaptor, Batch, Error, Fault, Features, Model, Outputs, Parameters, Pass, PluginError, Result, Side, StepContext,
    Student, Task,
};

/// The examples: x and y. A batch is one of them.
pub const EXAMPLES: [(i64, f64); 5] = [(1, 3.0), (0, -1.0), (2, 4.5), (3, 5.0), (1, 0.5)];

pub const LR: f64 = 0.01;

/// Predicts `slope`·x + `offset`; its loss is the mean squared error.
struct Line {
    spec: ModelSpec,
    parameters: Parameters,
    cannot_be_saved: Rc<Cell<bool>>,
}

impl Model for Line {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn config(&self) -> Option<&ModelConfig> {
        None
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn forward(&self, batch: &Batch, pass: &mut Pass) -> Result<()> {
        let [slope, offset] = ["slope", "offset"].map(|name| self.parameters.get(name).unwrap());
        let x = batch.get("input_ids").unwrap().f_to_kind(Kind::Float)?;
        let logits = x.f_mul(slope)?.f_add(offset)?;
        let labels = batch.get("labels").unwrap().f_view_as(&logits)?;
        for (name, tensor) in [("loss", logits.f_mse_loss(&labels, Reduction::Mean)?), ("logits", logits)] {
            pass.offer(name);
            if pass.wants(name) {
                pass.output(name, tensor);
            }
        }
        Ok(())
    }

    fn save(&self, folder: &Path) -> Result<()> {
        if self.cannot_be_saved.get() {
            return Err(Failure("the disk is full").into());
        }
        let tensors: Vec<(String, Tensor)> =
            self.parameters.iter().map(|(name, tensor)| (name.to_owned(), tensor.detach())).collect();
        write_tensors(&tensors, &folder.join("model.safetensors"))
    }

    fn device(&self) -> Device {
        Device::Cpu
    }
}

/// What goes wrong in a plugin, or elsewhere.
#[derive(Debug)]
struct Failure(&'static str);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Failure {}

impl PluginError for Failure {
    fn fault(&self) -> Fault {
        Fault::Run
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error::Plugin(Box::new(failure))
    }
}

/// What happens on the way.
#[derive(Default)]
pub struct Plan {
    /// The adaptor fails at this forward step.
    pub adaptor_fails_at: Cell<Option<u64>>,
    /// An interrupt comes in this forward step.
    pub interrupt_in_step: Cell<Option<u64>>,
    /// An interrupt comes in the evaluation of this number, counted from 0.
    pub interrupt_in_evaluation: Cell<Option<u64>>,
    /// An interrupt comes after the evaluation at this optimizer step.
    pub interrupt_after_evaluation: Cell<Option<u64>>,
    /// The callback fails at this optimizer step.
    pub callback_fails_at: Cell<Option<u64>>,
    /// The callback ends the run at this optimizer step.
    pub callback_stops_at: Cell<Option<u64>>,
    pub cannot_be_saved: Rc<Cell<bool>>,
    pub interrupt: AtomicBool,
    pub num_evaluations: Cell<u64>,
    /// What was called and told, in order.
    pub log: RefCell<Vec<String>>,
}

impl Plan {
    fn note(&self, what: impl Into<String>) {
        self.log.borrow_mut().push(what.into());
    }
}

struct FailingAdaptor(Rc<Plan>);

impl Adaptor for FailingAdaptor {
    fn name(&self) -> &str {
        "adaptor"
    }

    fn adapt(&mut self, context: &StepContext, batch: &Batch, outputs: &Outputs) -> Result<Features> {
        let features = ByName.adapt(context, batch, outputs)?;
        // The check before step 0 calls with step 0, too.
        match self.0.adaptor_fails_at.get() {
            Some(step) if step > 0 && step == context.step => Err(Failure("the adaptor failed").into()),
            _ => Ok(features),
        }
    }
}

/// Reports numbers that go up and down with the weights.
struct Score(Rc<Plan>);

impl Evaluator for Score {
    fn split(&self) -> &str {
        "dev"
    }

    fn metrics(&self) -> Vec<(String, MetricMode)> {
        vec![("dev_score".to_owned(), MetricMode::Max)]
    }

    fn evaluate(&mut self, student: &Student, _interrupt: &AtomicBool) -> Result<Scalars> {
        self.0.note("evaluate");
        let number = self.0.num_evaluations.get();
        self.0.num_evaluations.set(number + 1);
        if self.0.interrupt_in_evaluation.get() == Some(number) {
            self.0.interrupt.store(true, Ordering::Relaxed);
        }
        Ok([("dev_score".to_owned(), (weights_of(student)[0] * 40.0).sin())].into())
    }

    fn rehearse(&mut self, student: &Student) -> Result<Scalars> {
        self.evaluate(student, &AtomicBool::new(false))
    }
}

struct Watcher(Rc<Plan>);

impl Callback for Watcher {
    fn name(&self) -> &str {
        "watcher"
    }

    fn on_checkpoint(&mut self, _student: &Student, context: &StepContext, scalars: &mut Scalars) -> Result<Action> {
        let step = context.global_step;
        self.0.note(format!("callback {step}"));
        assert!(scalars.contains_key("dev_score"), "{scalars:?}");
        if self.0.callback_fails_at.get() == Some(step) {
            return Err(Failure("the callback failed").into());
        }
        scalars.insert("watched".to_owned(), step as f64);
        Ok(if self.0.callback_stops_at.get() == Some(step) { Action::Stop } else { Action::Continue })
    }

    fn rehearse(&mut self, _student: &Student, _scalars: &mut Scalars) -> Result<()> {
        Ok(())
    }
}

/// Keeps what it is told, and interrupts.
pub struct Log {
    pub plan: Rc<Plan>,
    pub folder: PathBuf,
    pub events: Vec<Event>,
}

impl Log {
    fn keep(&mut self, what: String, event: Event) -> Result<()> {
        self.plan.note(what);
        self.events.push(event);
        Ok(())
    }

    pub fn evaluations(&self) -> Vec<(u64, f64)> {
        let score = |event: &Event| match event {
            Event::Evaluation(evaluation) => Some((evaluation.global_step, evaluation.metrics["dev_score"])),
            _ => None,
        };
        self.events.iter().filter_map(score).collect()
    }
}

impl Observer for Log {
    fn on_start(&mut self, start: &StartEvent) -> Result<()> {
        self.keep(format!("start {}", start.first_step), Event::Start(start.clone()))
    }

    fn on_step(&mut self, step: &StepEvent) -> Result<()> {
        if self.plan.interrupt_in_step.get() == Some(step.step) {
            self.plan.interrupt.store(true, Ordering::Relaxed);
        }
        self.keep(format!("step {}", step.step), Event::Step(step.clone()))
    }

    fn on_evaluation(&mut self, evaluation: &EvaluationEvent) -> Result<()> {
        if self.plan.interrupt_after_evaluation.get() == Some(evaluation.global_step) {
            self.plan.interrupt.store(true, Ordering::Relaxed);
        }
        self.keep(format!("evaluation {}", evaluation.global_step), Event::Evaluation(evaluation.clone()))
    }

    fn on_checkpoint(&mut self, checkpoint: &CheckpointEvent) -> Result<()> {
        let step = checkpoint.global_step;
        let is_saved = self.folder.join(format!("checkpoints/step-{step}/manifest.json")).is_file();
        assert!(is_saved, "the checkpoint {step} is told before it is saved");
        self.keep(format!("checkpoint {step}"), Event::Checkpoint(checkpoint.clone()))
    }

    fn on_end(&mut self, end: &EndEvent) -> Result<()> {
        self.keep(format!("end {:?}", end.outcome), Event::End(end.clone()))
    }
}

/// A folder with the examples and the results of a run.
pub struct World {
    pub folder: TempDir,
    pub settings: Settings,
    pub plan: Rc<Plan>,
}

impl World {
    /// A run of SGD with momentum.
    pub fn new(training: serde_json::Value, evaluation: serde_json::Value) -> Self {
        let folder = TempDir::new().unwrap();
        let rows = EXAMPLES.map(|(x, y)| format!("{}\n", json!({ "input_ids": [x], "labels": y })));
        fs::write(folder.path().join("rows.jsonl"), rows.concat()).unwrap();
        let settings = Settings {
            training: serde_json::from_value(training).unwrap(),
            evaluation: serde_json::from_value(evaluation).unwrap(),
            optimizer: OptimizerConfig::Sgd(SgdConfig { lr: LR, momentum: 0.5, ..SgdConfig::default() }),
            ..Settings::default()
        };
        Self { folder, settings, plan: Rc::default() }
    }

    pub fn without_momentum(mut self, lr: f64) -> Self {
        self.settings.optimizer = OptimizerConfig::Sgd(SgdConfig { lr, ..SgdConfig::default() });
        self
    }

    /// The folder of the run.
    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// A checked session whose student has these weights.
    fn session(&self, [slope, offset]: [f32; 2]) -> Session {
        let spec = ModelSpec {
            architecture: "Line".to_owned(),
            inputs: InputSpec {
                columns: vec![InputColumn { name: "input_ids", count: None }],
                max_length: None,
                pad_token_id: 0,
            },
            task: Task::Regression { labels: vec!["y".to_owned()] },
            num_layers: None,
            hidden_size: None,
            num_attention_heads: None,
        };
        let rows = self.folder.path().join("rows.jsonl");
        let dataset = Dataset::read(&rows, &DataConfig::default(), &spec, None, &|_| {}).unwrap();
        let views = Views { student: dataset.into(), teachers: vec![] };
        let loader = Loader::new(views.student.clone(), NonZeroUsize::MIN, Order::File);
        let mut parameters = Parameters::new();
        for (name, value) in [("slope", slope), ("offset", offset)] {
            parameters.insert(name, Tensor::from_slice(&[value]).set_requires_grad(true));
        }
        let model: Rc<dyn Model> =
            Rc::new(Line { spec, parameters, cannot_be_saved: self.plan.cannot_be_saved.clone() });
        let adaptor = Box::new(FailingAdaptor(self.plan.clone()));
        let student = Branch::new(Side::Student, None, model.clone(), ForwardArguments::default(), adaptor);
        let task = TrainingTask {
            name: None,
            student,
            teachers: vec![],
            cache_requests: vec![],
            postprocessor: None,
            views,
            loader,
        };
        let mut session = Session {
            student: Student::one(model),
            tasks: vec![task],
            task_order: TaskOrder::single(),
            distiller: Box::new(distiller::Trainer),
            evaluators: vec![Box::new(Score(self.plan.clone()))],
            callbacks: vec![Box::new(Watcher(self.plan.clone()))],
        };
        session.check().unwrap();
        session
    }

    /// Starts a run, or resumes one that is there.
    pub fn run(&self) -> (Result<EndEvent>, Log, [f64; 2]) {
        self.plan.interrupt.store(false, Ordering::Relaxed);
        let folder = RunFolder::open(&self.out()).unwrap();
        let checkpoints = folder.checkpoints().unwrap();
        let (mut session, mut metrics, start) = match checkpoints.first() {
            Some((_, last)) => {
                let weights = read(last);
                let resume = Resume::last_whole(&checkpoints, vec![]).unwrap();
                let (metrics, notes) = MetricsLog::resume(&folder.metrics(), &resume).unwrap();
                assert_eq!(notes, [""; 0]);
                (self.session(weights), metrics, resume.state)
            }
            None => {
                let metrics = MetricsLog::create(&folder.metrics()).unwrap();
                (self.session([0.0, 0.0]), metrics, TrainingState::default())
            }
        };
        let mut log = Log { plan: self.plan.clone(), folder: self.out(), events: vec![] };
        let end = session.train(&self.settings, start, &folder, &mut [&mut metrics, &mut log], &self.plan.interrupt);
        (end, log, weights_of(&session.student))
    }

    /// The optimizer steps of the checkpoints that are there.
    pub fn checkpoints(&self) -> Vec<u64> {
        let folder = RunFolder::open(&self.out()).unwrap();
        let mut steps: Vec<u64> = folder.checkpoints().unwrap().into_iter().map(|(step, _)| step).collect();
        steps.sort_unstable();
        steps
    }

    /// All that the run wrote.
    pub fn written(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = crate::files::list(&self.out()).unwrap().into_iter();
        files.map(|name| (name.clone(), fs::read(self.out().join(name)).unwrap())).collect()
    }
}

/// The weights in a checkpoint.
fn read(checkpoint: &Path) -> [f32; 2] {
    let tensors: BTreeMap<String, Tensor> =
        Tensor::read_safetensors(checkpoint.join("model.safetensors")).unwrap().into_iter().collect();
    ["slope", "offset"].map(|name| tensors[name].double_value(&[0]) as f32)
}

pub fn weights_of(student: &Student) -> [f64; 2] {
    ["slope", "offset"].map(|name| student.parameters().get(name).unwrap().double_value(&[0]))
}
