use brewer_sdk::{
    dataset,
    host::{self, Level},
    metrics,
    model::{self, Mode},
    prelude::*,
};

use crate::deed;

/// Measures the student on a split of its own accord, and reports.
pub fn on_checkpoint(step: u64) -> Result<Action> {
    match deed()?.as_str() {
        "stop" => return Ok(Action::Stop),
        "report-nan" => metrics::report("mine", f64::NAN)?,
        "report-twice" => {
            metrics::report("mine", 1.0)?;
            metrics::report("mine", 2.0)?;
        }
        "report-odd-name" => metrics::report("a name\n\u{202e}", 1.0)?,
        "report-reserved" => metrics::report("global_step", 1.0)?,
        "log" => host::log(Level::Info, "first\nerror: a line of its own\u{202e}\u{1b}[2J\r"),
        "report-much" => {
            for number in 0.. {
                metrics::report(&format!("mine_{number}"), 1.0)?;
            }
        }
        "no-split" => _ = dataset::num_batches("tests")?,
        "beyond" => _ = dataset::read_batch("train", u32::MAX)?,
        "no-parameter" => _ = model::parameter_statistics("bert.nothing")?,
        "no-output" => {
            let batch = dataset::read_batch("train", 0)?;
            model::forward(&batch, &["everything"], Mode::Eval)?;
        }
        "wild-batch" => {
            let mut batch = dataset::read_batch("train", 0)?;
            let ids = batch.tensor("input_ids")?;
            batch.insert("input_ids", &(ids * -7))?;
            model::forward(&batch, &["logits"], Mode::Eval)?;
        }
        "statistics" => {
            let name = model::parameter_names()?.into_iter().find(|name| name.ends_with("classifier.weight"));
            let name = name.ok_or("there is no classifier")?;
            let statistics = model::parameter_statistics(&name)?;
            metrics::report("classifier_norm", statistics.norm)?;
            metrics::report("classifier_elements", statistics.count as f64)?;
        }
        "evaluate" => {
            let mut losses = 0.0;
            for batch in dataset::batches("train")? {
                let outputs = model::forward(&batch?, &["loss"], Mode::Eval)?;
                losses += f64::from(brewer_sdk::values::read::<f32>(&outputs.tensor("loss")?)?[0]);
            }
            metrics::report("train_loss", losses / f64::from(dataset::num_batches("train")?))?;
        }
        _ => metrics::report("seen_steps", step as f64)?,
    }
    Ok(Action::Continue)
}
