//! Seeded random numbers for plugins.

use brewer::{Side, StepContext, random::split_mix};

use crate::roles::PluginRole;

/// SplitMix64: small, fast, and its sequences from different seeds are independent enough for dropout masks and noise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Random {
    seed: u64,
    /// How many numbers were drawn.
    drawn: u64,
}

impl Random {
    /// The sequence of the only call of a role for one model at a step. It depends on nothing that another call did, so that a
    /// resumed run, or a call that is repeated, draws the same numbers.
    pub(crate) fn for_step(seed: u64, plugin_role: PluginRole, context: &StepContext) -> Self {
        let model = match context.side {
            None | Some(Side::Student) => 0,
            Some(Side::Teacher(index)) => index as u64 + 1,
        };
        let task = context.task.iter().flat_map(|task| task.bytes()).map(u64::from);
        Self::new(seed, [plugin_role as u64, model, context.step].into_iter().chain(task))
    }

    /// The sequence of the call of that number, among those that a role gets at a step.
    pub(crate) fn for_number(seed: u64, plugin_role: PluginRole, step: u64, number: u64) -> Self {
        Self::new(seed, [plugin_role as u64, step, number])
    }

    /// The sequence while a plugin starts.
    pub(crate) fn for_start(seed: u64) -> Self {
        Self::new(seed, [])
    }

    fn new(seed: u64, words: impl IntoIterator<Item = u64>) -> Self {
        let seed = words.into_iter().fold(seed, |seed, word| split_mix(seed, 0) ^ word);
        Self { seed, drawn: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.drawn += 1;
        split_mix(self.seed, self.drawn - 1)
    }

    /// In 0..1, with the 53 bits that a double holds.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: u64, side: Side, step: u64) -> u64 {
        let context = StepContext { step, side: Some(side), ..StepContext::default() };
        Random::for_step(seed, PluginRole::Adaptor, &context).next()
    }

    #[test]
    fn a_call_that_is_repeated_draws_the_same_numbers_and_another_call_others() {
        let drawn = draw(1, Side::Student, 5);
        assert_eq!(drawn, draw(1, Side::Student, 5));
        for other in [draw(2, Side::Student, 5), draw(1, Side::Teacher(0), 5), draw(1, Side::Student, 6)] {
            assert_ne!(drawn, other);
        }
        let numbered = |role, number| Random::for_number(1, role, 3, number).next();
        assert_eq!(numbered(PluginRole::KdLoss, 5), numbered(PluginRole::KdLoss, 5));
        assert_ne!(numbered(PluginRole::KdLoss, 5), numbered(PluginRole::KdLoss, 6));
        assert_ne!(numbered(PluginRole::KdLoss, 5), numbered(PluginRole::MatchLoss, 5));
    }

    #[test]
    fn uniform_numbers_fill_the_unit_interval() {
        let mut random = Random { seed: 7, drawn: 0 };
        let drawn: Vec<f64> = (0..10_000).map(|_| random.uniform()).collect();
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }
}
