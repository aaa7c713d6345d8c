use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::Dataset;

/// In which order an epoch goes through the examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// An order of its own for each epoch, decided by the seed and the epoch's number alone.
    Shuffled {
        /// What the order of each epoch is drawn from.
        seed: u64,
    },
    /// Shuffled, but examples of like length share a batch: within every 50 batches of a shuffled epoch, examples are
    /// sorted by length, cut into batches again, and the batches shuffled (after the `group_by_length` of Hugging Face
    /// transformers).
    Grouped {
        /// What the order of each epoch is drawn from.
        seed: u64,
        /// Examples of a batch.
        batch_size: usize,
    },
    /// The order of the file.
    File,
    /// The longest first, so that examples of like length share a batch: the fewest padded tokens, for evaluation.
    ByLength,
}

impl Order {
    pub(super) fn examples(self, dataset: &Dataset, epoch: u64) -> Vec<usize> {
        let mut examples: Vec<usize> = (0..dataset.len()).collect();
        match self {
            Order::Shuffled { seed } => shuffle(&mut examples, &mut generator(seed, epoch)),
            Order::Grouped { seed, batch_size } => {
                examples = grouped(examples, dataset, batch_size, &mut generator(seed, epoch));
            }
            Order::File => {}
            Order::ByLength => examples.sort_by_key(|&example| std::cmp::Reverse(dataset.length(example))),
        }
        examples
    }
}

/// Fisher–Yates with ChaCha8. Written out, because a resumed run must find the order that it began with, whatever
/// version of which crate it was built with: ChaCha8 is fixed by its definition, samplers of crates change.
fn shuffle<T>(items: &mut [T], random: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        // The high half of the product is uniform in 0..=last, but for a bias below 2⁻³² at any size that fits memory.
        let chosen = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        items.swap(last, chosen as usize);
    }
}

/// The generator of an epoch's order.
fn generator(seed: u64, epoch: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&epoch.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// How many batches are sorted by length together.
const GROUPED_BATCHES: usize = 50;

fn grouped(mut examples: Vec<usize>, dataset: &Dataset, batch_size: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    shuffle(&mut examples, random);
    for group in examples.chunks_mut(batch_size.saturating_mul(GROUPED_BATCHES)) {
        group.sort_by_key(|&example| std::cmp::Reverse(dataset.length(example)));
    }
    let (whole, rest) = examples.as_slice().split_at(examples.len() / batch_size * batch_size);
    let mut batches: Vec<&[usize]> = whole.chunks(batch_size).collect();
    shuffle(&mut batches, random);
    // The smaller batch stays the last one.
    batches.into_iter().flatten().chain(rest).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Orders belong to what a checkpoint means: if this fails, runs can no longer be resumed across versions.
    #[test]
    fn shuffled_orders_never_change() {
        let order = |seed, epoch| {
            let mut examples: Vec<usize> = (0..12).collect();
            shuffle(&mut examples, &mut generator(seed, epoch));
            examples
        };
        assert_eq!(order(0, 0), [5, 3, 7, 4, 8, 11, 0, 9, 1, 2, 6, 10]);
        assert_eq!(order(0, 1), [8, 6, 0, 4, 9, 1, 7, 11, 5, 10, 3, 2]);
        assert_eq!(order(7, 0), [4, 1, 7, 10, 11, 6, 8, 3, 2, 0, 5, 9]);
    }
}
