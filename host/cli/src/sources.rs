//! Where the plugins of an experiment come from: files, registries and the store. What is found is kept in memory, and
//! that is what runs.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Result;
use brewer::experiment::PluginRef;
use brewer::{Fault, PluginError};
use brewer_plugin_host::{Components, read_component};
use brewer_registry::{Digest, Lock, Policy, Reference, Resolved, ResolvedBundle, Resolver, Store, bundle};
use clap::Args;

use crate::output;
use crate::plugin::{RegistryOptions, TrustOptions, failed};
use crate::table::counted;

/// How what is not a file is found, and what of it may be used.
#[derive(Args, Clone)]
pub struct SourceOptions {
    /// Refuse a reference that brewer.lock does not have, and leave the lock as it is
    #[arg(long)]
    locked: bool,

    /// Use no network: what the store lacks is an error
    #[arg(long)]
    offline: bool,

    #[command(flatten)]
    trust: TrustOptions,

    #[command(flatten)]
    registry: RegistryOptions,
}

/// A component that was asked for, for the record of a run.
#[derive(Debug, Clone)]
pub struct Used {
    /// The reference with the manifest's digest; none of a file.
    pub reference: Option<Reference>,
    /// The manifest's digest; none of a file.
    pub manifest: Option<Digest>,
    /// Who signed it, by the policy; empty without one.
    pub signers: Vec<String>,
    pub bytes: Arc<[u8]>,
}

impl Used {
    /// The component's digest, in hexadecimal.
    pub fn sha256(&self) -> String {
        Digest::of(&self.bytes).hex()
    }
}

/// The sources of a command.
pub struct Sources {
    options: SourceOptions,
    /// Where the lock is, beside the experiment.
    lock: PathBuf,
    /// The policies that experiments name beside the user's.
    trust: Vec<PathBuf>,
    policies: OnceCell<Vec<Policy>>,
    /// Opened when something is not a file.
    resolver: RefCell<Option<Resolver>>,
    used: RefCell<BTreeMap<PluginRef, Used>>,
}

/// An error of a registry or of the store, to the engine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SourceError(brewer_registry::Error);

impl PluginError for SourceError {
    fn fault(&self) -> Fault {
        if self.0.is_input() { Fault::Input } else { Fault::Run }
    }
}

impl SourceOptions {
    /// The sources for an experiment in this file, and the policies that experiments name beside the user's: all of them
    /// must let in what is used.
    pub fn sources(&self, experiment: &Path, trust: impl IntoIterator<Item = PathBuf>) -> Rc<Sources> {
        Rc::new(Sources {
            options: self.clone(),
            lock: Lock::path_beside(experiment),
            trust: trust.into_iter().collect(),
            policies: OnceCell::new(),
            resolver: RefCell::default(),
            used: RefCell::default(),
        })
    }
}

impl Sources {
    /// What was asked for so far, with the digests of the components.
    pub fn used(&self) -> BTreeMap<PluginRef, Used> {
        self.used.borrow().clone()
    }

    /// A component of at most `limit` bytes, as it was when it was first asked for.
    pub fn find(&self, reference: &PluginRef, limit: u64) -> brewer::Result<Used> {
        if let Some(used) = self.used.borrow().get(reference) {
            return Ok(used.clone());
        }
        let used = match reference {
            PluginRef::File(path) => self.file(path, limit)?,
            other => {
                let Resolved { plugin, reference, signers, .. } =
                    self.resolve(other).map_err(|error| brewer::Error::Plugin(Box::new(SourceError(error))))?;
                for warning in &plugin.warnings {
                    output::warning(&format!("{other}: {warning}"));
                }
                let (manifest, signers) = (Some(plugin.manifest), signers.unwrap_or_default());
                Used { reference, manifest, signers, bytes: plugin.bytes.into() }
            }
        };
        self.used.borrow_mut().insert(reference.clone(), used.clone());
        Ok(used)
    }

    /// A plugin of a registry or of the store.
    pub fn resolve(&self, reference: &PluginRef) -> brewer_registry::Result<Resolved> {
        self.with_resolver(|resolver| match reference {
            PluginRef::Registry(text) => resolver.resolve(&text.parse()?).cloned(),
            other => resolver.stored(&other.to_string()),
        })
    }

