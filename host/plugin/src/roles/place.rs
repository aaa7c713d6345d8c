//! Where an experiment has plugins of a role.

use std::collections::BTreeMap;

use brewer::{
    experiment::{PluginSpec, PluginSpecs},
    loss::DistillationConfig,
};

/// Where an experiment has plugins of a role. The command line fills these places with what `--plugin` names.
pub enum Place {
    /// One key, which a plugin takes.
    One {
        /// In the experiment: `plugins.adaptor`.
        key: &'static str,
        /// That key of the experiment.
        spec: fn(&mut PluginSpecs) -> &mut Option<PluginSpec>,
    },
    /// `plugins.callbacks`, which has room for all.
    Callbacks,
    /// A name in `plugins.losses`, and `plugin:NAME` as the `kd_loss_type`.
    KdLoss,
    /// A name in a list of `plugins`, for each key of `distillation` that says `plugin:NAME`.
    Named(Named),
}

/// A place under a name.
pub struct Named {
    /// The list in `plugins`: `schedulers`.
    pub list: &'static str,
    /// That list of the experiment.
    pub specs: fn(&mut PluginSpecs) -> &mut BTreeMap<String, PluginSpec>,
    /// What `distillation` says where such a plugin could be named.
    pub names: for<'c> fn(&'c DistillationConfig) -> Vec<&'c str>,
    /// A key of `distillation` that names it, with `NAME` for the name.
    pub example: &'static str,
}

pub(super) const MATCH_LOSS: Place = Place::Named(Named {
    list: "losses",
    specs: |plugins| &mut plugins.losses,
    names: |distillation| {
        let matches = distillation.intermediate_matches.iter().map(|spec| spec.loss.name());
        matches.chain(distillation.custom_matches.iter().map(|spec| spec.loss.name())).collect()
    },
    example: r#""intermediate_matches": [{ "layer_T": 0, "layer_S": 0, "feature": "hidden", "loss": NAME, "weight": 1 }]"#,
});

pub(super) const TEMPERATURE_SCHEDULER: Place = Place::Named(Named {
    list: "schedulers",
    specs: |plugins| &mut plugins.schedulers,
    names: |distillation| vec![distillation.temperature_scheduler.name()],
    example: r#""temperature_scheduler": NAME"#,
});

pub(super) const WEIGHT_SCHEDULER: Place = Place::Named(Named {
    list: "schedulers",
    specs: |plugins| &mut plugins.schedulers,
    names: |distillation| {
        vec![distillation.kd_loss_weight_scheduler.as_str(), distillation.hard_label_weight_scheduler.as_str()]
    },
    example: r#""kd_loss_weight_scheduler": NAME"#,
});
