//! The engine: steps, optimizers, schedules, checkpoints. It calls traits and knows no implementation of them.

mod arguments;
mod branch;
mod caching;
mod config;
mod error;
mod feed;
mod gradients;
mod metrics_log;
mod observer;
pub mod optimizer;
mod rehearsal;
mod resume;
mod run_folder;
mod schedule;
mod session;
mod stepper;
mod task;
mod task_order;
mod timetable;
mod training_state;

pub use arguments::ForwardArguments;
pub use branch::Branch;
pub use caching::{CacheRequest, Filled};
pub use config::{Duration, TrainingConfig};
pub use error::TrainError;
pub use metrics_log::{MetricsLog, is_reserved};
pub use observer::{CheckpointReport, Observer, StepReport};
pub use resume::Resume;
pub use run_folder::{RunFolder, TokenizerFiles};
pub use schedule::{Schedule, ScheduleConfig, ScheduleName};
pub use session::{Checked, CheckedFeatures, Outcome, Session, Settings};
pub use task::Task;
pub use task_order::TaskOrder;
pub use timetable::Timetable;
pub use training_state::TrainingState;
