//! What a plugin may use. Each limit is a key of the experiment (`plugins.adaptor.limits`); no plugin can change one.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The limits of one plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The size of the plugin's file, in bytes (64 MiB).
    pub file_bytes: u64,
    /// The time of all processors together in which the plugin is compiled, in seconds (120). Compiled code is kept.
    pub compile_seconds: f64,
    /// The memory in which the plugin is compiled, in bytes (2 GiB).
    pub compile_bytes: u64,
    /// The plugin's own memory, in bytes (256 MiB).
    pub memory_bytes: u64,
    /// The time that one call may take, in seconds (30).
    pub call_seconds: f64,
    /// How often one call may ask the host for something (100,000).
    pub operations: u64,
    /// How much the host may compute for one call: the elements that are written or read, multiply-adds for a matrix
    /// product (10^12).
    pub work: u64,
    /// The handles that are alive at once; a tensor in a list or in features counts as one (10,000).
    pub handles: u64,
    /// The size of all tensors that one call makes, in bytes; views are free (4 GiB).
    pub tensor_bytes: u64,
    /// The number of elements of one tensor that a call makes, views included (2^28).
    pub tensor_elements: u64,
    /// What one call reads out of tensors and writes into new ones, in bytes (16 MiB).
    pub value_bytes: u64,
    /// What one call may log, in bytes; the rest is left out (64 KiB).
    pub log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 64 * MIB,
            compile_seconds: 120.0,
            compile_bytes: 2 * GIB,
            memory_bytes: 256 * MIB,
            call_seconds: 30.0,
            operations: 100_000,
            work: 1_000_000_000_000,
            handles: 10_000,
            tensor_bytes: 4 * GIB,
            tensor_elements: 1 << 28,
            value_bytes: 16 * MIB,
            log_bytes: 64 * KIB,
        }
    }
}

impl Limits {
    /// The longest call that can be asked for: a day.
    const MAX_CALL_SECONDS: f64 = 86_400.0;

    /// What is wrong with these limits, if anything: `call_seconds` must be a time that a clock can measure.
    pub fn problem(&self) -> Option<String> {
        let sensible = self.call_seconds > 0.0 && self.call_seconds <= Self::MAX_CALL_SECONDS;
        (!sensible).then(|| {
            format!(
                "the limit `call_seconds` is {}; expected more than 0 and at most {}",
                self.call_seconds,
                Self::MAX_CALL_SECONDS
            )
        })
    }
}

/// A limit that was reached.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("it {did} (limit: {limit}); raise `limits.{key}` in the experiment if that is intended")]
pub struct LimitError {
    /// The key in [`Limits`].
    pub key: &'static str,
    /// Its value with a unit.
    pub limit: String,
    /// What would have passed it, after "the plugin": `asked for …`.
    pub did: String,
}

impl LimitError {
    pub(crate) fn new(key: &'static str, limit: impl fmt::Display, did: impl Into<String>) -> Self {
        Self { key, limit: limit.to_string(), did: did.into() }
    }
}

/// A size as a person reads it.
pub(crate) struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= GIB => write!(formatter, "{:.1} GiB", bytes as f64 / GIB as f64),
            bytes if bytes >= MIB => write!(formatter, "{:.1} MiB", bytes as f64 / MIB as f64),
            bytes if bytes >= KIB => write!(formatter, "{:.1} KiB", bytes as f64 / KIB as f64),
            bytes => write!(formatter, "{bytes} bytes"),
        }
    }
}

/// What a call has used so far, or the new tensor it is about to make.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) operations: u64,
    work: u64,
    pub(crate) tensor_bytes: u64,
    pub(crate) value_bytes: u64,
    pub(crate) log_bytes: u64,
}

impl Usage {
    /// Counts one request to the host.
    pub(crate) fn operation(&mut self, limits: &Limits) -> Result<(), LimitError> {
        if self.operations >= limits.operations {
            let did = "asked the host for more than it may in one call";
            return Err(LimitError::new("operations", format_args!("{} operations", limits.operations), did));
        }
        self.operations += 1;
        Ok(())
    }

    /// Counts work before it is done.
    pub(crate) fn work(&mut self, limits: &Limits, amount: u64) -> Result<(), LimitError> {
        let total = self.work.saturating_add(amount);
        if total > limits.work {
            let did = format!("asked for computations of {total} steps in one call");
            return Err(LimitError::new("work", format_args!("{} steps", limits.work), did));
        }
        self.work = total;
        Ok(())
    }

    /// Counts memory for a tensor before it is made.
    pub(crate) fn tensor(&mut self, limits: &Limits, bytes: u64) -> Result<(), LimitError> {
        let total = self.tensor_bytes.saturating_add(bytes);
        if total > limits.tensor_bytes {
            let did = format!("asked for {} of tensors in one call", Bytes(total));
            return Err(LimitError::new("tensor_bytes", Bytes(limits.tensor_bytes), did));
        }
        self.tensor_bytes = total;
        Ok(())
    }

    /// Counts elements that cross between host and plugin.
    pub(crate) fn values(&mut self, limits: &Limits, bytes: u64) -> Result<(), LimitError> {
        let total = self.value_bytes.saturating_add(bytes);
        if total > limits.value_bytes {
            let did = format!("read and wrote {} of elements in one call", Bytes(total));
            return Err(LimitError::new("value_bytes", Bytes(limits.value_bytes), did));
        }
        self.value_bytes = total;
        Ok(())
    }
}

/// Refuses a tensor of too many elements.
pub(crate) fn check_elements(limits: &Limits, elements: u64) -> Result<(), LimitError> {
    if elements <= limits.tensor_elements {
        return Ok(());
    }
    let did = format!("asked for a tensor of {elements} elements");
    Err(LimitError::new("tensor_elements", format_args!("{} elements", limits.tensor_elements), did))
}

/// Bounds what wasmtime allocates for one instance.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    limit: u64,
    /// The size of all linear memories together.
    used: u64,
}

impl MemoryLimiter {
    /// Enough for every language's runtime (the largest seen has 20 modules and 30,000 table elements), and too few to
    /// fill the host's memory with.
    const INSTANCES: usize = 100;
    const MEMORIES: usize = 20;
    const TABLES: usize = 100;
    const TABLE_ELEMENTS: usize = 500_000;

    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.memory_bytes, used: 0 }
    }
}

impl ResourceLimiter for MemoryLimiter {
    /// An error rather than a refusal: guests answer a refusal with a trap that does not name the cause.
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.used.saturating_add((desired - current) as u64);
        if total > self.limit {
            let did = format!("asked for {} of memory", Bytes(total));
            return Err(LimitError::new("memory_bytes", Bytes(self.limit), did).into());
        }
        self.used = total;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= Self::TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        Self::INSTANCES
    }

    fn memories(&self) -> usize {
        Self::MEMORIES
    }

    fn tables(&self) -> usize {
        Self::TABLES
    }
}
