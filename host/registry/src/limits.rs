//! How much of anything is taken from a registry, in bytes unless said otherwise.

/// A manifest or an index.
pub const MANIFEST: u64 = 4 << 20;
/// The answer of a token service.
pub const TOKEN: u64 = 64 << 10;
/// What is read of an answer that says an error.
pub const ERROR_TEXT: u64 = 16 << 10;
/// The configuration of an artefact.
pub const CONFIG: u64 = 1 << 20;
/// A component.
pub const COMPONENT: u64 = 256 << 20;
/// All annotations of a manifest together.
pub const ANNOTATIONS: usize = 64 << 10;
/// The headers of an answer.
pub const HEADERS: usize = 64 << 10;
/// What a credential helper may print, and the files of credentials.
pub const CREDENTIALS: u64 = 1 << 20;
/// One signature.
pub const SIGNATURE: u64 = 1 << 20;
/// All signatures of a plugin together.
pub const SIGNATURES: u64 = 4 << 20;
/// Signatures and whatever else refers to a plugin, in number.
pub const REFERRERS: usize = 32;
/// A trust policy, a key.
pub const POLICY: u64 = 1 << 20;
/// Redirects that a request follows.
pub const REDIRECTS: usize = 5;
/// One piece of an upload; some registries take no larger one.
pub const PIECE: usize = 4 << 20;
