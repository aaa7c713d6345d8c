//! Plugins in OCI registries: from a reference to bytes that were checked, and back.
//!
//! A [`Reference`] names a plugin in a registry. [`plugin::pull`] brings it into the [`Store`] on this machine, where a
//! blob's name is its digest; [`plugin::push`] sends one. The [`Client`] in between trusts a registry with nothing: it
//! checks the size and the digest of all that comes, bounds the time and the memory that anything takes, and shows
//! credentials to the registry alone.
//!
//! A [`signature`] says who stands behind a plugin, and a [`Policy`] who must. A [`Lock`] says what a reference named when
//! it was used first. A [`Bundle`] is several plugins with experiments and more. The [`Resolver`] puts these together:
//! from the references of an experiment to plugins that may run.
//!
//! Knows neither the engine nor libtorch.

#![warn(missing_docs)]

pub mod bundle;
mod client;
mod credentials;
mod digest;
pub mod document;
mod error;
mod key;
pub mod limits;
pub mod lock;
pub mod plugin;
mod policy;
mod reference;
mod resolver;
pub mod signature;
mod store;

pub use bundle::Bundle;
pub use client::{Client, Manifest, Progress, Repository, Settings, Timing, Transfer};
pub use credentials::{Credential, Credentials, Secret};
pub use digest::Digest;
pub use error::{Error, ErrorKind, Result, printable};
pub use key::{PrivateKey, PublicKey};
pub use lock::Lock;
pub use plugin::rfc3339;
pub use policy::{Policy, read_small};
pub use reference::Reference;
pub use resolver::{Resolved, ResolvedBundle, Resolver};
pub use store::{Ingest, Pruned, Record, Store};
