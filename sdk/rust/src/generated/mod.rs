// Generated from wit/ by `cargo xtask sdk`; do not edit.
//! What follows from the contract: the operations of tensors, and functions that make tensors.

mod creation;
pub mod losses;
mod operations;
