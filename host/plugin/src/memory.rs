//! What an instance may hold for itself: its memory, and its tables.

use wasmtime::ResourceLimiter;

use crate::limits::{Bytes, LimitError, Limits};

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
