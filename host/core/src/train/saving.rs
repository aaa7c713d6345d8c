//! Evaluate, then decide what to save: when the student is evaluated, which number says how good it is, which checkpoint is
//! the best, and which checkpoints stay.

use std::cmp::Ordering;
use std::sync::atomic::AtomicBool;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Best, TrainError};
use crate::callback::Scalars;
use crate::metric::MetricMode;
use crate::names::nearest;
use crate::{Result, RoleState, Student};

/// When the student is evaluated, and which number says how good it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationConfig {
    /// Optimizer steps between evaluations, beside those at each checkpoint. With `best`, a student that is better than all
    /// before it is saved as a checkpoint there, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<usize>,
    /// The metric by which a student is better than another, such as `dev_accuracy`, or `{ "metric": …, "mode": … }`. The
    /// student of the run is then the best one in place of the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<BestSpec>,
}

/// The metric that says which checkpoint is the best.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = r#"expected the name of a metric or { "metric": …, "mode": "max" or "min" }"#)]
pub enum BestSpec {
    /// In the metric's own direction: less of a loss, more of an accuracy.
    Name(String),
    /// A metric, and which of two values is better.
    WithMode(BestMetric),
}

/// A metric and its direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BestMetric {
    /// Its name in reports, such as `dev_accuracy`.
    pub metric: String,
    /// Which of two values is better.
    pub mode: MetricMode,
}

/// Which checkpoints stay; by default all. The latest one stays in any case, and with `evaluation.best` the best one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SaveConfig {
    /// How many of the latest checkpoints stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<usize>,
    /// How many of the best checkpoints by `evaluation.best` stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_best: Option<usize>,
}

impl SaveConfig {
    fn keeps_all(&self) -> bool {
        self.keep_last.is_none() && self.keep_best.is_none()
    }

    /// How many checkpoints there are at most at a time, in a run that saves this many at most.
    pub fn most(&self, num_checkpoints: usize) -> usize {
        if self.keeps_all() {
            return num_checkpoints;
        }
        // The best one, and the one that is being saved.
        let kept = self.keep_last.unwrap_or(0).saturating_add(self.keep_best.unwrap_or(0)).saturating_add(2);
        kept.min(num_checkpoints)
    }
}

impl BestSpec {
    /// The name of the metric.
    pub fn metric(&self) -> &str {
        match self {
            BestSpec::Name(metric) | BestSpec::WithMode(BestMetric { metric, .. }) => metric,
        }
    }
}

impl EvaluationConfig {
    /// How many evaluations of a run of `optimizer_steps` may each save a checkpoint beside those of the timetable: all that
    /// find a student which is better than all before it.
    pub fn most_best(&self, optimizer_steps: usize) -> usize {
        match (&self.best, self.every) {
            (Some(_), Some(every)) => optimizer_steps / every.max(1),
            _ => 0,
        }
    }

    /// Whether an evaluation follows the optimizer step `global_step`, counted from 1, beside those at checkpoints.
    pub(super) fn is_due(&self, global_step: usize) -> bool {
        self.every.is_some_and(|every| global_step.is_multiple_of(every))
    }
}

/// Measures the student on a split of the data.
pub trait Evaluator {
    /// The split's name in reports: `dev`, and with several tasks `TASK_dev`.
    fn split(&self) -> &str;

    /// The names of the numbers that it reports, `dev_loss`, each with its direction; none of data without labels.
    fn metrics(&self) -> Vec<(String, MetricMode)>;

    /// What its batch post-processor remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }

    /// Measures the student. Once `interrupt` is raised it returns early, and what it returns is not used.
    fn evaluate(&mut self, student: &Student, interrupt: &AtomicBool) -> Result<Scalars>;

    /// The same on little data, so that a mistake shows before the run.
    fn rehearse(&mut self, student: &Student) -> Result<Scalars>;
}

/// A checkpoint that stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    pub global_step: u64,
    /// The value of the metric that says which is the best; none if there is no such metric, or if it had no value.
    #[serde(with = "exact")]
    pub value: Option<f64>,
}

/// Knows which checkpoint is the best, and which stay.
pub(super) struct Saving {
    best: Option<BestMetric>,
    save: SaveConfig,
    /// In the order in which they were saved.
    saved: Vec<Saved>,
}

impl Saving {
    /// `saved` are the checkpoints that stay so far.
    ///
    /// # Errors
    /// A metric that no evaluation reports.
    pub fn new(
        evaluation: &EvaluationConfig,
        save: &SaveConfig,
        evaluators: &[Box<dyn Evaluator>],
        saved: Vec<Saved>,
    ) -> Result<Self, TrainError> {
        let best = evaluation.best.as_ref().map(|spec| resolved(spec, evaluators)).transpose()?;
        Ok(Self { best, save: save.clone(), saved })
    }

    pub fn saved(&self) -> &[Saved] {
        &self.saved
    }

