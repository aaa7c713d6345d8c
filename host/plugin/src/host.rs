//! The interface `host`: configuration, the step, log, random numbers, abort.

use std::sync::atomic::Ordering;

use brewer::StepContext;

use crate::{
    bindings::{host, types},
    error::Abort,
    limits::Bytes,
    log::Level,
    roles::guest_model,
    state::State,
    text::{clean, cut},
};

/// What a line has beside the plugin's name and the message, in bytes. An empty line is a line.
const FRAME: u64 = 10;

impl State {
    /// Writes a message of the guest's. What exceeds a limit is left out rather than refused: a talkative plugin is no
    /// reason to lose a run.
    pub(crate) fn write_log(&mut self, level: Level, message: &str) {
        let used = self.call.usage.log_bytes;
        let length = (message.len() as u64).saturating_add(FRAME);
        self.call.usage.log_bytes = used.saturating_add(length);
        let Some(left) = self.limits.log_bytes.checked_sub(used) else { return };
        if length <= left {
            self.write_line(level, &cut(message, usize::MAX));
            return;
        }
        let room = left.saturating_sub(FRAME);
        if room == 0 || self.write_line(level, &cut(message, usize::try_from(room).unwrap_or(usize::MAX))) {
            let limit = Bytes(self.limits.log_bytes);
            let note = format!("the rest of this call's messages is left out (limits.log_bytes: {limit})");
            self.write_line(Level::Warn, &note);
        }
    }

    /// Whether the call has logged all that it may: what it logs now is left out without a word.
    pub(crate) fn is_log_full(&self) -> bool {
        self.call.usage.log_bytes > self.limits.log_bytes
    }

    /// Writes what the run has room for, and at the end of it one sentence; `false` if that was before.
    fn write_line(&self, level: Level, message: &str) -> bool {
        let (settings, limit) = (&self.settings, self.limits.run_log_bytes);
        let length = message.len() as u64 + settings.name.len() as u64 + FRAME;
        let before = settings.logged.fetch_add(length, Ordering::Relaxed);
        if before.saturating_add(length) <= limit {
            settings.log.write(&settings.name, level, message);
            return true;
        }
        if before <= limit {
            let note = format!(
                "nothing more that this plugin says is logged in this run (limits.run_log_bytes: {})",
                Bytes(limit)
            );
            settings.log.write(&settings.name, Level::Warn, &note);
        }
        false
    }
}

impl host::Host for State {
    fn config(&mut self) -> wasmtime::Result<String> {
        self.operation()?;
        Ok(self.settings.config.clone())
    }

    fn log(&mut self, level: host::Level, message: String) -> wasmtime::Result<()> {
        self.operation()?;
        let level = match level {
            host::Level::Debug => Level::Debug,
            host::Level::Info => Level::Info,
            host::Level::Warn => Level::Warn,
            host::Level::Error => Level::Error,
        };
        self.write_log(level, &message);
        Ok(())
    }

    fn abort(&mut self, message: String) -> wasmtime::Result<()> {
        Err(Abort(clean(&message)).into())
    }

    fn step(&mut self) -> wasmtime::Result<types::StepContext> {
        self.operation()?;
        let StepContext { step, global_step, epoch, progress, ref task, side } = self.call.context;
        let task = task.as_deref().map(str::to_owned);
        Ok(types::StepContext { step, global_step, epoch, progress, task, side: side.map(guest_model) })
    }

    fn random_u64(&mut self) -> wasmtime::Result<u64> {
        self.operation()?;
        Ok(self.call.random.next())
    }

    fn random_uniform(&mut self) -> wasmtime::Result<f64> {
        self.operation()?;
        Ok(self.call.random.uniform())
    }
}
