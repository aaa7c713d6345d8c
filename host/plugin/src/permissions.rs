//! What an experiment lets a plugin do beyond computing with handles.

use std::{collections::BTreeSet, fmt};

use brewer_plugin_kit::manifest::Manifest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    bindings::tensor::ErrorCode,
    error::{OpError, OpResult, Undisclosed},
    state::State,
    text::clean_name,
};

/// One permission, as it stands in `permissions` of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// To learn what tensors hold: elements as numbers, or what follows from them, such as how many a mask selects.
    ReadValues,
    /// To read the experiment's data, batch by batch, at checkpoints.
    Dataset,
    /// To learn the names and shapes of the student's parameters, and what their elements are like, at checkpoints.
    Parameters,
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Permission::ReadValues => "read-values",
            Permission::Dataset => "dataset",
            Permission::Parameters => "parameters",
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

impl State {
    /// Counts a request that needs a permission, and refuses it without.
    pub(crate) fn permit(&mut self, permission: Permission) -> OpResult<()> {
        self.operation()?;
        match self.lack(permission) {
            None => Ok(()),
            Some(message) => Err(OpError::new(ErrorCode::NotPermitted, message)),
        }
    }

    /// An error that follows from what tensors hold. A guest that may not read them does not get it: its call ends.
    pub(crate) fn disclosed(&self, error: OpError) -> OpError {
        match error {
            OpError::Refused(error) if self.lack(Permission::ReadValues).is_some() => {
                OpError::Trap(Undisclosed(error.message).into())
            }
            error => error,
        }
    }

    /// Why the guest lacks a permission; `None` if it has it.
    fn lack(&self, permission: Permission) -> Option<String> {
        let is_asked = self.settings.asked.as_ref().is_none_or(|asked| asked.contains(&permission));
        let is_granted = self.settings.granted.contains(&permission);
        match (is_asked, is_granted) {
            (true, true) => None,
            (true, false) => Some(format!(
                "the plugin lacks the permission `{permission}`: the experiment can add it to `permissions`"
            )),
            (false, _) => {
                Some(format!("the plugin lacks the permission `{permission}`: its manifest does not ask for it"))
            }
        }
    }
}
