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
    /// added to the scores.
    pub fn forward(&self, hidden: &Tensor, bias: Option<&Tensor>, pass: &mut Pass) -> Result<Option<Tensor>> {
        let query = self.heads(&self.query, hidden, pass)?;
        let key = self.heads(&self.key, hidden, pass)?;
        let value = |pass: &mut Pass| self.heads(&self.value, hidden, pass);
        Attention { bias, scale: scale(&query), dropout: self.dropout, may_fuse: true }
            .forward(&query, &key, value, pass)
    }

    /// What a projection returns, by head: `[batch, heads, length, size of a head]`.
    fn heads(&self, projection: &Projection, hidden: &Tensor, pass: &mut Pass) -> Result<Tensor> {
        let projected = projection.linear.forward(hidden)?;
        pass.module(&projection.name, &projected);
        split_heads(&projected, self.num_heads)
    }
}

/// `[batch, heads, length, size of a head]` of `[batch, length, size]`.
pub(in crate::model) fn split_heads(projected: &Tensor, num_heads: i64) -> Result<Tensor> {
    let (batch, length, size) = projected.size3()?;
    Ok(projected.f_view([batch, length, num_heads, size / num_heads])?.f_transpose(1, 2)?)
}

/// What scores are multiplied with: 1/√d, where d is the size of a head, the last dimension of `query`.
pub(in crate::model) fn scale(query: &Tensor) -> f64 {
    let head_size = *query.size().last().unwrap_or(&1);
    1.0 / (head_size as f64).sqrt()
}

/// How heads attend to each other.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Attention<'a> {
    /// Added to the scores; broadcastable to the probabilities' shape `[batch, heads, length, length]`.
    pub bias: Option<&'a Tensor>,
    /// What scores are multiplied with before that.
    pub scale: f64,
    pub dropout: Dropout,
    /// Whether the fused kernel may run. Its gradient is wrong for a query that may attend to nothing: the logarithm that it
    /// keeps of a row of lowest numbers has no room for how many they are.
    pub may_fuse: bool,
}

impl Attention<'_> {
    /// The context `[batch, length, size]` of `query`, `key` and `value`, each `[batch, heads, length, size of a head]`;
    /// `None` if nothing is needed of the layer but its attention probabilities, and then `value` is not called. The pass
    /// is given the probabilities after dropout.
    ///
    /// Where the probabilities are not wanted, the fused kernel runs, which never holds them in memory.
    pub fn forward(
        self,
        query: &Tensor,
        key: &Tensor,
        value: impl FnOnce(&mut Pass) -> Result<Tensor>,
        pass: &mut Pass,
    ) -> Result<Option<Tensor>> {
        let Self { bias, scale, dropout, may_fuse } = self;
        let (batch, heads, length, head_size) = query.size4()?;
        let merge = |context: Tensor| context.f_transpose(1, 2)?.f_reshape([batch, length, heads * head_size]);
        let probability = dropout.probability(pass);
        // The CPU's fused kernel has no dropout; what would run in its place is slower than what follows here.
        if may_fuse && !pass.wants_attention() && (probability == 0.0 || query.device() != Device::Cpu) {
            let value = value(pass)?;
            let context =
                Tensor::f_scaled_dot_product_attention(query, key, &value, bias, probability, false, scale, false)?;
            return Ok(Some(merge(context)?));
        }
        // Scaling the query instead of the scores touches a row of the size of a head instead of one of the length.
        let mut scores = query.f_mul_scalar(scale)?.f_matmul(&key.f_transpose(-2, -1)?)?;
        if let Some(bias) = bias {
            scores = scores.f_add_(bias)?;
        }
        let probabilities = dropout.forward(scores.f_softmax(-1, None::<Kind>)?, pass)?;
        pass.attention(&probabilities);
        if !pass.needs_layer_output() {
            return Ok(None);
        }
        Ok(Some(merge(probabilities.f_matmul(&value(pass)?)?)?))
    }
}

/// What to add to attention scores so that no token attends to padding: `[batch, 1, 1, length]` from a mask
/// `[batch, length]`. `kind` is that of the scores.
pub(in crate::model) fn padding_bias(mask: &Tensor, kind: Kind) -> Result<Tensor> {
    let (batch, length) = mask.size2()?;
    blocking_bias(&mask.f_eq(0)?.f_view([batch, 1, 1, length])?, kind)
}

/// What to add to attention scores where `blocked`, a tensor of booleans, is true: 0 elsewhere, and the lowest number there.
/// `kind` is that of the scores; libtorch 2.11 does not convert it, and on some processors the fused kernel misreads
/// another one.
pub(in crate::model) fn blocking_bias(blocked: &Tensor, kind: Kind) -> Result<Tensor> {
    Ok(blocked.f_to_kind(kind)?.f_mul_scalar(lowest(kind))?)
}

/// The lowest number of a kind, of float64 that of float32. Not −∞: a row of nothing but that would become NaN.
fn lowest(kind: Kind) -> f64 {
    match kind {
        Kind::Half => -65504.0,
        Kind::BFloat16 => f64::from(f32::from_bits(0xff7f_0000)),
        _ => f64::from(f32::MIN),
    }
}
