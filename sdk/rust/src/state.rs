use crate::Result;

/// Lets the plugin's memory survive a run that is resumed: `fn() -> Result<Vec<u8>>` saves it at each checkpoint, and
/// `fn(&[u8]) -> Result<()>` makes it again what it was. It stands beside the macro of the plugin's role.
///
/// ```
/// use std::cell::Cell;
///
/// use brewer_sdk::prelude::*;
///
/// thread_local! {
///     /// How often the weight was asked for.
///     static CALLS: Cell<u32> = const { Cell::new(0) };
/// }
///
/// fn weight(_progress: f64) -> Result<f64> {
///     CALLS.set(CALLS.get() + 1);
///     Ok(1.0 / f64::from(CALLS.get()))
/// }
///
/// fn save() -> Result<Vec<u8>> {
///     Ok(CALLS.get().to_le_bytes().to_vec())
/// }
///
/// fn restore(bytes: &[u8]) -> Result<()> {
///     let bytes = bytes.try_into().map_err(|_| Error::from(format!("a state of {} bytes; expected 4", bytes.len())))?;
///     CALLS.set(u32::from_le_bytes(bytes));
///     Ok(())
/// }
///
/// brewer_sdk::export_weight_scheduler!(weight);
/// brewer_sdk::export_state!(save, restore);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_state {
    ($save:path, $restore:path) => {
        const _: () = {
            use $crate::bindings::state::exports::brewer::plugin::state::Guest;

            struct Component;

            impl Guest for Component {
                fn save() -> ::std::result::Result<::std::vec::Vec<u8>, ::std::string::String> {
                    $crate::run_save($save)
                }

                fn restore(bytes: ::std::vec::Vec<u8>) -> ::std::result::Result<(), ::std::string::String> {
                    $crate::run_restore($restore, &bytes)
                }
            }

    $crate::bindings::state::export_state_component!(Component with_types_in $crate::bindings::state);
        };
    };
}

/// Saves what a plugin remembers. [`export_state!`](crate::export_state) calls it.
#[doc(hidden)]
pub fn run_save(save: fn() -> Result<Vec<u8>>) -> std::result::Result<Vec<u8>, String> {
    crate::roles::run(save)
}

/// Restores what a plugin remembers. [`export_state!`](crate::export_state) calls it.
#[doc(hidden)]
pub fn run_restore(restore: fn(&[u8]) -> Result<()>, bytes: &[u8]) -> std::result::Result<(), String> {
    crate::roles::run(|| restore(bytes))
}
