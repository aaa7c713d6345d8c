//! What a plugin may use. Each limit is a key of the experiment (`plugins.adaptor.limits`); no plugin can change one.

use std::{fmt, time::Duration};

use brewer::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The time that one call may take, in seconds, with that of its gradient by estimate (30).
    pub call_seconds: f64,
    /// How often one call may ask the host for something (100,000).
    pub operations: u64,
    /// How much the host may compute for the plugin in one step, by estimate: for its calls, for their gradients and with
    /// what it returns. It is counted in multiply-adds of `float32`, and what takes longer counts for more (10^12).
    pub work: u64,
    /// The handles that are alive at once; a tensor in a list or in features counts as one (10,000).
    pub handles: u64,
    /// The size of all tensors that the host makes for the plugin in one step, in bytes: in its calls, temporary ones
    /// included, and by estimate for their gradients and with what it returns. A view is free, its gradient is not
    /// (4 GiB).
    pub tensor_bytes: u64,
    /// The number of elements of one tensor that a call makes, views included (2^28).
    pub tensor_elements: u64,
    /// What one call reads out of tensors and writes into new ones, in bytes (16 MiB).
    pub value_bytes: u64,
    /// What the plugin may save of its memory in a checkpoint, for each of its roles, in bytes (16 MiB).
    pub state_bytes: u64,
    /// What one call may log, in bytes, 10 for each line beside its text; the rest is left out (64 KiB).
    pub log_bytes: u64,
    /// What the plugin may log in a whole run, in bytes; the rest is left out (16 MiB).
    pub run_log_bytes: u64,
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
            state_bytes: 16 * MIB,
            log_bytes: 64 * KIB,
            run_log_bytes: 16 * MIB,
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

    /// The same of something that the plugin returned: `did` says what.
    pub(crate) fn of_result(self, did: &str) -> Self {
        Self { did: format!("{did}, and with them {}", self.did), ..self }
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

/// What something takes, by estimate.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// In multiply-adds of `float32`, where it is asked for.
    pub(crate) work: u64,
    /// Of tensors, where it is asked for.
    pub(crate) bytes: u64,
    /// In multiply-adds, when the gradient of the loss is computed.
    pub(crate) gradient_work: u64,
    /// Of tensors, when the gradient of the loss is computed.
    pub(crate) gradient_bytes: u64,
}

impl Cost {
    fn total_work(&self) -> u64 {
        self.work.saturating_add(self.gradient_work)
    }

    pub(crate) fn total_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.gradient_bytes)
    }

    pub(crate) fn plus(&self, other: &Cost) -> Cost {
        Cost {
            work: self.work.saturating_add(other.work),
            bytes: self.bytes.saturating_add(other.bytes),
            gradient_work: self.gradient_work.saturating_add(other.gradient_work),
            gradient_bytes: self.gradient_bytes.saturating_add(other.gradient_bytes),
        }
    }

    /// What is left of it without another, nothing at least.
    pub(crate) fn minus(&self, other: &Cost) -> Cost {
        Cost {
            work: self.work.saturating_sub(other.work),
            bytes: self.bytes.saturating_sub(other.bytes),
            gradient_work: self.gradient_work.saturating_sub(other.gradient_work),
            gradient_bytes: self.gradient_bytes.saturating_sub(other.gradient_bytes),
        }
    }

    /// The same `times` over.
    pub(crate) fn times(&self, times: u64) -> Cost {
        Cost {
            work: self.work.saturating_mul(times),
            bytes: self.bytes.saturating_mul(times),
            gradient_work: self.gradient_work.saturating_mul(times),
            gradient_bytes: self.gradient_bytes.saturating_mul(times),
        }
    }
}

/// How many cores of a device are thought to work at once: more than a few wait for memory.
pub(crate) fn cores(device: Device) -> u64 {
    const MOST: i32 = 4;
    match device {
        Device::Cpu => tch::get_num_threads().clamp(1, MOST) as u64,
        _ => 1,
    }
}

