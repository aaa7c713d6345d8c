use tch::Tensor;

use super::{Activation, Linear, Residual};
use crate::Result;
use crate::model::Pass;
use crate::model::builder::Scope;

/// The sizes and options of [`AfterAttention`].
pub(in crate::model) struct AfterAttentionSpec {
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub activation: Activation,
    pub layer_norm_eps: f64,
    pub dropout: f64,
}

/// A layer of BERT from the context of its attention on: a dense layer, and two with an activation between them, each time
/// with the residual, normalized after the sum.
pub(in crate::model) struct AfterAttention {
    /// The modules of the context, of what is made of it, and of both together.
    attention_names: [String; 3],
    attention_output: Residual,
    intermediate: Linear,
    intermediate_name: String,
    activation: Activation,
    output: Residual,
    output_name: String,
    name: String,
}

impl AfterAttention {
    /// That of the layer whose parameters stand below `scope`.
    pub fn new(mut scope: Scope, spec: &AfterAttentionSpec) -> Result<Self> {
        let AfterAttentionSpec {
            hidden_size: size, intermediate_size: inner, layer_norm_eps: epsilon, dropout, ..
        } = *spec;
        let mut at = scope.at("attention");
        Ok(Self {
            attention_names: [at.at("self").module(), at.at("output").module(), at.module()],
            attention_output: Residual::new(at.at("output"), size, size, epsilon, dropout)?,
            intermediate: Linear::new(scope.at("intermediate.dense"), size, inner)?,
            intermediate_name: scope.at("intermediate").module(),
            activation: spec.activation,
            output: Residual::new(scope.at("output"), inner, size, epsilon, dropout)?,
            output_name: scope.at("output").module(),
            name: scope.module(),
        })
    }

    /// The layer's output, of the shape of `hidden`, what the layer was given; so is the `context`.
    pub fn forward(&self, context: &Tensor, hidden: &Tensor, pass: &mut Pass) -> Result<Tensor> {
        let [of_context, of_output, of_attention] = &self.attention_names;
        pass.module(of_context, context);
        let attended = self.attention_output.forward(context, hidden, pass)?;
        pass.module(of_output, &attended);
        pass.module(of_attention, &attended);
        let inner = self.activation.forward(&self.intermediate.forward(&attended)?)?;
        pass.module(&self.intermediate_name, &inner);
        let output = self.output.forward(&inner, &attended, pass)?;
        pass.module(&self.output_name, &output);
        pass.module(&self.name, &output);
        Ok(output)
    }
}
