//! Examples from a file to batches.

mod batches;
mod config;
mod errors;
mod loader;
mod support;
mod texts;
