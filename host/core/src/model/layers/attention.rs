use tch::{Device, Kind, Tensor};

use super::{Dropout, Linear};
use crate::Result;
use crate::model::Pass;
use crate::model::builder::Scope;

/// Multi-head self-attention up to, and without, the projection of its output.
#[derive(Debug)]
pub(in crate::model) struct SelfAttention {
    query: Projection,
    key: Projection,
    value: Projection,
    num_heads: i64,
    dropout: Dropout,
}

/// A linear layer whose output can be asked for.
#[derive(Debug)]
struct Projection {
    name: String,
    linear: Linear,
}

impl SelfAttention {
    /// `scope` holds the projections to query, key and value, under these names; `size` is a multiple of `num_heads`.
    pub fn new(mut scope: Scope, names: [&str; 3], size: i64, num_heads: i64, dropout: Dropout) -> Result<Self> {
        let mut projection = |name| -> Result<Projection> {
            let mut scope = scope.at(name);
            Ok(Projection { name: scope.module(), linear: Linear::new(scope, size, size)? })
        };
        let [query, key, value] = names;
        Ok(Self { query: projection(query)?, key: projection(key)?, value: projection(value)?, num_heads, dropout })
    }

    /// From `hidden` `[batch, length, size]` the context, of the same shape; `None` if nothing is needed of the layer but
    /// its attention probabilities. `bias`, broadcastable to the probabilities' shape `[batch, heads, length, length]`, is
    /// added to the scores. The pass is given the probabilities after dropout.
    ///
    /// Where the probabilities are not wanted, the fused kernel runs, which never holds them in memory.
    pub fn forward(&self, hidden: &Tensor, bias: Option<&Tensor>, pass: &mut Pass) -> Result<Option<Tensor>> {
        let (batch, length, size) = hidden.size3()?;
        let merge = |context: Tensor| context.f_transpose(1, 2)?.f_reshape([batch, length, size]);
        let query = self.heads(&self.query, hidden, pass)?;
        let key = self.heads(&self.key, hidden, pass)?;
        let dropout = self.dropout.probability(pass);
        // The CPU's fused kernel has no dropout; what would run in its place is slower than what follows here.
        if !pass.wants_attention() && (dropout == 0.0 || hidden.device() != Device::Cpu) {
            let value = self.heads(&self.value, hidden, pass)?;
            let context =
                Tensor::f_scaled_dot_product_attention(&query, &key, &value, bias, dropout, false, None::<f64>, false)?;
            return Ok(Some(merge(context)?));
        }
        let probabilities = self.probabilities(&query, &key, bias, pass)?;
        pass.attention(&probabilities);
        if !pass.needs_layer_output() {
            return Ok(None);
        }
        let value = self.heads(&self.value, hidden, pass)?;
        Ok(Some(merge(probabilities.f_matmul(&value)?)?))
    }

    /// What a projection returns, by head: `[batch, heads, length, size of a head]`.
    fn heads(&self, projection: &Projection, hidden: &Tensor, pass: &mut Pass) -> Result<Tensor> {
        let (batch, length, size) = hidden.size3()?;
        let projected = projection.linear.forward(hidden)?;
        pass.module(&projection.name, &projected);
        Ok(projected.f_view([batch, length, self.num_heads, size / self.num_heads])?.f_transpose(1, 2)?)
    }

    fn probabilities(&self, query: &Tensor, key: &Tensor, bias: Option<&Tensor>, pass: &Pass) -> Result<Tensor> {
        let head_size = *query.size().last().unwrap_or(&1);
        // Scaling the query instead of the scores touches `head_size` numbers a row instead of `length`.
        let scaled = query.f_mul_scalar(1.0 / (head_size as f64).sqrt())?;
        let mut scores = scaled.f_matmul(&key.f_transpose(-2, -1)?)?;
        if let Some(bias) = bias {
            scores = scores.f_add_(bias)?;
        }
        self.dropout.forward(scores.f_softmax(-1, None::<Kind>)?, pass)
    }
}

/// What to add to attention scores so that no token attends to padding: `[batch, 1, 1, length]` from a mask
/// `[batch, length]`, 0 for tokens and the lowest number for padding. Not −∞: a row of padding alone would become NaN.
/// `kind` is that of the scores; libtorch 2.11 does not convert it, and on some processors the fused kernel misreads
/// another one.
pub(in crate::model) fn padding_bias(mask: &Tensor, kind: Kind) -> Result<Tensor> {
    let (batch, length) = mask.size2()?;
    let padding = mask.f_eq(0)?.f_view([batch, 1, 1, length])?;
    Ok(padding.f_to_kind(kind)?.f_mul_scalar(f64::from(f32::MIN))?)
}
