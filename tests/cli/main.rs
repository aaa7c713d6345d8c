//! The command line as its user meets it.

#[path = "../support.rs"]
mod support;
