//! The parts that models are made of. Each makes its own parameters under the names that transformers gives them.

mod activation;
mod attention;
mod dropout;
mod embedding;
mod layer_norm;
mod linear;

pub(super) use activation::Activation;
pub(super) use attention::{SelfAttention, padding_bias};
pub(super) use dropout::Dropout;
pub(super) use embedding::Embedding;
pub(super) use layer_norm::LayerNorm;
pub(super) use linear::Linear;
