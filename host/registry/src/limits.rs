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
/// The plugins of a bundle, in number.
pub const BUNDLE_PLUGINS: usize = 63;
/// All blobs of a bundle together, and a tar of one.
pub const BUNDLE: u64 = 1 << 30;
/// A file of a bundle: its README, an experiment, a lock, a record of numbers.
pub const BUNDLE_FILE: u64 = 64 << 20;
/// The entries of a tar.
pub const TAR_ENTRIES: usize = 1024;
/// A lock.
pub const LOCK: u64 = 1 << 20;
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
