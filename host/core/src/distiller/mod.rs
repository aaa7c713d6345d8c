//! Distillers: what is computed from the features of student and teachers.

mod plan;
mod restore;
mod trainer;

use serde_json::{Map, Value};

pub use plan::PlanDistiller;
pub use restore::restore_projections;
pub use trainer::Trainer;

use crate::loss::{Loss, ModelFeatures, Term};
use crate::{Feature, Features, Parameters, Result, RoleState, Side, StepContext};

/// A way to train a student. The engine runs the models, the adaptors and the optimizer; a distiller turns features
/// into a loss.
pub trait Distiller {
    /// Whether the features of a batch are all that the loss needs: the check before step 0. There is one side for
    /// each teacher.
    fn check(&self, student: &ModelFeatures<'_>, teachers: &[ModelFeatures<'_>]) -> Result<()>;

    /// Called before the loss of each forward step, and once more where a step is computed again: what depends on the calls
    /// made at a step begins anew, and scheduled weights are those of the optimizer steps done.
    fn begin_step(&mut self, _context: &StepContext) -> Result<()> {
        Ok(())
    }

    /// The loss of a batch.
    fn loss(&mut self, student: &Features, teachers: &[Features]) -> Result<Loss>;

    /// The summands of the loss for these features, for people.
    fn terms(&self, student: &Features, teachers: &[Features]) -> Vec<Term>;

    /// The layers among a model's features that the loss uses, by their positions; the others need not be computed.
    fn used_layers(&self, _features: &Features, _side: Side) -> Vec<(Feature, usize)> {
        vec![]
    }

    /// The modules of a teacher, or of the student, whose outputs the loss reads from the features.
    fn modules(&self, _side: Side) -> Vec<String> {
        vec![]
    }

    /// What its losses and schedulers remember, each with the key that names it in the experiment.
    fn states(&mut self) -> Vec<(String, &mut dyn RoleState)> {
        vec![]
    }

    /// Parameters of its own that are trained along with the student's.
    fn trained(&self) -> Vec<Trained<'_>> {
        vec![]
    }
}

/// Parameters that a distiller trains, with optimizer options of their own over those of the experiment.
pub struct Trained<'a> {
    /// What their names begin with: `projections.0`.
    pub prefix: String,
    /// What is trained.
    pub parameters: &'a Parameters,
    /// Optimizer options over those of the experiment.
    pub options: Map<String, Value>,
}
