//! The table.

use std::fmt;

use anyhow::{Result, ensure};

use super::run::Run;

/// Steps before the clock is looked at: memory is allocated, kernels are chosen.
pub const WARM_UP: usize = 4;

/// Examples in a batch.
const BATCH: f64 = 32.0;

/// A case, both sides.
pub struct Comparison {
    name: &'static str,
    /// Examples a second, peak MiB.
    textbrewer: [f64; 2],
    brewer: [f64; 2],
    /// Brewer's speed over TextBrewer's, pair by pair.
    ratio: f64,
    /// The first and last losses of both, and the largest difference of any step relative to the loss.
    losses: [(f64, f64); 2],
    difference: f64,
}

impl Comparison {
    pub fn head() -> String {
        format!(
            "{:<26}{:>23}{:>19}{:>8}{:>21}{:>27}{:>13}",
            "",
            "TextBrewer, examples/s",
            "Brewer, examples/s",
            "ratio",
            "peak MiB, both",
            "first and last loss",
            "largest gap"
        )
    }

    /// TextBrewer's run stands first in a pair.
    pub fn of(name: &'static str, pairs: &[(Run, Run)]) -> Result<Self> {
        let mut ratios = vec![];
        let mut difference = 0.0_f64;
        for (theirs, ours) in pairs {
            ensure!(
                theirs.steps.len() == ours.steps.len() && ours.steps.len() > WARM_UP,
                "{name}: unlike numbers of steps"
            );
            ratios.push(rate(ours) / rate(theirs));
            for (theirs, ours) in theirs.steps.iter().zip(&ours.steps) {
                let gap = (theirs.total_loss - ours.total_loss).abs() / theirs.total_loss.abs().max(1e-6);
                difference = difference.max(gap);
            }
        }
        let side = |pick: fn(&(Run, Run)) -> &Run| {
            let runs = || pairs.iter().map(pick);
            [median(runs().map(rate).collect()), median(runs().map(|run| run.peak_kib / 1024.0).collect())]
        };
        let loss = |pick: fn(&[super::run::Step]) -> Option<&super::run::Step>| {
            let of = |run: &Run| pick(&run.steps).map_or(f64::NAN, |step| step.total_loss);
            (of(&pairs[0].0), of(&pairs[0].1))
        };
        Ok(Self {
            name,
            textbrewer: side(|pair| &pair.0),
            brewer: side(|pair| &pair.1),
            ratio: median(ratios),
            losses: [loss(<[_]>::first), loss(<[_]>::last)],
            difference,
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [theirs, their_peak] = self.textbrewer;
        let [ours, our_peak] = self.brewer;
        let peaks = format!("{their_peak:.0} / {our_peak:.0}");
        let losses = self.losses.map(|(theirs, ours)| format!("{theirs:.4} / {ours:.4}")).join("  ");
        write!(
            formatter,
            "{:<26}{theirs:>23.0}{ours:>19.0}{:>8.2}{peaks:>21}   {losses:>24}{:>13.1e}",
            self.name, self.ratio, self.difference
        )
    }
}

/// Examples a second after the warm-up.
fn rate(run: &Run) -> f64 {
    let steps = &run.steps[WARM_UP..];
    let seconds = steps[steps.len() - 1].seconds - run.steps[WARM_UP - 1].seconds;
    steps.len() as f64 * BATCH / seconds
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
