use tch::Tensor;

use super::taps::Taps;
use crate::{Layers, OutputRequest, Result};

/// What a forward needs of one layer; at least one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its output, `[batch, length, hidden]`.
    pub hidden: bool,
    /// Its attention probabilities, `[batch, heads, length, length]`.
    pub map: bool,
}

/// What a forward needs of a model's layers: those that the request names, and all of them if something is computed
/// from the last one's output.
pub(super) struct Demand<'a> {
    pub request: &'a OutputRequest,
    /// Whether the last layer's output is needed whatever the request says of hidden states.
    pub last: bool,
    pub taps: Taps<'a>,
}

/// What a model's layers returned.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    /// One more than there are layers; position 0 is the embeddings' output.
    pub hidden_states: Layers,
    /// One a layer.
    pub attentions: Layers,
    /// The last layer's output where it was needed.
    pub last: Option<Tensor>,
}

impl Demand<'_> {
    fn wants_hidden(&self, position: usize) -> bool {
        self.request.wants_layer("hidden_states", position)
    }

    fn wants_map(&self, layer: usize) -> bool {
        self.request.wants_layer("attentions", layer)
    }

    /// What is needed of each layer, up to the last one that anything is needed of.
    fn plan(&self, num_layers: usize) -> Vec<Wanted> {
        let highest_hidden =
            if self.last { num_layers } else { (0..=num_layers).rev().find(|&at| self.wants_hidden(at)).unwrap_or(0) };
        let maps = (0..num_layers).rev().find(|&layer| self.wants_map(layer)).map_or(0, |layer| layer + 1);
        let depth = highest_hidden.max(maps);
        (0..depth)
            .map(|layer| Wanted { hidden: layer < highest_hidden || layer + 1 < depth, map: self.wants_map(layer) })
            .collect()
    }

    /// Runs a model's layers as far as they are needed: `embed` makes the first hidden state, `run` takes a layer's
    /// index and input and returns its output and its attention probabilities, as wanted.
    pub fn run(
        &self,
        num_layers: usize,
        embed: impl FnOnce() -> Result<Tensor>,
        mut run: impl FnMut(usize, &Tensor, Wanted) -> Result<(Option<Tensor>, Option<Tensor>)>,
    ) -> Result<Encoded> {
        let mut encoded = Encoded {
            hidden_states: (0..=num_layers).map(|_| None).collect(),
            attentions: (0..num_layers).map(|_| None).collect(),
            last: None,
        };
        let plan = self.plan(num_layers);
        if plan.is_empty() && !self.last && !self.wants_hidden(0) {
            return Ok(encoded);
        }
        let mut hidden = embed()?;
        for position in 0..=num_layers {
            if self.wants_hidden(position) {
                encoded.hidden_states[position] = Some(hidden.shallow_clone());
            }
            let Some(&wanted) = plan.get(position) else { break };
            let (output, map) = run(position, &hidden, wanted)?;
            encoded.attentions[position] = map;
            // Only of the topmost layer is the output not wanted.
            let Some(output) = output else { return Ok(encoded) };
            hidden = output;
        }
        if self.last {
            encoded.last = Some(hidden);
        }
        Ok(encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(hidden: &[usize], maps: &[usize], last: bool) -> Vec<(bool, bool)> {
        let mut request = OutputRequest::nothing();
        hidden.iter().for_each(|&layer| request.add_layer("hidden_states", layer));
        maps.iter().for_each(|&layer| request.add_layer("attentions", layer));
        let demand = Demand { request: &request, last, taps: Taps::new(&request) };
        demand.plan(4).iter().map(|wanted| (wanted.hidden, wanted.map)).collect()
    }

    #[test]
    fn stops_above_what_is_wanted() {
        assert_eq!(plan(&[], &[], false), []);
        assert_eq!(plan(&[0], &[], false), []);
        assert_eq!(plan(&[2], &[], false), [(true, false); 2]);
        assert_eq!(plan(&[1], &[1], false), [(true, false), (false, true)]);
        assert_eq!(plan(&[], &[0, 2], false), [(true, true), (true, false), (false, true)]);
        assert_eq!(plan(&[2], &[1], false), [(true, false), (true, true)]);
        assert_eq!(plan(&[], &[3], true), [(true, false), (true, false), (true, false), (true, true)]);
    }
}
