use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Which task each forward step is for.
#[derive(Debug, Clone)]
pub enum TaskOrder {
    /// Drawn anew for each step, with a chance for each task.
    Drawn {
        /// The chance of each task; together 1.
        chances: Vec<f64>,
        /// What the next draw is made from.
        random: Box<ChaCha8Rng>,
    },
    /// Step by step; after the last it begins again.
    Given {
        /// The tasks in their order, by index.
        tasks: Vec<usize>,
        /// The position in `tasks` of the next step.
        next: usize,
    },
}

impl TaskOrder {
    /// The only task at every step.
    pub fn single() -> Self {
        Self::given(vec![0])
    }

    /// These tasks, a step each.
    pub fn given(tasks: Vec<usize>) -> Self {
        TaskOrder::Given { tasks, next: 0 }
    }

    /// Tasks drawn in proportion to `size`^`tau`, a size being a number of batches: 1 samples them as if all data were
    /// one set, 0 gives each the same share. The draws depend on the seed alone.
    pub fn drawn(sizes: &[usize], tau: f64, seed: u64) -> Self {
        let powers: Vec<f64> = sizes.iter().map(|size| (*size as f64).powf(tau)).collect();
        let sum: f64 = powers.iter().sum();
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        // Another stream than those of the examples' order.
        key[16..21].copy_from_slice(b"tasks");
        TaskOrder::Drawn {
            chances: powers.iter().map(|power| power / sum).collect(),
            random: Box::new(ChaCha8Rng::from_seed(key)),
        }
    }

    /// The task of the next step.
    pub fn next_task(&mut self) -> usize {
        match self {
            TaskOrder::Drawn { chances, random } => {
                let mut point = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                let found = chances.iter().position(|chance| {
                    point -= chance;
                    point < 0.0
                });
                // Rounding may leave a rest above the last chance.
                found.unwrap_or(chances.len() - 1)
            }
            TaskOrder::Given { tasks, next } => {
                let task = tasks[*next];
                *next = (*next + 1) % tasks.len();
                task
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(sizes: &[usize], tau: f64) -> Vec<f64> {
        const DRAWS: usize = 20_000;
        let mut order = TaskOrder::drawn(sizes, tau, 5);
        let mut counts = vec![0; sizes.len()];
        (0..DRAWS).for_each(|_| counts[order.next_task()] += 1);
        counts.iter().map(|count| *count as f64 / DRAWS as f64).collect()
    }

    #[test]
    fn tasks_are_drawn_in_proportion_to_a_power_of_their_size() {
        for (tau, expected) in [(0.0, 0.5), (0.5, 0.75), (1.0, 0.9), (2.0, 81.0 / 82.0)] {
            let share = shares(&[90, 10], tau)[0];
            assert!((share - expected).abs() < 0.01, "tau {tau}: {share}");
        }
    }

    #[test]
    fn a_given_order_begins_again() {
        let mut order = TaskOrder::given(vec![1, 0, 1]);
        assert_eq!([(); 5].map(|()| order.next_task()), [1, 0, 1, 1, 0]);
    }
}
