//! What can go wrong with a plugin: loading it, and calling it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use brewer::{Fault, PluginError, libtorch, os_reason};
use tch::TchError;

use crate::{
    bindings::tensor,
    contract,
    limits::{Bytes, LimitError},
    roles::PluginRole,
    text::{clean, clean_name, printable},
};

/// What fallible functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum Error {
    /// The plugin cannot be used; nothing of it has run.
    #[error("plugin {}: {problem}", shown(path))]
    Load { path: PathBuf, problem: LoadProblem },
    /// What the experiment says about the plugin is wrong.
    #[error("plugin {}: {key}: {problem}", shown(path))]
    Spec { path: PathBuf, key: String, problem: String },
    /// What a test bench is to run cannot be used.
    #[error("{}: {problem}", shown(path))]
    Bench { path: PathBuf, problem: String },
    /// A call failed.
    #[error(transparent)]
    Call(Box<CallError>),
    /// WebAssembly cannot run on this machine at all.
    #[error("WebAssembly cannot be set up: {0}")]
    Engine(String),
}

/// A path in a message.
fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

impl PluginError for Error {
    fn fault(&self) -> Fault {
        match self {
            Error::Load { .. } | Error::Spec { .. } | Error::Bench { .. } => Fault::Input,
            Error::Call(_) | Error::Engine(_) => Fault::Run,
        }
    }
}

impl From<Error> for brewer::Error {
    fn from(error: Error) -> Self {
        brewer::Error::Plugin(Box::new(error))
    }
}

/// Why a file cannot be used as a plugin.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is")]
pub enum LoadProblem {
    #[error("cannot be read: {}", os_reason(.0))]
    Read(#[source] io::Error),
    #[error("is larger than {}; raise `limits.file_bytes` in the experiment if that is intended", Bytes(*limit))]
    TooLarge { limit: u64 },
    #[error("is not WebAssembly; expected a component, as `brewer-host plugin build` makes it")]
    NotWasm,
    #[error(
        "is a core module, not a component; build it with `brewer-host plugin build`, or make a component of it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    #[error("is precompiled machine code, which is never loaded; expected the component that it was compiled from")]
    Precompiled,
    #[error("is damaged or truncated: {}", clean(.0))]
    Damaged(String),
    #[error(
        "is another file than the experiment's: its SHA-256 is {found}, and `sha256` is {expected}; use the file that was \
         meant, or set `sha256` to the new digest if you trust it"
    )]
    OtherFile { expected: String, found: String },
    #[error(
        "uses {} of WebAssembly, which this host does not run; build it without: `brewer-host plugin build` does",
        names.join(", ")
    )]
    Proposals { names: Vec<String> },
    #[error("has {found} {what}; at most {most} are compiled: split what is large, or leave out what is not needed")]
    Structure { found: u64, what: &'static str, most: u64 },
    #[error("cannot be compiled: {}", clean(.0))]
    Compiler(String),
    #[error("cannot be compiled: {0}")]
    Compiling(#[from] LimitError),
    #[error(
        "was built for the contract {}; this host speaks brewer:plugin@{}: rebuild the plugin with a matching SDK, or use \
         another version of Brewer",
        clean_name(built_for),
        contract::VERSION
    )]
    OtherContract { built_for: String },
    #[error(
        "asks for {} in its manifest and the experiment does not grant {}: add `\"permissions\": [{}]` to the plugin in \
         the experiment, or `{}` after `--plugin`",
        listed(missing, ""),
        if missing.len() == 1 { "it" } else { "them" },
        missing.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "),
        missing.iter().map(|name| format!("--grant {name}")).collect::<Vec<_>>().join(" ")
    )]
    NotGranted { missing: Vec<String> },
    #[error("exports no role: it exports {}; roles are {}", listed(exports, "nothing"), contract::role_names())]
    NoRole { exports: Vec<String> },
    #[error(
        "imports what no plugin is given: {}; a plugin may import brewer:plugin and WASI 0.2, which has no \
         files and no network here",
        listed(imports, "")
    )]
    UnknownImports { imports: Vec<String> },
    #[error("does not fit the contract brewer:plugin@{}: {}", contract::VERSION, clean(problem))]
    Signature { problem: String },
    #[error("has a broken manifest: {}; build it with `brewer-host plugin build`", clean(.0))]
    Manifest(String),
    #[error("cannot be given this `config`: {problem}; `brewer-host plugin inspect` shows its schema")]
    Config { problem: String },
    #[error("{0}")]
    Limits(String),
    #[error("has no role `{role}`: it exports {}", listed(exports, "nothing"))]
    OtherRole { role: PluginRole, exports: Vec<String> },
    #[error("cannot be started: {0}")]
    Start(Box<CallError>),
}