    pub fn holds(&self, global_step: u64) -> bool {
        self.saved.iter().any(|saved| saved.global_step == global_step)
    }

    /// How good a student is; `None` if nothing says so.
    pub fn value(&self, metrics: &Scalars) -> Option<f64> {
        let value = metrics.get(&self.best.as_ref()?.metric)?;
        value.is_finite().then_some(*value)
    }

    /// Whether a value is better than those of all checkpoints.
    pub fn is_best(&self, value: Option<f64>) -> bool {
        let (Some(value), Some(metric)) = (value, &self.best) else { return false };
        self.best().is_none_or(|best| metric.mode.compare(value, best.value) == Ordering::Less)
    }

    /// Takes in a checkpoint that is about to be saved. Returns those that do not stay once it is.
    pub fn add(&mut self, global_step: u64, value: Option<f64>) -> Vec<u64> {
        self.saved.retain(|saved| saved.global_step != global_step);
        self.saved.push(Saved { global_step, value });
        if self.save.keeps_all() {
            return vec![];
        }
        let last = self.save.keep_last.unwrap_or(1);
        let best = self.save.keep_best.unwrap_or(1);
        let latest = self.saved.iter().rev().take(last).map(|saved| saved.global_step);
        let stay: Vec<u64> = latest.chain(self.ranked().iter().take(best).map(|(step, _)| *step)).collect();
        let (kept, removed) = self.saved.drain(..).partition(|saved| stay.contains(&saved.global_step));
        self.saved = kept;
        removed.into_iter().map(|saved: Saved| saved.global_step).collect()
    }

    /// The best checkpoint, the earlier one of two that are equal.
    pub fn best(&self) -> Option<Best> {
        let metric = self.best.as_ref()?.metric.clone();
        let (global_step, value) = *self.ranked().first()?;
        Some(Best { metric, value, global_step })
    }

    /// The checkpoints that have a value, with it, the best first.
    fn ranked(&self) -> Vec<(u64, f64)> {
        let Some(metric) = &self.best else { return vec![] };
        let with_value = self.saved.iter().filter_map(|saved| Some((saved.global_step, saved.value?)));
        let mut ranked: Vec<(u64, f64)> = with_value.collect();
        // Among equals the order stays.
        ranked.sort_by(|(_, left), (_, right)| metric.mode.compare(*left, *right));
        ranked
    }
}

