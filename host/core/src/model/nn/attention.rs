use tch::{Device, Kind, Tensor};

use super::{Dropout, Linear};
use crate::Result;
use crate::model::Mode;
use crate::model::builder::Scope;
use crate::model::demand::Wanted;

/// Multi-head self-attention up to, and without, the projection of its output.
#[derive(Debug)]
pub(in crate::model) struct SelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    num_heads: i64,
    dropout: Dropout,
}

impl SelfAttention {
    /// `scope` holds `query`, `key` and `value`; `size` is a multiple of `num_heads`.
    pub fn new(mut scope: Scope, size: i64, num_heads: i64, dropout: Dropout) -> Result<Self> {
        Ok(Self {
            query: Linear::new(scope.at("query"), size, size)?,
            key: Linear::new(scope.at("key"), size, size)?,
            value: Linear::new(scope.at("value"), size, size)?,
            num_heads,
            dropout,
        })
    }

    /// From `hidden` `[batch, length, size]` the context, of the same shape, and the probabilities
    /// `[batch, heads, length, length]` after dropout; each only if it is wanted. `bias`, broadcastable to the
    /// probabilities' shape, is added to the scores.
    ///
    /// What `query`, `key` and `value` return, `[batch, length, size]`, is shown to `keep_projection` under these names.
    ///
    /// Where the probabilities are not wanted, the fused kernel runs, which never holds them in memory.
    pub fn forward(
        &self,
        hidden: &Tensor,
        bias: Option<&Tensor>,
        wanted: Wanted,
        mode: Mode,
        keep_projection: impl Fn(&str, &Tensor),
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (batch, length, size) = hidden.size3()?;
        let heads = |name: &str, projection: &Linear| -> Result<Tensor> {
            let projected = projection.forward(hidden)?;
            keep_projection(name, &projected);
            Ok(projected.f_view([batch, length, self.num_heads, size / self.num_heads])?.f_transpose(1, 2)?)
        };
        let merge = |context: Tensor| context.f_transpose(1, 2)?.f_reshape([batch, length, size]);
        let (query, key) = (heads("query", &self.query)?, heads("key", &self.key)?);
        let dropout = self.dropout.probability(mode);
        // The CPU's fused kernel has no dropout; what would run in its place is slower than what follows here.
        if !wanted.map && (dropout == 0.0 || hidden.device() != Device::Cpu) {
            let value = heads("value", &self.value)?;
            let context =
                Tensor::f_scaled_dot_product_attention(&query, &key, &value, bias, dropout, false, None::<f64>, false)?;
            return Ok((Some(merge(context)?), None));
        }
        let probabilities = self.probabilities(&query, &key, bias, mode)?;
        let context =
            if wanted.hidden { Some(merge(probabilities.f_matmul(&heads("value", &self.value)?)?)?) } else { None };
        Ok((context, wanted.map.then_some(probabilities)))
    }

    fn probabilities(&self, query: &Tensor, key: &Tensor, bias: Option<&Tensor>, mode: Mode) -> Result<Tensor> {
        let head_size = *query.size().last().unwrap_or(&1);
        // Scaling the query instead of the scores touches `head_size` numbers a row instead of `length`.
        let scaled = query.f_mul_scalar(1.0 / (head_size as f64).sqrt())?;
        let mut scores = scaled.f_matmul(&key.f_transpose(-2, -1)?)?;
        if let Some(bias) = bias {
            scores = scores.f_add_(bias)?;
        }
        self.dropout.forward(scores.f_softmax(-1, None::<Kind>)?, mode)
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
