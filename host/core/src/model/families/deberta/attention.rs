//! DeBERTa's attention, whose scores depend on how far query and key are apart.

use tch::{Device, Kind, Tensor};

use super::config::DebertaConfig;
use crate::Result;
use crate::model::Pass;
use crate::model::builder::Scope;
use crate::model::layers::{Attention, Dropout, Embedding, LayerNorm, Linear, blocking_bias, split_heads};

/// Where a batch has padding. No token attends to it, and it attends to everything alike.
pub(super) struct Padding {
    /// `[batch, length, 1]`, true at padding.
    pub rows: Tensor,
    /// `[batch, 1, length, length]`, true where the query or the key is padding: no gradient flows through such scores.
    pairs: Tensor,
    /// Added to scores, `[batch, 1, length, length]`: the lowest number where a token would attend to padding.
    bias: Tensor,
}

impl Padding {
    /// From a mask `[batch, length]`, 0 for padding; `kind` is that of the scores.
    pub fn new(mask: &Tensor, kind: Kind) -> Result<Self> {
        let rows = mask.f_eq(0)?.f_unsqueeze(-1)?;
        let columns = rows.f_transpose(1, 2)?;
        let pairs = rows.f_logical_or(&columns)?.f_unsqueeze(1)?;
        let bias = blocking_bias(&columns.f_logical_and(&rows.f_logical_not()?)?.f_unsqueeze(1)?, kind)?;
        Ok(Self { rows, pairs, bias })
    }
}

/// The vectors of relative positions, which all layers share.
pub(super) struct RelativePositions {
    table: Embedding,
    norm: Option<LayerNorm>,
    /// Half of the vectors: those of one direction.
    span: i64,
    position_buckets: i64,
    max_relative_positions: i64,
}

/// The relative positions of a batch.
pub(super) struct Distances {
    /// `[2·span, hidden]`.
    vectors: Tensor,
    /// The vector of the distance from query to key, `[length, length]`.
    query_to_key: Tensor,
    /// That of the distance from key to query, by key and query.
    key_to_query: Tensor,
}

impl RelativePositions {
    /// `None` where attention has no relative positions. The norm is a parameter then, too, as transformers has it.
    pub fn new(scope: &mut Scope, config: &DebertaConfig) -> Result<Option<Self>> {
        let span = config.span();
        let table = config
            .relative_attention
            .then(|| Embedding::new(scope.at("rel_embeddings"), 2 * span, config.hidden_size, None))
            .transpose()?;
        let norm = config
            .norms_relative_positions()
            .then(|| LayerNorm::new(scope.at("LayerNorm"), config.hidden_size, config.layer_norm_eps))
            .transpose()?;
        let (position_buckets, max_relative_positions) = (config.position_buckets, config.max_relative_positions());
        Ok(table.map(|table| Self { table, norm, span, position_buckets, max_relative_positions }))
    }

    pub fn forward(&self, length: i64, device: Device) -> Result<Distances> {
        let distances = buckets(length, self.position_buckets, self.max_relative_positions, device)?;
        let index = |distances: Tensor| distances.f_add_scalar(self.span)?.f_clamp(0, 2 * self.span - 1);
        let vectors = match &self.norm {
            Some(norm) => norm.forward(self.table.all())?,
            None => self.table.all().shallow_clone(),
        };
        Ok(Distances { vectors, key_to_query: index(distances.f_neg()?)?, query_to_key: index(distances)? })
    }
}

/// How far each query is behind each key, `[length, length]`. With buckets, half of them have a distance of their own, and
/// the others distances that grow logarithmically up to `max_position`.
fn buckets(length: i64, buckets: i64, max_position: i64, device: Device) -> Result<Tensor> {
    let at = Tensor::f_arange(length, (Kind::Int64, device))?;
    let distance = at.f_unsqueeze(1)?.f_sub(&at.f_unsqueeze(0)?)?;
    if buckets <= 0 {
        return Ok(distance);
    }
    let middle = buckets / 2;
    let near = distance.f_abs()?;
    // In float32, as transformers computes it: the boundaries of buckets depend on it.
    let growth = near.f_clamp_min(middle)?.f_to_kind(Kind::Float)?.f_div_scalar(middle)?.f_log()?;
    let whole = Tensor::from((max_position - 1) as f64 / middle as f64).f_to_kind(Kind::Float)?.f_log()?;
    let far = growth.f_div(&whole.f_to_device(device)?)?.f_mul_scalar(middle - 1)?.f_ceil()?.f_add_scalar(middle)?;
    let far = far.f_mul(&distance.f_sign()?)?.f_to_kind(Kind::Int64)?;
    Ok(distance.f_where_self(&near.f_le(middle)?, &far)?)
}

/// Self-attention whose scores are sums of terms, up to, and without, the projection of its output. With n terms all are
/// divided by √(n·d), where d is the size of a head.
pub(super) struct DisentangledAttention {
    query: Projection,
    key: Projection,
    value: Projection,
    terms: Terms,
    num_heads: i64,
    scale: f64,
    dropout: Dropout,
    position_dropout: Dropout,
}

/// A linear layer whose output can be asked for.
struct Projection {
    name: String,
    linear: Linear,
}

/// The terms that are about positions.
struct Terms {
    content_to_position: Option<Positions>,
    position_to_content: Option<Positions>,
}

/// What projects positions.
enum Positions {
    /// The projection of contents.
    Shared,
    Own(Linear),
}

