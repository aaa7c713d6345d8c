//! What changes in the course of a run, by schedulers: the temperature of a batch and the weights of losses.

pub mod temperature;
pub mod weight;
