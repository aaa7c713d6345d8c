use indexmap::IndexMap;

use super::Distiller;
use crate::loss::{Loss, LossError, ModelFeatures, Term, check_features, check_gradients, hard_label_loss};
use crate::{Features, Result};

/// Supervised training without a teacher: the loss is the sum of the adaptor's `losses`.
pub struct Trainer;

impl Distiller for Trainer {
    fn check(&self, student: &ModelFeatures<'_>, _teachers: &[ModelFeatures<'_>]) -> Result<()> {
        check_features(student)?;
        if student.features.losses.is_empty() {
            return Err(missing_losses(&student.adaptor).into());
        }
        check_gradients(student, "losses", &student.features.losses)
    }

    fn loss(&self, student: &Features, _teachers: &[Features]) -> Result<Loss> {
        let total = hard_label_loss(student)?.ok_or_else(|| missing_losses("the adaptor"))?;
        Ok(Loss { total, parts: IndexMap::new() })
    }

    fn terms(&self, _student: &Features, _teachers: &[Features]) -> Vec<Term> {
        vec![Term { name: "losses".into(), weight: "1".into(), detail: "the model's own losses".into() }]
    }
}

fn missing_losses(adaptor: &str) -> LossError {
    LossError::Missing {
        adaptor: adaptor.to_owned(),
        side: "student".into(),
        key: "losses",
        needed_by: "the trainer".into(),
        hint: "Return the model's `loss`; it has one when the data has labels.".into(),
    }
}
