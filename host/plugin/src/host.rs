//! The interface `host`: configuration, log, random numbers, abort.

use crate::{
    bindings::host,
    error::Abort,
    limits::Bytes,
    log::Level,
    state::State,
    text::{clean, cut},
};

impl State {
    /// Writes a message of the guest's. What exceeds the limit is left out rather than refused: a talkative plugin is no
    /// reason to lose a run.
    pub(crate) fn write_log(&mut self, level: Level, message: &str) {
        let left = self.limits.log_bytes.saturating_sub(self.call.usage.log_bytes);
        self.call.usage.log_bytes = self.call.usage.log_bytes.saturating_add(message.len() as u64);
        if left == 0 {
            return;
        }
        let settings = &self.settings;
        settings.log.write(&settings.name, level, &cut(message, left.min(usize::MAX as u64) as usize));
        if message.len() as u64 > left {
            let limit = Bytes(self.limits.log_bytes);
            let note = format!("the rest of this call's messages is left out (limits.log_bytes: {limit})");
            settings.log.write(&settings.name, Level::Warn, &note);
        }
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

    fn random_u64(&mut self) -> wasmtime::Result<u64> {
        self.operation()?;
        Ok(self.call.random.next())
    }

    fn random_uniform(&mut self) -> wasmtime::Result<f64> {
        self.operation()?;
        Ok(self.call.random.uniform())
    }
}
