//! The interface `metrics`: the numbers of a checkpoint.

use brewer::train::is_reserved;

use crate::{
    bindings::{metrics, tensor::ErrorCode},
    error::{OpError, OpResult},
    limits::{Bytes, LimitError},
    state::State,
    text::clean_name,
};

/// The longest name of a number, in bytes.
const NAME_BYTES: usize = 128;

impl metrics::Host for State {
    fn names(&mut self) -> OpResult<Vec<String>> {
        Ok(self.checkpoint()?.scalars.keys().cloned().collect())
    }

    fn value(&mut self, name: String) -> OpResult<f64> {
        let scalars = &self.checkpoint()?.scalars;
        scalars.get(&name).copied().ok_or_else(|| {
            let names: Vec<_> = scalars.keys().map(String::as_str).collect();
            let found = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            let message =
                format!("nothing was reported as `{}` at this checkpoint; reported was {found}", clean_name(&name));
            OpError::new(ErrorCode::NotFound, message)
        })
    }

    fn report(&mut self, name: String, value: f64) -> OpResult<()> {
        let checkpoint = self.checkpoint()?;
        let is_fit = |symbol: u8| symbol.is_ascii_alphanumeric() || b"_-./".contains(&symbol);
        if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(is_fit) {
            let expected = format!("expected at most {NAME_BYTES} letters, digits and `_-./`");
            return Err(OpError::argument(format!("the name `{}` for a number; {expected}", clean_name(&name))));
        }
        if is_reserved(&name) {
            let message = format!("`{name}` is a number of the host's own; take another name");
            return Err(OpError::argument(message));
        }
        if !value.is_finite() {
            return Err(OpError::argument(format!("{value} as `{name}`; expected a finite number")));
        }
        if checkpoint.scalars.contains_key(&name) {
            let message = format!("`{name}` was reported already at this checkpoint; take another name");
            return Err(OpError::argument(message));
        }
        let usage = &mut self.call.usage;
        if usage.log_bytes.saturating_add(name.len() as u64) > self.limits.log_bytes {
            let did = "reported and logged too much in one call";
            return Err(LimitError::new("log_bytes", Bytes(self.limits.log_bytes), did).into());
        }
        usage.log_bytes += name.len() as u64;
        self.checkpoint()?.scalars.insert(name, value);
        Ok(())
    }
}