/// How many multiply-adds of `float32` a device is thought to do in a second: fewer than a core of a modest machine does.
/// Some operations run on one core alone, and count for more.
fn work_per_second(device: Device) -> f64 {
    const OF_A_CORE: f64 = 1e10;
    const OF_A_GPU: f64 = 1e12;
    match device {
        Device::Cpu => OF_A_CORE * cores(device) as f64,
        _ => OF_A_GPU,
    }
}

/// By how much one operation may be late: an estimate below it is not worth a refusal.
const GRACE_SECONDS: f64 = 1.0;

/// What is too little to be worth a look at the clock: about a millisecond.
const BRIEF: u64 = 10_000_000;

/// What a call has used so far.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) operations: u64,
    pub(crate) value_bytes: u64,
    pub(crate) log_bytes: u64,
    /// Of this call.
    pub(crate) call: Cost,
    /// Of all calls that share what is allowed in a step, this one included.
    pub(crate) step: Cost,
    /// Whether the call asked for an output that was not computed: the engine computes it and calls again.
    pub(crate) is_repeated: bool,
}

impl Usage {
    /// The usage of a call before which calls at the same step have used `step`.
    pub(crate) fn at_step(step: Cost) -> Self {
        Self { step, ..Self::default() }
    }

    /// Counts what was used before the call for the call.
    pub(crate) fn add(&mut self, other: &Usage) {
        self.operations = self.operations.saturating_add(other.operations);
        self.value_bytes = self.value_bytes.saturating_add(other.value_bytes);
        self.log_bytes = self.log_bytes.saturating_add(other.log_bytes);
        self.call = self.call.plus(&other.call);
        self.step = self.step.plus(&other.step);
    }

    /// Counts one request to the host.
    pub(crate) fn operation(&mut self, limits: &Limits) -> Result<(), LimitError> {
        if self.operations >= limits.operations {
            let did = "asked the host for more than it may in one call";
            return Err(LimitError::new("operations", format_args!("{} operations", limits.operations), did));
        }
        self.operations += 1;
        Ok(())
    }

    /// Counts what is about to be done in the call, or refuses it. `elapsed` is asked how long the call has taken so far.
    pub(crate) fn spend(
        &mut self,
        limits: &Limits,
        cost: &Cost,
        device: Device,
        elapsed: impl FnOnce() -> Duration,
    ) -> Result<(), LimitError> {
        let gradient_work = self.call.gradient_work.saturating_add(cost.gradient_work);
        let with = if gradient_work == 0 { "" } else { " with its gradient" };
        // Memory first: it is what a machine has too little of.
        let before = *self;
        self.count(limits, cost)?;
        check_time(limits, cost.work.saturating_add(gradient_work), with, device, elapsed)
            .inspect_err(|_| *self = before)
    }

