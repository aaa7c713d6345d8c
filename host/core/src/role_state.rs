//! What a role remembers from call to call.

use crate::Result;

/// The memory of a role that goes into checkpoints, so that a resumed run equals an unbroken one. A role whose calls
/// depend on their arguments and on the step alone has none.
pub trait RoleState {
    /// How messages name whose memory it is: `plugin mean.wasm`.
    fn owner(&self) -> &str;

    /// The SHA-256 of the owner's file, in hexadecimal. What another file saved is not restored.
    fn sha256(&self) -> &str;

    /// The memory as bytes of the owner's own format.
    ///
    /// # Errors
    /// The owner's, and if it saves more than it may.
    fn save(&mut self) -> Result<Vec<u8>>;

    /// Makes the memory what it was when these bytes were saved.
    ///
    /// # Errors
    /// The owner's.
    fn restore(&mut self, bytes: &[u8]) -> Result<()>;
}
