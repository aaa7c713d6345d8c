//! Trying a role out: what it is called with without a run, and what the calls come to.

mod cases;
mod made_up;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tch::Tensor;

pub use cases::{Case, Cases};

use crate::{bindings::Export, error::Result, guest::Guest, limits::Usage, plugin::Plugin, tensor_ops::name_of};

/// How often a case is called to find out what a call costs.
const CALLS: u32 = 50;

/// A component in a role that can be tried out.
pub(crate) trait Trial: Sized {
    type Exports: Export;

    /// Starts the plugin and calls it as the case says; an error is the message that the author reads.
    fn run_case(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String>;

    fn guest(&mut self) -> &mut Guest<Self::Exports>;

    /// The same role in an instance that remembers nothing.
    fn anew(&self) -> Result<Self>;
}

/// What a case came to.
pub(crate) struct Made {
    pub(crate) returned: Vec<Returned>,
    pub(crate) cost: Cost,
    /// Of a loss: the gradient with respect to each of the student's tensors, where there is one.
    pub(crate) gradients: Option<Vec<Option<Tensor>>>,
    /// What is wrong with what the role saved of its memory.
    pub(crate) forgotten: Option<String>,
}

/// Something that came back.
pub(crate) struct Returned {
    pub(crate) key: String,
    /// Kinds and shapes, or a number as text.
    pub(crate) text: String,
    /// Where it is one.
    pub(crate) number: Option<f64>,
}

impl Returned {
    pub(crate) fn text(key: &str, text: String) -> Self {
        Self { key: key.to_owned(), text, number: None }
    }

    pub(crate) fn number(key: &str, number: f64) -> Self {
        Self { key: key.to_owned(), text: format!("{number:.6}"), number: Some(number) }
    }

    pub(crate) fn tensor(key: &str, tensor: &Tensor) -> Self {
        Self::text(key, format!("{} {:?}", name_of(tensor.kind()), tensor.size()))
    }
}

/// What one call took.
#[derive(Debug)]
pub struct Cost {
    /// The median of some calls.
    pub time: Duration,
    /// Requests to the host.
    pub operations: u64,
    /// Of new tensors, temporary ones included.
    pub tensor_bytes: u64,
    /// Of tensors for the gradient, by estimate.
    pub gradient_bytes: u64,
    /// Of elements that were read and written.
    pub value_bytes: u64,
    /// Of messages.
    pub log_bytes: u64,
}

/// What the first of some calls returned, and what a call costs.
pub(crate) struct Measured<T> {
    pub(crate) value: T,
    cost: Cost,
    forgotten: Option<String>,
}

impl<T> Measured<T> {
    /// What a case came to that returned `returned`.
    pub(crate) fn made(self, returned: Vec<Returned>) -> Made {
        Made { returned, cost: self.cost, gradients: None, forgotten: self.forgotten }
    }
}

impl Measured<Tensor> {
    /// What a case came to that returned a loss of the student's tensors.
    pub(crate) fn made_loss(self, student: &[Tensor]) -> Result<Made, String> {
        let gradients = || -> Result<_, tch::TchError> {
            let gradients = Tensor::f_run_backward(&[&self.value], student, false, false)?.into_iter();
            let gradients = gradients.map(|gradient| Some(gradient).filter(Tensor::defined)).collect();
            Ok((Returned::number("loss", self.value.f_double_value(&[])?), gradients))
        };
        let (loss, gradients) = gradients().map_err(|error| text(error.into()))?;
        Ok(Made { gradients: Some(gradients), ..self.made(vec![loss]) })
    }
}

/// Finds out what a call costs.
pub(crate) struct Meter {
    /// Whether what the plugin logs is left out: the calls after the first say what it has said.
    pub(crate) is_quiet: Arc<AtomicBool>,
}

impl Meter {
    /// Makes a call of a role some times.
    pub(crate) fn measured<R: Trial, T>(
        &self,
        role: &mut R,
        mut call: impl FnMut(&mut R) -> brewer::Result<T>,
    ) -> Result<Measured<T>, String> {
        let value = call(role).map_err(text)?;
        let usage = role.guest().usage();
        self.is_quiet.store(true, Ordering::Relaxed);
        let times = times(|| call(role).map(drop));
        let forgotten = forgotten(role);
        self.is_quiet.store(false, Ordering::Relaxed);
        Ok(Measured {
            value,
            cost: cost(times.map_err(text)?, usage),
            forgotten: forgotten.unwrap_or_else(|error| Some(text(error))),
        })
    }
}

fn times(mut call: impl FnMut() -> brewer::Result<()>) -> brewer::Result<Vec<Duration>> {
    let time = |_| {
        let start = Instant::now();
        call()?;
        Ok(start.elapsed())
    };
    (0..CALLS).map(time).collect()
}

fn cost(mut times: Vec<Duration>, usage: Usage) -> Cost {
    times.sort();
    Cost {
        time: times[times.len() / 2],
        operations: usage.operations,
        tensor_bytes: usage.call.bytes,
        gradient_bytes: usage.call.gradient_bytes,
        value_bytes: usage.value_bytes,
        log_bytes: usage.log_bytes,
    }
}

/// Restores what a role remembers in a new instance, which must save the same; says what is wrong.
fn forgotten<R: Trial>(role: &mut R) -> brewer::Result<Option<String>> {
    let Some(state) = role.guest().state() else { return Ok(None) };
    let saved = state.save()?;
    let mut fresh = role.anew()?;
    let Some(state) = fresh.guest().state() else { return Ok(None) };
    state.restore(&saved)?;
    let again = state.save()?;
    let problem = || {
        let lengths = (saved.len(), again.len());
        format!("{} bytes were saved and restored; what is saved then is {} other bytes", lengths.0, lengths.1)
    };
    Ok((again != saved).then(problem))
}

/// An error as the author reads it.
pub(crate) fn text(error: brewer::Error) -> String {
    error.to_string()
}
