//! Where a gradient that is not finite comes from. It is looked for only when there is one: the step is computed again,
//! and each part of the loss is differentiated by itself.

use tch::Tensor;

use super::stepper::{NotFinite, Stepper};
use super::task::Prepared;
use super::{Session, TrainError};
use crate::loss::{Loss, Term};
use crate::{Features, Outputs, Result, StepContext};

impl Session {
    /// The error of a batch whose loss is finite and whose gradient is not; `seed` is that of its dropout.
    pub(super) fn blame(
        &mut self,
        task: usize,
        batch: &Prepared,
        context: &StepContext,
        seed: i64,
        stepper: &Stepper,
        found: &NotFinite,
    ) -> TrainError {
        let origin = match self.origins(task, batch, context, seed, stepper) {
            Ok(origins) if origins.is_empty() => {
                "no part of the loss has such a gradient by itself: their sum is too large".to_owned()
            }
            Ok(origins) => format!("it comes from {}", origins.join(", and from ")),
            Err(error) => format!("where it comes from cannot be found ({error})"),
        };
        TrainError::GradientNotFinite { step: context.step, norm: found.norm, origin, parameters: concerned(found) }
    }

    /// The parts of the loss whose gradient is not finite, each with the place at which it ceases to be.
    fn origins(
        &mut self,
        task: usize,
        batch: &Prepared,
        context: &StepContext,
        seed: i64,
        stepper: &Stepper,
    ) -> Result<Vec<String>> {
        self.distiller.begin_step(context)?;
        let adapted = self.tasks[task].adapt(batch, context, Some(seed))?;
        let ((features, outputs), teachers) = adapted.into_features();
        let loss = self.distiller.loss(&features, &teachers)?;
        let terms = self.distiller.terms(&features, &teachers);
        let adaptor = self.tasks[task].student.adaptor.name();
        let mut origins = vec![];
        for (name, part) in parts(&loss) {
            if let Some(place) = place(part, &features, &outputs, stepper, adaptor)? {
                origins.push(format!("{}, in the backward of {place}", described(name, &terms)));
            }
        }
        Ok(origins)
    }
}

/// The parts of a loss, or the total of one that has none.
fn parts(loss: &Loss) -> Vec<(&str, &Tensor)> {
    match loss.parts.is_empty() {
        true => vec![("total_loss", &loss.total)],
        false => loss.parts.iter().map(|(name, part)| (name.as_str(), part)).collect(),
    }
}

/// The first place, from the loss back to the parameters, at which a part's gradient is not finite.
fn place(
    part: &Tensor,
    features: &Features,
    outputs: &Outputs,
    stepper: &Stepper,
    adaptor: &str,
) -> Result<Option<String>> {
    if !part.requires_grad() {
        return Ok(None);
    }
    let places = [
        ("the loss itself".to_owned(), features.differentiable().collect::<Vec<_>>()),
        (adaptor.to_owned(), outputs.computed().filter(|tensor| tensor.requires_grad()).collect()),
        ("the student".to_owned(), stepper.tensors().collect()),
    ];
    for (place, tensors) in places {
        if !tensors.is_empty() && !is_finite(&Tensor::f_run_backward(&[part], &tensors, true, false)?)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Whether every gradient has a finite norm; those that are not there have.
fn is_finite(gradients: &[Tensor]) -> Result<bool> {
    for gradient in gradients.iter().filter(|gradient| gradient.defined()) {
        if !gradient.f_norm()?.f_double_value(&[])?.is_finite() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `unweighted_kd_loss (plugin:mine, temperature 4)`.
fn described(name: &str, terms: &[Term]) -> String {
    let term = terms.iter().find(|term| Some(term.name.as_str()) == name.strip_prefix("unweighted_"));
    term.map_or(name.to_owned(), |term| format!("{name} ({})", term.detail))
}

/// `38 of 40 parameters: a, b, c, …`.
fn concerned(found: &NotFinite) -> String {
    const SHOWN: usize = 3;
    let NotFinite { parameters, num_parameters, .. } = found;
    if parameters.is_empty() {
        return format!("the norm over all {num_parameters} parameters, and that of none by itself");
    }
    let more = if parameters.len() > SHOWN { ", …" } else { "" };
    let names = parameters.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    format!("the gradient of {} of {num_parameters} parameters: {names}{more}", parameters.len())
}