    /// Counts what is done because of the call, when the call is over.
    pub(crate) fn count(&mut self, limits: &Limits, cost: &Cost) -> Result<(), LimitError> {
        let (call, step) = (self.call.plus(cost), self.step.plus(cost));
        if step.total_bytes() > limits.tensor_bytes {
            let gradients = match step.gradient_bytes {
                0 => String::new(),
                bytes => format!(", {} of them for gradients", Bytes(bytes)),
            };
            let did = format!("asked for {} of tensors in one step{gradients}", Bytes(step.total_bytes()));
            return Err(LimitError::new("tensor_bytes", Bytes(limits.tensor_bytes), did));
        }
        if step.total_work() > limits.work {
            let gradients = match step.gradient_work {
                0 => String::new(),
                work => format!(", {work} of them for gradients"),
            };
            let did = format!("asked for computations of {} multiply-adds in one step{gradients}", step.total_work());
            return Err(LimitError::new("work", format_args!("{} multiply-adds", limits.work), did));
        }
        (self.call, self.step) = (call, step);
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

/// Refuses what would make the call too late. `with` says what more there is in `work`.
pub(crate) fn check_time(
    limits: &Limits,
    work: u64,
    with: &str,
    device: Device,
    elapsed: impl FnOnce() -> Duration,
) -> Result<(), LimitError> {
    if work <= BRIEF {
        return Ok(());
    }
    let (seconds, passed) = (work as f64 / work_per_second(device), elapsed().as_secs_f64());
    if passed + seconds <= limits.call_seconds + GRACE_SECONDS {
        return Ok(());
    }
    let did = format!("asked for what takes about {seconds:.1} s{with}, {passed:.1} s after the call began");
    Err(LimitError::new("call_seconds", format_args!("{} s", limits.call_seconds), did))
}

/// Refuses a tensor of too many elements.
pub(crate) fn check_elements(limits: &Limits, elements: u64) -> Result<(), LimitError> {
    if elements <= limits.tensor_elements {
        return Ok(());
    }
    let did = format!("asked for a tensor of {elements} elements");
    Err(LimitError::new("tensor_elements", format_args!("{} elements", limits.tensor_elements), did))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(usage: &mut Usage, cost: Cost, seconds: u64) -> Option<&'static str> {
        let limits = Limits { call_seconds: 2.0, work: work_of(10), tensor_bytes: 1000, ..Limits::default() };
        usage.spend(&limits, &cost, Device::Cpu, || Duration::from_secs(seconds)).err().map(|error| error.key)
    }

    /// What this machine is thought to do in so many seconds.
    fn work_of(seconds: u64) -> u64 {
        seconds * work_per_second(Device::Cpu) as u64
    }

    #[test]
    fn a_step_is_all_its_calls_and_their_gradients() {
        let some = Cost { bytes: 200, gradient_bytes: 300, ..Cost::default() };
        let mut first = Usage::default();
        assert_eq!(spend(&mut first, some, 0), None);
        let mut second = Usage::at_step(first.step);
        assert_eq!(spend(&mut second, some, 0), None);
        assert_eq!(spend(&mut second, some, 0), Some("tensor_bytes"));
        // What was refused is not counted.
        assert_eq!((second.call, second.step), (some, some.times(2)));
    }

    #[test]
    fn what_an_instance_took_to_start_counts_in_its_first_call() {
        let half = Cost { bytes: 600, ..Cost::default() };
        let started = Usage { operations: 3, log_bytes: 5, call: half, step: half, ..Usage::default() };
        let mut usage = Usage::at_step(Cost { bytes: 100, ..Cost::default() });
        usage.add(&started);
        assert_eq!((usage.operations, usage.log_bytes, usage.call.bytes, usage.step.bytes), (3, 5, 600, 700));
        assert_eq!(spend(&mut usage, half, 0), Some("tensor_bytes"));
    }

    #[test]
    fn an_operation_that_would_be_late_is_refused_before_it_begins() {
        let seconds = |seconds: u64| Cost { work: work_of(seconds), ..Cost::default() };
        let mut usage = Usage::default();
        assert_eq!(spend(&mut usage, seconds(4), 0), Some("call_seconds"));
        assert_eq!(spend(&mut usage, seconds(3), 0), None);
        assert_eq!(spend(&mut usage, seconds(2), 1), None);
        assert_eq!(spend(&mut usage, seconds(2), 2), Some("call_seconds"));
        assert_eq!(spend(&mut usage, seconds(9), 0), Some("work"));
    }

    #[test]
    fn a_gradient_takes_of_the_calls_time_before_it_is_computed() {
        let gradient = Cost { gradient_work: work_of(1), ..Cost::default() };
        let mut usage = Usage::default();
        assert_eq!([0; 4].map(|_| spend(&mut usage, gradient, 0)), [None, None, None, Some("call_seconds")]);
    }
}
