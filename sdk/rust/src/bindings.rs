//! The contract as Rust: what plugins import, and for each role what they export.

wit_bindgen::generate!({
    path: "../../wit",
    world: "imports",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "brewer_sdk::bindings",
});

/// The exports of one world. What it imports is the same as above.
macro_rules! exports {
    ($module:ident, $world:literal, $macro:literal, $path:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit",
                world: $world,
                pub_export_macro: true,
                export_macro_name: $macro,
                default_bindings_module: $path,
                with: {
                    "brewer:plugin/tensor@0.1.0": crate::bindings::brewer::plugin::tensor,
                    "brewer:plugin/losses@0.1.0": crate::bindings::brewer::plugin::losses,
                    "brewer:plugin/values@0.1.0": crate::bindings::brewer::plugin::values,
                    "brewer:plugin/types@0.1.0": crate::bindings::brewer::plugin::types,
                    "brewer:plugin/loss-inputs@0.1.0": crate::bindings::brewer::plugin::loss_inputs,
                    "brewer:plugin/host@0.1.0": crate::bindings::brewer::plugin::host,
                    "brewer:plugin/model@0.1.0": crate::bindings::brewer::plugin::model,
                    "brewer:plugin/dataset@0.1.0": crate::bindings::brewer::plugin::dataset,
                    "brewer:plugin/metrics@0.1.0": crate::bindings::brewer::plugin::metrics,
                },
            });
        }
    };
}

exports!(adaptor, "adaptor-plugin", "export_adaptor_component", "brewer_sdk::bindings::adaptor");
exports!(
    batch_postprocessor,
    "batch-postprocessor-plugin",
    "export_batch_postprocessor_component",
    "brewer_sdk::bindings::batch_postprocessor"
);
exports!(callback, "callback-plugin", "export_callback_component", "brewer_sdk::bindings::callback");
exports!(kd_loss, "kd-loss-plugin", "export_kd_loss_component", "brewer_sdk::bindings::kd_loss");
exports!(match_loss, "match-loss-plugin", "export_match_loss_component", "brewer_sdk::bindings::match_loss");
exports!(
    temperature_scheduler,
    "temperature-scheduler-plugin",
    "export_temperature_scheduler_component",
    "brewer_sdk::bindings::temperature_scheduler"
);
exports!(
    weight_scheduler,
    "weight-scheduler-plugin",
    "export_weight_scheduler_component",
    "brewer_sdk::bindings::weight_scheduler"
);
exports!(state, "stateful", "export_state_component", "brewer_sdk::bindings::state");
