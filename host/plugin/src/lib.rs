//! Plugins as traits of [`brewer`]: WebAssembly components in a sandbox.
//!
//! A [`Plugin`] is a component that was checked against the contract (`wit/`), compiled and linked. A role of it, such
//! as [`PluginAdaptor`], implements the engine's trait: a call hands the component handles to the batch and to the
//! model's outputs, and takes the features that it returns. Each role is an instance of its own.
//!
//! ```no_run,standalone_crate
//! use brewer_plugin_host::{Engine, Plugin, PluginAdaptor, PluginOptions};
//!
//! let engine = Engine::new()?;
//! let plugin = Plugin::load(&engine, "adaptor.wasm", PluginOptions::default())?;
//! let adaptor = PluginAdaptor::new(&plugin)?;
//! # Ok::<(), brewer_plugin_host::Error>(())
//! ```
//!
//! # The sandbox
//!
//! A component reaches the host through the contract's functions alone. It never holds a tensor, only numbers that the
//! host resolves in a table of the running call; what it asks for is counted before it is done
//! ([`Limits`]); its time is bounded by the engine's clock; and after a trap its instance is thrown away.

#![warn(missing_docs)]

mod batch;
pub mod bench;
mod bindings;
mod cache;
mod checkpoint;
mod compile;
mod config;
mod contract;
mod dataset;
mod engine;
mod error;
mod features;
mod guest;
mod handles;
mod host;
mod limits;
mod log;
mod loss_inputs;
mod memory;
mod metrics;
mod model;
mod outputs;
mod permissions;
mod plugin;
mod random;
mod roles;
mod saved_state;
mod schema;
mod source;
mod state;
mod structure;
mod tensor_ops;
mod text;
mod trial;
mod values;
mod wasi;

pub use cache::{CachedCode, CodeCache};
pub use compile::{Compiler, serve_compiler};
pub use contract::VERSION as CONTRACT_VERSION;
pub use engine::Engine;
pub use error::{CallError, Cause, Error, LoadProblem, Result};
pub use limits::{LimitError, Limits};
pub use log::{Level, LogSink};
pub use permissions::{Permission, Permissions};
pub use plugin::{Inspected, Plugin, PluginOptions, inspect, inspect_bytes, read_component};
pub use roles::*;
pub use source::{Components, Plugins, experiment_schema};
pub use text::{printable, printable_json, printable_lines};