/// The metric with its direction.
fn resolved(spec: &BestSpec, evaluators: &[Box<dyn Evaluator>]) -> Result<BestMetric, TrainError> {
    let name = spec.metric();
    let known: Vec<(String, MetricMode)> = evaluators.iter().flat_map(|evaluator| evaluator.metrics()).collect();
    if let Some((_, own)) = known.iter().find(|(known, _)| known == name) {
        return Ok(match spec {
            BestSpec::Name(_) => BestMetric { metric: name.to_owned(), mode: *own },
            BestSpec::WithMode(metric) => metric.clone(),
        });
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let is_of = |split: &str| name.strip_prefix(split).is_some_and(|rest| rest.starts_with('_'));
    let mut unmeasured = evaluators.iter().filter(|evaluator| evaluator.metrics().is_empty());
    let found = match unmeasured.find(|evaluator| is_of(evaluator.split())) {
        Some(evaluator) => {
            format!("`{name}`, and the split `{}` has no labels to measure anything by", evaluator.split())
        }
        None => format!("`{name}`{}", nearest(name, &names)),
    };
    let expected = match names.as_slice() {
        [] => "the name of a metric, and none is reported: name data with labels in `data.eval`".to_owned(),
        names => format!("one of {}", names.join(", ")),
    };
    Err(TrainError::Value { key: "evaluation.best".to_owned(), found, expected })
}

/// A number as text, which is read back as the same number: the reader of JSON may be off by the last bit.
mod exact {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|value| value.to_string()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(|_| D::Error::custom(format!("{text:?} is no number")))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Split {
        name: &'static str,
        has_labels: bool,
    }

    impl Evaluator for Split {
        fn split(&self) -> &str {
            self.name
        }

        fn metrics(&self) -> Vec<(String, MetricMode)> {
            let metrics = [("loss", MetricMode::Min), ("accuracy", MetricMode::Max)];
            let named = metrics.map(|(metric, mode)| (format!("{}_{metric}", self.name), mode));
            if self.has_labels { named.to_vec() } else { vec![] }
        }

        fn evaluate(&mut self, _student: &Student, _interrupt: &AtomicBool) -> Result<Scalars> {
            unreachable!("nothing is evaluated")
        }

        fn rehearse(&mut self, _student: &Student) -> Result<Scalars> {
            unreachable!("nothing is evaluated")
        }
    }

    fn splits() -> Vec<Box<dyn Evaluator>> {
        let split = |name, has_labels| -> Box<dyn Evaluator> { Box::new(Split { name, has_labels }) };
        vec![split("dev", true), split("plain", false)]
    }

    fn saving(best: serde_json::Value, save: SaveConfig) -> Result<Saving, TrainError> {
        let evaluation = EvaluationConfig { best: serde_json::from_value(best).unwrap(), every: None };
        Saving::new(&evaluation, &save, &splits(), vec![])
    }

    /// The checkpoints that stay after those of these values were saved at the steps 1, 2, …, and the best.
    fn kept(best: &str, save: SaveConfig, values: &[f64]) -> (Vec<u64>, Option<u64>) {
        let best = if best.is_empty() { serde_json::Value::Null } else { best.into() };
        let mut saving = saving(best, save).unwrap();
        for (step, value) in (1..).zip(values) {
            let value = saving.best.is_some().then_some(*value).filter(|value| value.is_finite());
            let before: Vec<u64> = saving.saved.iter().map(|saved| saved.global_step).chain([step]).collect();
            let removed = saving.add(step, value);
            let after: Vec<u64> = saving.saved.iter().map(|saved| saved.global_step).collect();
            assert_eq!(after, before.into_iter().filter(|step| !removed.contains(step)).collect::<Vec<_>>());
        }
        let steps = saving.saved.iter().map(|saved| saved.global_step).collect();
        (steps, saving.best().map(|best| best.global_step))
    }

    #[test]
    fn the_last_and_the_best_stay() {
        let keep = |keep_last, keep_best| SaveConfig { keep_last, keep_best };
        let values = [0.5, 0.9, 0.7, 0.9, 0.8, f64::NAN];
        assert_eq!(kept("", keep(None, None), &values), (vec![1, 2, 3, 4, 5, 6], None));
        assert_eq!(kept("", keep(Some(2), None), &values), (vec![5, 6], None));
        assert_eq!(kept("dev_accuracy", keep(None, None), &values), (vec![1, 2, 3, 4, 5, 6], Some(2)));
        assert_eq!(kept("dev_accuracy", keep(Some(1), None), &values), (vec![2, 6], Some(2)));
        assert_eq!(kept("dev_accuracy", keep(None, Some(2)), &values), (vec![2, 4, 6], Some(2)));
        assert_eq!(kept("dev_accuracy", keep(Some(2), Some(1)), &values), (vec![2, 5, 6], Some(2)));
        assert_eq!(kept("dev_loss", keep(Some(1), None), &values), (vec![1, 6], Some(1)));
        assert_eq!(kept("dev_loss", keep(Some(1), None), &[f64::NAN, f64::NAN]), (vec![2], None));
    }

    #[test]
    fn every_evaluation_may_save_a_checkpoint_where_the_best_is_known() {
        let evaluation = |value| serde_json::from_value::<EvaluationConfig>(value).unwrap();
        let (best, every) = ("dev_accuracy", 2);
        assert_eq!(evaluation(serde_json::json!({ "best": best, "every": every })).most_best(7), 3);
        assert_eq!(evaluation(serde_json::json!({ "best": best })).most_best(7), 0);
        assert_eq!(evaluation(serde_json::json!({ "every": every })).most_best(7), 0);
    }

    #[test]
    fn a_value_is_the_best_if_it_is_better_than_all() {
        let mut saving = saving("dev_accuracy".into(), SaveConfig::default()).unwrap();
        assert!(saving.is_best(Some(0.5)) && !saving.is_best(None));
        saving.add(1, Some(0.5));
        assert!(saving.is_best(Some(0.6)) && !saving.is_best(Some(0.5)) && !saving.is_best(Some(0.4)));
        // A checkpoint that is saved again takes the place of the one before.
        saving.add(1, Some(0.4));
        assert!(saving.is_best(Some(0.5)) && saving.saved.len() == 1);
    }

    #[test]
    fn a_direction_of_ones_own_counts() {
        let spec = serde_json::json!({ "metric": "dev_loss", "mode": "max" });
        let mut saving = saving(spec, SaveConfig::default()).unwrap();
        saving.add(1, Some(0.5));
        assert!(saving.is_best(Some(0.6)));
    }

    #[test]
    fn a_metric_that_nothing_reports_is_refused() {
        let problem = |name: &str| saving(name.into(), SaveConfig::default()).err().unwrap().to_string();
        assert_eq!(
            problem("dev_acuracy"),
            "evaluation.best is `dev_acuracy` (did you mean `dev_accuracy`?); expected one of dev_loss, dev_accuracy"
        );
        assert_eq!(
            problem("plain_loss"),
            "evaluation.best is `plain_loss`, and the split `plain` has no labels to measure anything by; expected one of \
             dev_loss, dev_accuracy"
        );
    }

    #[test]
    fn values_are_read_back_to_the_last_bit() {
        for value in [Some(0.1 + 0.2), Some(1.0 / 3.0), Some(f64::MIN_POSITIVE), None] {
            let saved = Saved { global_step: 1, value };
            let text = serde_json::to_string(&saved).unwrap();
            assert_eq!(serde_json::from_str::<Saved>(&text).unwrap(), saved, "{text}");
        }
    }
}
