//! What libtorch refuses: its message without C++ frames, and the panics that `tch` makes of it.
//!
//! An operation of `tch` that takes a `Scalar` frees it before it looks for libtorch's error; the destructor finds the
//! error and panics with it. Other functions of `tch` unwrap. [`guarded`] makes errors of such panics.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

use tch::TchError;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs an operation; a panic that `tch` makes of libtorch's refusal becomes the error that it is. Any other panic
/// goes on.
pub fn guarded<T, E: From<TchError>>(operation: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let before = IS_GUARDED.replace(true);
    // Unwind safety: an error ends the call, the step or the run in which it arises; what the operation was changing is
    // not used after it.
    let result = panic::catch_unwind(AssertUnwindSafe(operation));
    IS_GUARDED.set(before);
    match result {
        Ok(result) => result,
        Err(payload) => match refusal(&*payload) {
            Some(error) => Err(error.into()),
            None => panic::resume_unwind(payload),
        },
    }
}

/// Whether a panic on this thread becomes an error, so that a panic hook has nothing to say about it.
pub fn becomes_an_error(payload: &(dyn Any + Send)) -> bool {
    IS_GUARDED.get() && refusal(payload).is_some()
}

/// libtorch's refusal in the payload of a panic of `tch`: ``called `Result::unwrap()` on an `Err` value: Torch("…")``.
pub fn refusal(payload: &(dyn Any + Send)) -> Option<TchError> {
    let (_, quoted) = payload.downcast_ref::<String>()?.split_once("Torch(\"")?;
    let text = quoted.strip_suffix("\")").unwrap_or(quoted);
    let plain = text.replace("\\n", "\n").replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\");
    Some(TchError::Torch(plain))
}

/// What libtorch said, on one line and without the C++ frames that it adds.
pub fn message(error: &TchError) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("Internal torch error: ").unwrap_or(&text);
    let is_frame = |line: &str| {
        let line = line.trim_start();
        line.starts_with("Exception raised from ") || line.starts_with("frame #") || line.starts_with("C++ Captured")
    };
    let lines = text.lines().take_while(|line| !is_frame(line)).map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn a_refusal_that_tch_panics_with_is_an_error() {
        let bools = Tensor::zeros([2], (Kind::Bool, Device::Cpu));
        let error = guarded(|| bools.f_sub_scalar(1)).unwrap_err();
        assert!(
            message(&error).starts_with("Subtraction, the `-` operator, with a bool tensor"),
            "{}",
            message(&error)
        );
        assert!(!message(&error).contains("frame #0"), "{}", message(&error));
        assert!(guarded(|| bools.f_logical_not()).is_ok());
    }

    #[test]
    fn another_panic_goes_on() {
        let payload = panic::catch_unwind(|| guarded(|| -> Result<(), TchError> { panic!("mine") })).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"mine"));
        assert!(!becomes_an_error(&*payload));
    }

    #[test]
    fn a_message_keeps_its_lines_and_loses_its_frames() {
        let text = "expected one\nof two\nException raised from f at g.cpp:3 (most recent call first):\nframe #0: h";
        assert_eq!(message(&TchError::Torch(text.into())), "expected one of two");
    }
}
