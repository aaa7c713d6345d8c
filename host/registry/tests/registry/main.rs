//! The registry's client and the store against registries that are slow, broken or hostile, and against a real one.

#[path = "../../../../tests/debian_registry.rs"]
mod debian_registry;

mod authorization;
mod bundling;
mod debian;
mod documents;
mod helpers;
mod killing;
mod peers;
mod pushing;
mod resolving;
mod resolving_bundles;
mod server;
mod signing;
mod spoiled_bundles;
mod storing;
mod transfers;
mod trusting;
mod world;
