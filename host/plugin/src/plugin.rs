//! Loading a plugin: from a file to something that can be instantiated.

use std::{
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
};

use brewer_plugin_kit::manifest::Manifest;
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmtime::component::InstancePre;

use crate::{
    bindings::exported::state::GuestIndices as StateExports,
    config, contract,
    engine::Engine,
    error::{Error, LoadProblem, Result},
    limits::Limits,
    log::LogSink,
    permissions::{Asked, Permissions},
    roles::PluginRole,
    schema,
    state::State,
    text::printable,
};

/// What an experiment says about a plugin.
#[derive(Debug, Clone, Default)]
pub struct PluginOptions {
    /// The SHA-256 of the file that is meant, in hexadecimal; any file if there is none.
    pub sha256: Option<String>,
    /// Handed to the plugin as it is.
    pub config: Option<Value>,
    /// What a call, a step and the run may take.
    pub limits: Limits,
    /// What the experiment grants.
    pub permissions: Permissions,
    /// The experiment's seed: the plugin's random numbers follow from it.
    pub seed: u64,
    /// Where its messages go.
    pub log: LogSink,
}

/// A component that was checked, compiled and linked; nothing of it has run.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) engine: Engine,
    pub(crate) settings: Arc<Settings>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) path: PathBuf,
    digest: String,
    size: u64,
    roles: Vec<PluginRole>,
    has_state: bool,
    manifest: Option<Manifest>,
    metrics: Vec<(String, String)>,
    pub(crate) linked: InstancePre<State>,
}

/// What the guest is told, and where it is heard.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The file's name: how messages name the plugin.
    pub(crate) name: String,
    pub(crate) config: String,
    /// By the experiment.
    pub(crate) granted: Permissions,
    /// By the manifest; `None` if there is none, which asks for whatever is granted.
    pub(crate) asked: Option<Asked>,
    pub(crate) seed: u64,
    pub(crate) log: LogSink,
    /// How many bytes all its instances have logged in this run.
    pub(crate) logged: AtomicU64,
}

#[cfg(test)]
impl Settings {
    /// A plugin's that has no permission and says nothing.
    pub(crate) fn of_tests() -> Self {
        Self {
            name: "test.wasm".to_owned(),
            config: String::new(),
            granted: Permissions::new(),
            asked: None,
            seed: 0,
            log: LogSink::new(|_, _, _| {}),
            logged: AtomicU64::new(0),
        }
    }
}

impl Plugin {
    /// Loads the component at `path`.
    ///
    /// Errors: [`Error::Load`] with what is wrong with the file.
    pub fn load(engine: &Engine, path: impl AsRef<Path>, options: PluginOptions) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_component(path, options.limits.file_bytes)?;
        Self::of_bytes(engine, path, &bytes, options)
    }

    /// Loads a component that is in memory, which messages call `path`.
    ///
    /// Errors: [`Error::Load`] with what is wrong with it.
    pub fn of_bytes(engine: &Engine, path: &Path, bytes: &[u8], options: PluginOptions) -> Result<Self> {
        Self::open(engine, path, bytes, options).map_err(|problem| Error::Load { path: path.to_owned(), problem })
    }

    fn open(engine: &Engine, path: &Path, bytes: &[u8], options: PluginOptions) -> Result<Self, LoadProblem> {
        if let Some(problem) = options.limits.problem() {
            return Err(LoadProblem::Limits(problem));
        }
        if bytes.len() as u64 > options.limits.file_bytes {
            return Err(LoadProblem::TooLarge { limit: options.limits.file_bytes });
        }
        let digest = Sha256::digest(bytes);
        if let Some(expected) = options.sha256 {
            check_digest(&expected, &hex::encode(digest))?;
        }
        let Seen { manifest, roles, has_state } = looked_at(bytes)?;
        let asked = manifest.as_ref().map(Asked::by).transpose().map_err(LoadProblem::Manifest)?;
        if let Some(asked) = &asked {
            let missing: Vec<String> = asked.needed.difference(&options.permissions).map(ToString::to_string).collect();
            if !missing.is_empty() {
                return Err(LoadProblem::NotGranted { missing });
            }
        }
        let config = options.config.unwrap_or_else(|| Value::Object(Default::default()));
        if let Some(schema) = manifest.as_ref().and_then(|manifest| manifest.config_schema.as_ref()) {
            config::check(schema, &config)?;
        }
        let component = engine.compile(bytes, &digest, &options.limits)?;
        let linked = engine.link(&component).map_err(signature)?;
        for role in &roles {
            role.check(&linked).map_err(signature)?;
        }
        if has_state {
            StateExports::new(&linked).map_err(signature)?;
        }
        let name = printable(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy());
        let PluginOptions { permissions: granted, seed, log, limits, .. } = options;
        Ok(Self {
            engine: engine.clone(),
            settings: Arc::new(Settings {
                name,
                config: config.to_string(),
                granted,
                asked,
                seed,
                log,
                logged: AtomicU64::new(0),
            }),
            metrics: metric_names(manifest.as_ref(), &config),
            manifest,
            limits: Arc::new(limits),
            path: path.to_owned(),
            digest: hex::encode(digest),
            size: bytes.len() as u64,
            roles,
            has_state,
            linked,
        })
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Its file, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The SHA-256 of the file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What it can be in a run; at least one role.
    pub fn roles(&self) -> &[PluginRole] {
        &self.roles
    }

    /// Whether it exports `state`: what it remembers goes into checkpoints.
    pub fn has_state(&self) -> bool {
        self.has_state
    }

    /// What the component says of itself, if it does.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// What it may take.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The scalars of the run that its configuration names, by their place in it: `config.metric` and `dev_loss`.
    pub fn metrics(&self) -> &[(String, String)] {
        &self.metrics
    }

    /// What people should know of its permissions before the run, in sentences.
    pub fn permission_notes(&self) -> Vec<String> {
        let Settings { name, granted, asked, .. } = self.settings.as_ref();
        let Some(asked) = asked else { return vec![] };
        let unused = granted.iter().filter(|permission| !asked.contains(permission));
        let unused = unused.map(|permission| {
            format!("{name} is granted `{permission}` and cannot use it: its manifest does not ask for it")
        });
        let missing = asked.optional.difference(granted).map(|permission| {
            format!("{name} can use `{permission}`, which the experiment does not grant; it does without")
        });
        unused.chain(missing).collect()
    }

    /// The same plugin, whose messages nobody reads.
    pub(crate) fn silenced(&self) -> Self {
        let Settings { name, config, granted, asked, seed, .. } = self.settings.as_ref();
        let settings = Settings {
            name: name.clone(),
            config: config.clone(),
            granted: granted.clone(),
            asked: asked.clone(),
            seed: *seed,
            log: LogSink::new(|_, _, _| {}),
            logged: AtomicU64::new(0),
        };
        Self { settings: Arc::new(settings), ..self.clone() }
    }

    /// Refuses a plugin that is another file than `expected`, in hexadecimal.
    pub(crate) fn check_digest(&self, expected: &str) -> Result<()> {
        check_digest(expected, &self.digest).map_err(|problem| Error::Load { path: self.path.clone(), problem })
    }
}

