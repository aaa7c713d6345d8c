//! What an experiment lets a plugin do beyond computing with handles.

use std::{collections::BTreeSet, fmt};

use brewer_plugin_kit::manifest::Manifest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::clean_name;

/// One permission, as it stands in `permissions` of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// To read elements of tensors as numbers.
    ReadValues,
    /// To make tensors of its own numbers.
    WriteValues,
    /// To read the experiment's data, batch by batch, at checkpoints.
    Dataset,
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Permission::ReadValues => "read-values",
            Permission::WriteValues => "write-values",
            Permission::Dataset => "dataset",
        })
    }
}

/// What a manifest asks for: what the plugin needs, and what it can do without.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) needed: Permissions,
    pub(crate) optional: Permissions,
}

impl Asked {
    /// Reads a manifest's `permissions` and `optional_permissions`.
    pub(crate) fn by(manifest: &Manifest) -> Result<Self, String> {
        Ok(Self { needed: parse(&manifest.permissions)?, optional: parse(&manifest.optional_permissions)? })
    }

    pub(crate) fn contains(&self, permission: &Permission) -> bool {
        self.needed.contains(permission) || self.optional.contains(permission)
    }
}

fn parse(names: &[String]) -> Result<Permissions, String> {
    let parse = |name: &String| {
        serde_json::from_value(Value::String(name.clone()))
            .map_err(|_| format!("it asks for the permission `{}`, which this host does not know", clean_name(name)))
    };
    names.iter().map(parse).collect()
}

/// The permissions of one plugin: none unless the experiment names them.
pub type Permissions = BTreeSet<Permission>;
