use serde_json::{Value, json};

/// A key of TextBrewer's configurations that does nothing here.
struct Inert {
    section: &'static str,
    key: &'static str,
    /// The values that mean what Brewer does anyway.
    harmless: fn(&Value) -> bool,
    instead: &'static str,
}

const INERT: &[Inert] = &[
    Inert {
        section: "training",
        key: "log_dir",
        harmless: Value::is_null,
        instead: "every scalar is in the run folder's metrics.jsonl; remove the key",
    },
    Inert {
        section: "training",
        key: "fp16",
        harmless: |value| *value == json!(false),
        instead: "models are trained in float32; remove the key",
    },
    Inert { section: "training", key: "fp16_opt_level", harmless: |_| true, instead: "" },
    Inert {
        section: "training",
        key: "data_parallel",
        harmless: |value| *value == json!(false),
        instead: "a run uses one device; remove the key",
    },
    Inert {
        section: "training",
        key: "local_rank",
        harmless: |value| *value == json!(-1),
        instead: "a run uses one device; remove the key",
    },
];

/// Takes out the keys of a pasted TextBrewer configuration that have no effect here at the values they have. A value
/// that would have had one is an error: the key, and what holds instead.
pub(super) fn remove_inert_keys(experiment: &mut Value) -> Result<(), (String, String)> {
    for Inert { section, key, harmless, instead } in INERT {
        let Some(section_object) = experiment.get_mut(*section).and_then(Value::as_object_mut) else { continue };
        let Some(value) = section_object.shift_remove(*key) else { continue };
        if !harmless(&value) {
            return Err((format!("{section}.{key}"), format!("{value} is not supported: {instead}")));
        }
    }
    Ok(())
}
