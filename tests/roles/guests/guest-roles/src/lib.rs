//! Every role in one component. Each does what the configuration says, `{ "do": "trap" }`, or else its plain duty.

mod batches;
mod checkpoints;
mod numbers;

use brewer_sdk::prelude::*;

brewer_sdk::export_adaptor!(adapt);
brewer_sdk::export_batch_postprocessor!(batches::process);
brewer_sdk::export_callback!(checkpoints::on_checkpoint);
brewer_sdk::export_kd_loss!(numbers::kd_loss);
brewer_sdk::export_match_loss!(numbers::match_loss, numbers::num_layers);
brewer_sdk::export_temperature_scheduler!(numbers::temperature);
brewer_sdk::export_weight_scheduler!(numbers::weight);

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Config {
    #[serde(rename = "do")]
    deed: String,
}

/// What to do; what every role can do badly is done here.
fn deed() -> Result<String> {
    let Config { deed } = config()?;
    match deed.as_str() {
        "return-error" => Err("I will not".into()),
        "panic" => panic!("no more"),
        "loop" => loop {
            std::hint::black_box(());
        },
        _ => Ok(deed),
    }
}

fn adapt(context: &Context, batch: &Batch, outputs: &Outputs) -> Result<Features> {
    if deed()? == "trap-at-steps" && matches!(context.step, 2 | 4) {
        panic!("step {}", context.step);
    }
    let mut logits = outputs.tensor("logits")?;
    if deed()? == "root-of-zero" {
        logits = &logits + (&logits * 0.0).sqrt()?;
    }
    Ok(Features {
        logits: vec![logits],
        hidden: outputs.list("hidden_states")?,
        labels: batch.get("labels")?.into_iter().collect(),
        losses: outputs.get("loss")?.into_iter().collect(),
        inputs_mask: batch.get("attention_mask")?,
        ..Features::default()
    })
}