fn check_digest(expected: &str, found: &str) -> Result<(), LoadProblem> {
    if expected.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    Err(LoadProblem::OtherFile { expected: printable(expected), found: found.to_owned() })
}

/// What is known of a component before it is compiled.
struct Seen {
    manifest: Option<Manifest>,
    roles: Vec<PluginRole>,
    has_state: bool,
}

/// What a component says of itself, as far as it fits this host.
fn looked_at(bytes: &[u8]) -> Result<Seen, LoadProblem> {
    let (roles, has_state) = contract::inspect(bytes)?;
    let manifest = Manifest::of_component(bytes).map_err(|error| LoadProblem::Manifest(format!("{error:#}")))?;
    if let Some(contract) = manifest.as_ref().and_then(|manifest| manifest.contract.as_ref()) {
        contract::check_manifest(contract)?;
    }
    Ok(Seen { manifest, roles, has_state })
}

/// The scalars that a configuration names.
fn metric_names(manifest: Option<&Manifest>, config: &Value) -> Vec<(String, String)> {
    let schema = manifest.and_then(|manifest| manifest.config_schema.as_ref());
    schema.map_or_else(Vec::new, |schema| schema::metric_names(schema, config))
}

impl fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Plugin")
            .field("path", &self.path)
            .field("digest", &self.digest)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// What can be said of a component without compiling it.
#[derive(Debug)]
pub struct Inspected {
    /// The SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// In bytes.
    pub size: u64,
    /// The contract that it was built for.
    pub contract: String,
    /// The roles that it exports.
    pub roles: Vec<PluginRole>,
    /// Whether it exports `state`.
    pub has_state: bool,
    /// What it says of itself; `None` without a manifest.
    pub manifest: Option<Manifest>,
}

/// Looks at the component at `path`.
///
/// Errors: [`Error::Load`] with what is wrong with the file.
pub fn inspect(path: &Path) -> Result<Inspected> {
    inspect_bytes(path, &read_component(path, Limits::default().file_bytes)?)
}

/// The bytes of the component at `path`, of which there are at most `limit`.
///
/// Errors: [`Error::Load`].
pub fn read_component(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read(path, limit).map_err(|problem| Error::Load { path: path.to_owned(), problem })
}

/// Looks at a component in memory, which messages call `path`.
///
/// Errors: [`Error::Load`] with what is wrong with it.
pub fn inspect_bytes(path: &Path, bytes: &[u8]) -> Result<Inspected> {
    let look = || -> Result<Inspected, LoadProblem> {
        let Seen { manifest, roles, has_state } = looked_at(bytes)?;
        Ok(Inspected {
            digest: hex::encode(Sha256::digest(bytes)),
            size: bytes.len() as u64,
            contract: contract::built_for(bytes),
            roles,
            has_state,
            manifest,
        })
    };
    look().map_err(|problem| Error::Load { path: path.to_owned(), problem })
}

/// Reads a file, but no more of it than the limit: what `path` names may be endless.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, LoadProblem> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(LoadProblem::Read)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(LoadProblem::Read)?;
    if bytes.len() as u64 > limit {
        return Err(LoadProblem::TooLarge { limit });
    }
    Ok(bytes)
}

fn signature(error: wasmtime::Error) -> LoadProblem {
    LoadProblem::Signature { problem: format!("{error:#}") }
}
