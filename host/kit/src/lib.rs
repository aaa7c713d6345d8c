//! What authors of plugins and the host share: the manifest inside a component, new projects, and builds with the tools
//! of each language. Knows neither the host's engine nor libtorch.

#![warn(missing_docs)]

pub mod build;
pub mod component;
pub mod manifest;
pub mod process;
pub mod project;
