//! The contract as Rust.

wit_bindgen::generate!({
    path: "../../wit",
    world: "adaptor-plugin",
    pub_export_macro: true,
    export_macro_name: "export_adaptor_component",
    default_bindings_module: "brewer_sdk::bindings",
});
