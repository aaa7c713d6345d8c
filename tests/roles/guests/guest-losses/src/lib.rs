//! The built-in losses and schedulers once more, by handles alone: `{ "loss": "hidden_mse" }`. Each formula is the one
//! of the built-in of that name. With `"rows": true` a KD loss returns one number for each row, and not their mean.

mod kd;
mod layers;
mod schedulers;

brewer_sdk::export_kd_loss!(kd::loss);
brewer_sdk::export_match_loss!(layers::loss, layers::num_layers);
brewer_sdk::export_temperature_scheduler!(schedulers::temperature);
brewer_sdk::export_weight_scheduler!(schedulers::weight);

/// What the plugin is asked to be.
#[derive(serde::Deserialize)]
pub(crate) struct Config {
    loss: String,
    #[serde(default)]
    rows: bool,
}
