//! libtorch's refusals, also those that `tch` turns into panics.
//!
//! An operation of `tch` that takes a `Scalar` frees it before it looks for libtorch's error; the destructor finds the
//! error and panics with it. Such a panic is an error of the guest's and ends here.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use tch::{TchError, Tensor};

use crate::{
    bindings::tensor::ErrorCode,
    error::{OpError, OpResult},
};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs an operation; a panic becomes the error that caused it.
pub(super) fn guarded(op: impl FnOnce() -> Result<Tensor, TchError>) -> OpResult<Tensor> {
    keep_guarded_panics_quiet();
    GUARDED.set(true);
    // Unwind safety: what `op` owns is dropped by the panic, and what it borrows are tensors, which no operation changes.
    let result = panic::catch_unwind(AssertUnwindSafe(op));
    GUARDED.set(false);
    match result {
        Ok(result) => Ok(result?),
        Err(panic) => Err(OpError::new(ErrorCode::Failed, format!("libtorch: {}", message(&*panic)))),
    }
}

/// A panic that ends in an error for the guest is no message for the user: the hook before is asked for all others.
fn keep_guarded_panics_quiet() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                usual(panic);
            }
        }));
    });
}

/// libtorch's sentence in `called Result::unwrap() on an Err value: Torch("…\n<stack trace>")`.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).unwrap_or("the operation failed");
    let text = text.split_once("Torch(\"").map_or(text, |(_, text)| text);
    text.split("\\n").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Scalar};

    use super::*;

    #[test]
    fn a_refusal_that_tch_panics_with_is_an_error() {
        let bools = Tensor::zeros([2], (Kind::Bool, Device::Cpu));
        let error = guarded(|| bools.f_sub_scalar(Scalar::int(1))).unwrap_err();
        let OpError::Refused(error) = error else { panic!("{error:?}") };
        assert!(error.message.starts_with("libtorch: Subtraction"), "{}", error.message);
        assert!(!error.message.contains("frame #0"), "{}", error.message);
        assert!(guarded(|| bools.f_logical_not()).is_ok());
    }
}
