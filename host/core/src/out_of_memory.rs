use std::fmt;

use tch::{TchError, Tensor};

use crate::{Batch, Error, libtorch};

/// Memory that ran out while a batch was computed, in place of what libtorch says of it.
#[derive(Debug, thiserror::Error)]
#[error("{during}: memory ran out{wanted} with a batch of {batch}; lower {keys}, or run a smaller model")]
pub struct OutOfMemory {
    /// `step 3`.
    during: String,
    wanted: Wanted,
    /// `32 examples of 512 tokens`.
    batch: String,
    /// The keys of the experiment that decide how much memory a batch takes.
    keys: &'static str,
}

/// What a training step's memory grows with.
pub(crate) const TRAINING_KEYS: &str = "data.batch_size (and raise training.gradient_accumulation_steps, which averages over \
                                        as many examples in less memory) or data.max_length";

/// What the memory for filling a cache grows with.
pub(crate) const CACHE_KEYS: &str = "data.batch_size or data.max_length";

/// What an evaluation's memory grows with.
pub(crate) const EVALUATION_KEYS: &str = "data.eval_batch_size or data.max_length";

/// The bytes that the allocation which failed asked for, where libtorch says it.
#[derive(Debug)]
struct Wanted(Option<u64>);

impl OutOfMemory {
    /// What `error` says of the memory for `batch`, or else what `otherwise` makes of it.
    pub(crate) fn or_else(
        error: Error,
        during: String,
        batch: String,
        keys: &'static str,
        otherwise: impl FnOnce(Error) -> Error,
    ) -> Error {
        match &error {
            Error::Tensor(cause) if is_out_of_memory(cause) => {
                let wanted = Wanted(bytes_asked_for(cause));
                Error::OutOfMemory(Box::new(Self { during, wanted, batch, keys }))
            }
            _ => otherwise(error),
        }
    }
}

/// `32 examples of 512 tokens`.
pub(crate) fn described(batch: &Batch) -> String {
    let examples = batch.len();
    match batch.get("input_ids").map(Tensor::size).as_deref() {
        Some([_, tokens]) => format!("{examples} examples of {tokens} tokens"),
        _ => format!("{examples} examples"),
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: f64 = (1 << 20) as f64;
        match self.0 {
            Some(bytes) => write!(formatter, " ({:.1} MiB more were asked for)", bytes as f64 / MIB),
            None => Ok(()),
        }
    }
}

fn is_out_of_memory(error: &TchError) -> bool {
    let text = libtorch::message(error);
    ["can't allocate memory", "not enough memory", "out of memory", "bad_alloc"].iter().any(|sign| text.contains(sign))
}

fn bytes_asked_for(error: &TchError) -> Option<u64> {
    let text = libtorch::message(error);
    let (_, rest) = text.split_once("tried to allocate ")?;
    rest.split_once(" bytes")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn memory_that_ran_out_is_told_with_the_batch() {
        let batch: Batch = [("input_ids", Tensor::zeros([2, 3], (Kind::Int64, Device::Cpu)))].into_iter().collect();
        let told = |error: TchError| {
            OutOfMemory::or_else(error.into(), "step 7".into(), described(&batch), EVALUATION_KEYS, |error| error)
                .to_string()
        };
        let text = told(Tensor::f_zeros([1 << 50], (Kind::Float, Device::Cpu)).unwrap_err());
        assert!(text.starts_with("step 7: memory ran out (4294967296.0 MiB more were asked for) with"), "{text}");
        assert!(text.contains("a batch of 2 examples of 3 tokens; lower data.eval_batch_size"), "{text}");
        let text = told(Tensor::f_zeros([-1], (Kind::Float, Device::Cpu)).unwrap_err());
        assert!(text.starts_with("libtorch: "), "{text}");
    }
}
