//! The command line as its user meets it: what it prints, what it writes, and how it ends.

#[path = "../support.rs"]
mod support;

mod authoring;
mod cache;
mod commands;
mod data;
mod evaluating;
mod experiment;
mod interrupting;
mod languages;
mod matches;
mod misbehaving;
mod models;
mod plugins;
mod results;
mod resuming;
mod roles;
mod rows;
mod running;
mod teachers;
mod threads;
mod wasi;
mod workspace;
