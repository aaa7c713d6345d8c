//! The command line as its user meets it: what it prints, what it writes, and how it ends.

#[path = "../debian_registry.rs"]
mod debian_registry;
#[path = "../support.rs"]
mod support;

mod authoring;
mod bundled;
mod cache;
mod checkpoints;
mod classes;
mod commands;
mod data;
mod durability;
mod effects;
mod evaluating;
mod experiment;
mod full_disks;
mod guide;
mod heads;
mod interrupting;
mod kills;
mod languages;
mod matches;
mod metrics_lines;
mod misbehaving;
mod missing;
mod models;
mod output;
mod plugin_options;
mod plugins;
mod registries;
mod reproducible;
mod results;
mod resuming;
mod roles;
mod rows;
mod run_folders;
mod running;
mod saving;
mod several_labels;
mod sharing;
mod spans;
mod teachers;
mod threads;
mod wasi;
mod workspace;
