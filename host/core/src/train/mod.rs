//! The engine: steps, optimizers, schedules, checkpoints. It calls traits and knows no implementation of them.

mod arguments;
mod blame;
mod branch;
mod caching;
mod checkpoint_manifest;
mod checkpointing;
mod checkpoints;
mod config;
mod error;
mod events;
mod feed;
mod folder_lock;
mod gradients;
mod metrics_log;
mod observer;
pub mod optimizer;
mod output_folder;
mod placement;
mod resume;
mod role_states;
mod run_folder;
mod run_record;
mod saving;
mod schedule;
mod session;
mod stepper;
mod task;
mod task_order;
mod timetable;
mod training_state;

#[cfg(test)]
mod tests;

pub use arguments::ForwardArguments;
pub use branch::Branch;
pub use caching::{CacheRequest, Filled};
pub use config::{Duration, TrainingConfig};
pub use error::TrainError;
pub use events::{
    Best, CheckpointEvent, EVENTS_VERSION, EndEvent, EvaluationEvent, Event, Outcome, StartEvent, StepEvent,
    is_reserved,
};
pub use metrics_log::MetricsLog;
pub use observer::Observer;
pub use output_folder::check_output_folder;
pub use placement::Placement;
pub use resume::Resume;
pub use run_folder::{RunFolder, TokenizerFiles};
pub use run_record::RunRecord;
pub use saving::{BestMetric, BestSpec, EvaluationConfig, Evaluator, SaveConfig};
pub use schedule::{Schedule, ScheduleConfig, ScheduleName};
pub use session::{Checked, CheckedFeatures, Session, Settings};
pub use task::TrainingTask;
pub use task_order::TaskOrder;
pub use timetable::Timetable;
pub use training_state::TrainingState;