    /// What a reference names in its registry now, and what the lock has of it.
    pub fn resolve_anew(&self, reference: &Reference) -> brewer_registry::Result<Resolved> {
        self.with_resolver(|resolver| resolver.resolve_anew(reference).cloned())
    }

    /// The bundle that a reference names, or that lies in a folder or a tar.
    pub fn bundle(&self, text: &str) -> brewer_registry::Result<ResolvedBundle> {
        if Reference::is_meant(text) {
            return self.with_resolver(|resolver| resolver.bundle(&text.parse()?));
        }
        let path = Path::new(text);
        self.policies()?.iter().try_for_each(|policy| policy.decide_local(path))?;
        self.with_resolver(|resolver| {
            let (bundle, signatures) = bundle::layout::import(resolver.store(), path)?;
            Ok(ResolvedBundle { bundle, reference: None, signers: None, signatures })
        })
    }

    /// Has the plugins of a bundle found by the digests of their components.
    pub fn admit(&self, bundle: &ResolvedBundle) -> brewer_registry::Result<()> {
        self.with_resolver(|resolver| resolver.admit(bundle))
    }

    /// Does something with the store.
    pub fn with_store<T>(
        &self,
        action: impl FnOnce(&Store) -> brewer_registry::Result<T>,
    ) -> brewer_registry::Result<T> {
        self.with_resolver(|resolver| action(resolver.store()))
    }

    /// Adds to the lock what it lacks of what was found, unless it is to stay as it is.
    pub fn write_lock(&self) -> Result<()> {
        let resolver = self.resolver.borrow();
        let additions = resolver.as_ref().map(Resolver::additions).unwrap_or_default();
        if additions.is_empty() {
            return Ok(());
        }
        let count = counted(additions.len(), "plugin");
        Lock::add(&self.lock, additions).map_err(failed)?;
        output::note(&format!("  {count} added to {}", crate::header::shown(&self.lock)));
        Ok(())
    }

    /// Writes what was found into a lock in `folder`.
    pub fn copy_lock(&self, folder: &Path) -> Result<()> {
        let entries = self.resolver.borrow().as_ref().map(Resolver::entries).unwrap_or_default();
        Lock::add(&folder.join("brewer.lock"), entries).map_err(failed)
    }

    /// Where the lock is.
    pub fn lock(&self) -> &Path {
        &self.lock
    }

    /// The user's policy first, if there is one, and then those of experiments.
    fn policies(&self) -> brewer_registry::Result<&[Policy]> {
        let policies = match self.policies.get() {
            Some(policies) => policies,
            None => {
                let mut read: Vec<Policy> = self.options.trust.read()?.into_iter().collect();
                for file in &self.trust {
                    read.push(Policy::read(file)?);
                }
                self.policies.get_or_init(|| read)
            }
        };
        Ok(policies)
    }

    fn with_resolver<T>(
        &self,
        action: impl FnOnce(&mut Resolver) -> brewer_registry::Result<T>,
    ) -> brewer_registry::Result<T> {
        let mut opened = self.resolver.borrow_mut();
        let resolver = match &mut *opened {
            Some(resolver) => resolver,
            none => {
                let SourceOptions { locked, offline, registry, .. } = &self.options;
                // Before any network.
                let (policies, lock) = (self.policies()?.to_vec(), Lock::read(&self.lock)?);
                if policies.is_empty() {
                    output::note("not verified: there is no trust policy");
                }
                let client = if *offline { None } else { Some(registry.connect()?) };
                let store = Store::open(&Store::default_root()?)?;
                none.insert(Resolver::new(store, client, policies, lock, *locked))
            }
        };
        action(resolver)
    }

    fn file(&self, path: &Path, limit: u64) -> brewer::Result<Used> {
        let refused = |error| brewer::Error::Plugin(Box::new(SourceError(error)));
        let policies = self.policies().map_err(refused)?;
        policies.iter().try_for_each(|policy| policy.decide_local(path)).map_err(refused)?;
        let bytes = read_component(path, limit)?.into();
        Ok(Used { reference: None, manifest: None, signers: vec![], bytes })
    }
}

impl Components for Sources {
    fn component(&self, reference: &PluginRef, limit: u64) -> brewer::Result<Arc<[u8]>> {
        Ok(self.find(reference, limit)?.bytes)
    }
}
