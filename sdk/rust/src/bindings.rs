//! The contract as Rust: what plugins import, and for each role what they export.

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package brewer:sdk;

        world imports {
            import brewer:plugin/tensor@0.1.0;
            import brewer:plugin/losses@0.1.0;
            import brewer:plugin/values@0.1.0;
            import brewer:plugin/types@0.1.0;
            import brewer:plugin/loss-inputs@0.1.0;
            import brewer:plugin/host@0.1.0;
            import brewer:plugin/model@0.1.0;
            import brewer:plugin/dataset@0.1.0;
            import brewer:plugin/metrics@0.1.0;
        }
    ",
    world: "brewer:sdk/imports",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "brewer_sdk::bindings",
});

/// The exports of one role. What it imports is the same as above.
macro_rules! role {
    ($role:ident, $world:literal, $export:literal, $module:literal, { $($interface:literal => $import:ident),* $(,)? }) => {
        pub mod $role {
            wit_bindgen::generate!({
                path: "../../wit",
                world: $world,
                pub_export_macro: true,
                export_macro_name: $export,
                default_bindings_module: $module,
                with: { $($interface: crate::bindings::brewer::plugin::$import),* },
            });
        }
    };
}

role!(adaptor, "adaptor-plugin", "export_adaptor_component", "brewer_sdk::bindings::adaptor", {
    "brewer:plugin/tensor@0.1.0" => tensor,
    "brewer:plugin/losses@0.1.0" => losses,
    "brewer:plugin/values@0.1.0" => values,
    "brewer:plugin/types@0.1.0" => types,
    "brewer:plugin/host@0.1.0" => host,
});

role!(batch_postprocessor, "batch-postprocessor-plugin", "export_batch_postprocessor_component", "brewer_sdk::bindings::batch_postprocessor", {
    "brewer:plugin/tensor@0.1.0" => tensor,
    "brewer:plugin/losses@0.1.0" => losses,
    "brewer:plugin/values@0.1.0" => values,
    "brewer:plugin/types@0.1.0" => types,
    "brewer:plugin/host@0.1.0" => host,
});

role!(callback, "callback-plugin", "export_callback_component", "brewer_sdk::bindings::callback", {
    "brewer:plugin/tensor@0.1.0" => tensor,
    "brewer:plugin/losses@0.1.0" => losses,
    "brewer:plugin/values@0.1.0" => values,
    "brewer:plugin/types@0.1.0" => types,
    "brewer:plugin/host@0.1.0" => host,
    "brewer:plugin/model@0.1.0" => model,
    "brewer:plugin/dataset@0.1.0" => dataset,
    "brewer:plugin/metrics@0.1.0" => metrics,
});

role!(kd_loss, "kd-loss-plugin", "export_kd_loss_component", "brewer_sdk::bindings::kd_loss", {
    "brewer:plugin/tensor@0.1.0" => tensor,
    "brewer:plugin/losses@0.1.0" => losses,
    "brewer:plugin/values@0.1.0" => values,
    "brewer:plugin/types@0.1.0" => types,
    "brewer:plugin/host@0.1.0" => host,
    "brewer:plugin/loss-inputs@0.1.0" => loss_inputs,
});

role!(match_loss, "match-loss-plugin", "export_match_loss_component", "brewer_sdk::bindings::match_loss", {
    "brewer:plugin/tensor@0.1.0" => tensor,
    "brewer:plugin/losses@0.1.0" => losses,
    "brewer:plugin/values@0.1.0" => values,
    "brewer:plugin/types@0.1.0" => types,
    "brewer:plugin/host@0.1.0" => host,
    "brewer:plugin/loss-inputs@0.1.0" => loss_inputs,
});

role!(temperature_scheduler, "temperature-scheduler-plugin", "export_temperature_scheduler_component", "brewer_sdk::bindings::temperature_scheduler", {
    "brewer:plugin/tensor@0.1.0" => tensor,
    "brewer:plugin/losses@0.1.0" => losses,
    "brewer:plugin/values@0.1.0" => values,
    "brewer:plugin/types@0.1.0" => types,
    "brewer:plugin/host@0.1.0" => host,
    "brewer:plugin/loss-inputs@0.1.0" => loss_inputs,
});

role!(weight_scheduler, "weight-scheduler-plugin", "export_weight_scheduler_component", "brewer_sdk::bindings::weight_scheduler", {
    "brewer:plugin/tensor@0.1.0" => tensor,
    "brewer:plugin/losses@0.1.0" => losses,
    "brewer:plugin/values@0.1.0" => values,
    "brewer:plugin/types@0.1.0" => types,
    "brewer:plugin/host@0.1.0" => host,
});
