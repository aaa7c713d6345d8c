//! The command line as its user meets it: what it prints, what it writes, and how it ends.

#[path = "../support.rs"]
mod support;

mod authoring;
mod cache;
mod checkpoints;
mod commands;
mod data;
mod durability;
mod experiment;
mod kills;
mod languages;
mod matches;
mod misbehaving;
mod models;
mod plugins;
mod results;
mod resuming;
mod roles;
mod rows;
mod run_folders;
mod running;
mod teachers;
mod wasi;
mod workspace;