/// The first few of `names`, as they stand in a sentence.
fn listed(names: &[String], none: &str) -> String {
    const SHOWN: usize = 3;
    if names.is_empty() {
        return none.to_owned();
    }
    let mut list =
        names.iter().take(SHOWN).map(|name| format!("`{}`", clean_name(name))).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        list.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    list
}

/// A call that failed: which, why, and where the plugin was.
#[derive(Debug)]
pub struct CallError {
    /// The plugin's file name.
    pub plugin: String,
    /// What was called: model, task and step of an adaptor (`student, step 3`), the role otherwise.
    pub call: String,
    /// Why it failed.
    pub cause: Cause,
    /// The plugin's functions, innermost first, when it was stopped in the middle.
    pub backtrace: Vec<String>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is")]
pub enum Cause {
    /// The plugin returned an error: its message.
    #[error("{0}")]
    Returned(String),
    /// The plugin panicked: its message.
    #[error("{0}")]
    Aborted(String),
    #[error("{0}")]
    Limit(LimitError),
    /// It used a handle that the host had released, where no error can be returned.
    #[error("{0}")]
    Released(String),
    /// An operation failed because of what a tensor holds, and the plugin may not know.
    #[error("{0}")]
    Undisclosed(String),
    #[error("it overflowed its stack: endless recursion?")]
    StackOverflow,
    /// Anything else that stops WebAssembly.
    #[error("it was stopped: {0}")]
    Trap(String),
    #[error(
        "it returned no features: all of logits, logits_mask, labels, losses, hidden, attention, inputs_mask are absent"
    )]
    NoFeatures,
    /// It returned something that the role cannot use.
    #[error("it returned {found}; expected {expected}")]
    Result { found: String, expected: String },
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "plugin {} ({}): {}", self.plugin, self.call, self.cause)?;
        if !self.backtrace.is_empty() {
            formatter.write_str("\n  in the plugin, innermost first:")?;
        }
        self.backtrace.iter().try_for_each(|function| write!(formatter, "\n    {function}"))
    }
}

impl std::error::Error for CallError {}

/// The guest called `abort`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Abort(pub String);

/// The guest used a handle of an earlier call.
#[derive(Debug, thiserror::Error)]
#[error(
    "it used the handle of a {0} from an earlier call, which the host released when that call returned; keep numbers between calls, not handles"
)]
pub(crate) struct Released(pub &'static str);

/// An operation failed because of what a tensor holds, and the guest may not read it: told of the failure, it would know.
#[derive(Debug, thiserror::Error)]
#[error("{0}; a plugin without the permission `read-values` is not told what tensors hold, so the call ends here")]
pub(crate) struct Undisclosed(pub String);

/// Why a host function did not do what the guest asked for.
#[derive(Debug)]
pub enum OpError {
    /// An error that the guest receives.
    Refused(tensor::Error),
    /// The call ends here.
    Trap(wasmtime::Error),
}

pub(crate) type OpResult<T> = std::result::Result<T, OpError>;

impl OpError {
    pub(crate) fn new(code: tensor::ErrorCode, message: impl Into<String>) -> Self {
        Self::Refused(tensor::Error { code, message: message.into() })
    }

    pub(crate) fn shape(message: impl Into<String>) -> Self {
        Self::new(tensor::ErrorCode::BadShape, message)
    }

    pub(crate) fn kind(message: impl Into<String>) -> Self {
        Self::new(tensor::ErrorCode::BadKind, message)
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(tensor::ErrorCode::BadArgument, message)
    }

    /// The same of a tensor of that name.
    pub(crate) fn about(self, name: &str) -> Self {
        match self {
            OpError::Refused(error) => Self::new(error.code, format!("`{}`: {}", clean_name(name), error.message)),
            OpError::Trap(error) => OpError::Trap(error),
        }
    }
}

impl From<TchError> for OpError {
    fn from(error: TchError) -> Self {
        Self::new(tensor::ErrorCode::Failed, format!("libtorch: {}", libtorch::message(&error)))
    }
}

impl From<LimitError> for OpError {
    fn from(error: LimitError) -> Self {
        Self::new(tensor::ErrorCode::OverLimit, format!("the plugin reached a limit: {error}"))
    }
}

impl From<Released> for OpError {
    fn from(error: Released) -> Self {
        Self::new(tensor::ErrorCode::Released, error.to_string())
    }
}

impl From<wasmtime::Error> for OpError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}
