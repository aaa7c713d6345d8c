//! From the source of a plugin to a component, with the tools of its language. Knows neither the host's engine nor
//! libtorch.

pub mod build;
pub mod component;
pub mod process;