impl DisentangledAttention {
    pub fn new(mut scope: Scope, config: &DebertaConfig) -> Result<Self> {
        let size = config.hidden_size;
        let names = config.pos_att_type;
        let mut positions = |is_named: bool, name: &str| -> Result<Option<Positions>> {
            match is_named && config.relative_attention {
                false => Ok(None),
                true if config.share_att_key => Ok(Some(Positions::Shared)),
                true => Ok(Some(Positions::Own(Linear::new(scope.at(name), size, size)?))),
            }
        };
        let content_to_position = positions(names.content_to_position, "pos_key_proj")?;
        let position_to_content = positions(names.position_to_content, "pos_query_proj")?;
        let mut projection = |name| -> Result<Projection> {
            let mut scope = scope.at(name);
            Ok(Projection { name: scope.module(), linear: Linear::new(scope, size, size)? })
        };
        // The terms that are named count, whether they are computed or not.
        let num_terms = 1 + i64::from(names.content_to_position) + i64::from(names.position_to_content);
        let head_size = size / config.num_attention_heads;
        Ok(Self {
            query: projection("query_proj")?,
            key: projection("key_proj")?,
            value: projection("value_proj")?,
            terms: Terms { content_to_position, position_to_content },
            num_heads: config.num_attention_heads,
            scale: 1.0 / ((head_size * num_terms) as f64).sqrt(),
            dropout: Dropout(config.attention_probs_dropout_prob),
            position_dropout: Dropout(config.hidden_dropout_prob),
        })
    }

    /// From `hidden` `[batch, length, hidden]` the context, of the same shape; `None` if nothing is needed of the layer but
    /// its attention probabilities.
    pub fn forward(
        &self,
        hidden: &Tensor,
        distances: Option<&Distances>,
        padding: Option<&Padding>,
        pass: &mut Pass,
    ) -> Result<Option<Tensor>> {
        let mut query = self.heads(&self.query, hidden, pass)?;
        let key = self.heads(&self.key, hidden, pass)?;
        let mut bias = match distances {
            Some(distances) => self.terms(&query, &key, distances, pass)?,
            None => None,
        };
        if let Some(padding) = padding {
            query = query.f_masked_fill(&padding.rows.f_unsqueeze(1)?, 0.0)?;
            bias = Some(match bias {
                Some(bias) => bias.f_masked_fill(&padding.pairs, 0.0)?.f_add(&padding.bias)?,
                None => padding.bias.shallow_clone(),
            });
        }
        let value = |pass: &mut Pass| self.heads(&self.value, hidden, pass);
        let attention = Attention { bias: bias.as_ref(), scale: self.scale, dropout: self.dropout, may_fuse: true };
        attention.forward(&query, &key, value, pass)
    }

    /// The terms of scores that are about positions, `[batch, heads, length, length]`; `None` if there are none.
    fn terms(&self, query: &Tensor, key: &Tensor, distances: &Distances, pass: &Pass) -> Result<Option<Tensor>> {
        let vectors = self.position_dropout.forward(distances.vectors.shallow_clone(), pass)?;
        // The products of `contents` with the vectors of positions that `index` chooses.
        let term = |contents: &Tensor, positions: &Positions, shared: &Projection, index: &Tensor| -> Result<Tensor> {
            let linear = match positions {
                Positions::Shared => &shared.linear,
                Positions::Own(linear) => linear,
            };
            let positions = split_heads(&linear.forward(&vectors)?.f_unsqueeze(0)?, self.num_heads)?;
            let products = contents.f_matmul(&positions.f_mul_scalar(self.scale)?.f_transpose(-2, -1)?)?;
            let (batch, heads, length, _) = contents.size4()?;
            Ok(products.f_gather(-1, &index.f_expand([batch, heads, length, length], false)?, false)?)
        };
        let Terms { content_to_position, position_to_content } = &self.terms;
        let mut sum = match content_to_position {
            Some(positions) => Some(term(query, positions, &self.key, &distances.query_to_key)?),
            None => None,
        };
        if let Some(positions) = position_to_content {
            let term = term(key, positions, &self.query, &distances.key_to_query)?.f_transpose(-2, -1)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&term)?,
                // The fused kernel reads a bias row by row.
                None => term.f_contiguous()?,
            });
        }
        Ok(sum)
    }

    /// What a projection returns, by head: `[batch, heads, length, size of a head]`.
    fn heads(&self, projection: &Projection, hidden: &Tensor, pass: &mut Pass) -> Result<Tensor> {
        let projected = projection.linear.forward(hidden)?;
        pass.module(&projection.name, &projected);
        split_heads(&projected, self.num_heads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With 8 buckets up to 40: distances up to 4 have their own, and from there ⌈ln(d/4) / ln(39/4) · 3⌉ + 4.
    #[test]
    fn near_distances_have_buckets_of_their_own_and_far_ones_share() {
        let found = buckets(41, 8, 40, Device::Cpu).unwrap();
        for (distance, expected) in [(0, 0), (1, 1), (4, 4), (5, 5), (8, 5), (9, 6), (18, 6), (19, 7), (39, 7), (40, 8)]
        {
            assert_eq!(found.int64_value(&[distance, 0]), expected, "{distance} behind");
            assert_eq!(found.int64_value(&[0, distance]), -expected, "{distance} ahead");
        }
        assert_eq!(buckets(5, -1, 40, Device::Cpu).unwrap().int64_value(&[4, 0]), 4);
    }
}
