//! Plugins in every language: the same adaptor gives the same bits, every operation of the contract is reached, and what
//! goes wrong in a plugin is one readable error.

mod errors;
mod guests;
mod operations;
mod same_bits;
mod surroundings;
