//! The command line as its user meets it: what it prints, what it writes, and how it ends.

#[path = "../debian_registry.rs"]
mod debian_registry;
#[path = "../support.rs"]
mod support;

mod authoring;
mod cache;
mod commands;
mod data;
mod experiment;
mod languages;
mod matches;
mod misbehaving;
mod models;
mod plugins;
mod registries;
mod results;
mod resuming;
mod roles;
mod rows;
mod running;
mod teachers;
mod wasi;
mod workspace;
