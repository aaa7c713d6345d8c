//! What the commands that speak with a registry share.

use std::env;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use brewer_plugin_host::{Inspected, inspect_bytes};
use brewer_registry::{Client, Digest, Lock, Policy, Reference, Resolved, Resolver, Settings, Store, Transfer};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::change::Change;
use crate::exit::input;
use crate::options::DEFAULT_FILE;
use crate::output;

#[derive(Args, Clone)]
pub struct RegistryOptions {
    /// Speak to this registry without TLS, as to one on this machine; may be repeated
    #[arg(long, value_name = "HOST")]
    plain_http: Vec<String>,

    /// Trust these certificates beside the system's
    #[arg(long, value_name = "PEM")]
    ca_file: Option<PathBuf>,

    /// Where Docker's config.json with the credentials lies [default: as Docker and podman find theirs]
    #[arg(long, value_name = "DIR")]
    config_docker: Option<PathBuf>,
}

#[derive(Args, Clone)]
pub struct TrustOptions {
    /// Who must have signed [default: brewer/trust.json in the folder of configurations, if it is there]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

impl TrustOptions {
    /// The trust policy; `None` if there is none.
    pub fn read(&self) -> brewer_registry::Result<Option<Policy>> {
        match &self.trust {
            Some(file) => Policy::read(file).map(Some),
            None => Policy::of_user(),
        }
    }

    /// The same, with the exit code of an error.
    pub fn policy(&self) -> Result<Option<Policy>> {
        self.read().map_err(failed)
    }
}

impl RegistryOptions {
    /// A client that shows a bar for what takes long.
    pub fn connect(&self) -> brewer_registry::Result<Client> {
        let bar = ProgressBar::with_draw_target(None, output::draw_target());
        let template = "  {bar:24.cyan/black.bright} {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";
        let bar_style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(bar_style.progress_chars("━╸━"));
        let progress = move |transfer: &Transfer| {
            bar.set_length(transfer.total);
            bar.set_position(transfer.done);
            if transfer.done == transfer.total {
                bar.finish_and_clear();
                bar.reset();
            }
        };
        Client::new(Settings {
            plain_http: self.plain_http.clone(),
            ca_file: self.ca_file.clone(),
            docker_config: self.config_docker.clone(),
            progress: Some(Rc::new(progress)),
            ..Settings::default()
        })
    }

    /// The same, with the exit code of an error.
    pub fn client(&self) -> Result<Client> {
        self.connect().map_err(failed)
    }
}

/// A plugin that was found: in the store, or in a file.
pub struct Located {
    pub inspected: Inspected,
    /// The reference with the digest that it stands for now; none for a file.
    pub reference: Option<Reference>,
    /// The manifest's digest, if it is in the store.
    pub manifest: Option<Digest>,
    /// Who signed it, by the trust policy; `None` without one.
    pub signers: Option<Vec<String>>,
    /// What is new against the lock in the current folder, which has another.
    pub change: Option<Change>,
    /// The component.
    pub bytes: Vec<u8>,
}

/// Brings what a reference names now into the store and looks at it, if the trust policy lets it.
pub fn pull(options: &RegistryOptions, reference: &Reference, trust: &TrustOptions) -> Result<Located> {
    let policy = trust.policy()?;
    if policy.is_none() {
        output::note("not verified: there is no trust policy");
    }
    let lock = Lock::read(&Lock::path_beside(Path::new(DEFAULT_FILE))).map_err(failed)?;
    let client = options.client()?;
    let store = open_store()?;
    let before = store.recorded(&reference.whole()).map_err(failed)?;
    let mut resolver = Resolver::new(store, Some(client), policy, Lock::default(), false);
    let resolved = resolver.resolve_anew(reference).map_err(failed)?.clone();
    let now = resolved.reference.as_ref().and_then(Reference::digest);
    if let Some(before) = before.filter(|before| Some(before.manifest) != now) {
        output::warning(&format!("{reference} has moved: it was {} when it was pulled last", before.manifest));
    }
    let after = resolved.entry.clone();
    let locked = lock.plugins.get(reference).filter(|locked| locked.difference(&after).is_some());
    let change = locked.map(|locked| Change { reference: reference.clone(), before: Some(locked.clone()), after });
    Ok(Located { change, ..look(&reference.to_string(), resolved)? })
}

/// The plugin of the store that `text`, `sha256:` and at least 12 digits, names by the digest of its manifest or of its
/// component.
pub fn stored(text: &str, trust: &TrustOptions) -> Result<Located> {
    let resolver = Resolver::new(open_store()?, None, trust.policy()?, Lock::default(), false);
    look(text, resolver.stored(text).map_err(failed)?)
}

fn look(name: &str, resolved: Resolved) -> Result<Located> {
    let Resolved { plugin, reference, signers, .. } = resolved;
    for warning in &plugin.warnings {
        output::warning(&format!("{name}: {warning}"));
    }
    let inspected = inspect_bytes(Path::new(name), &plugin.bytes).map_err(brewer::Error::from)?;
    Ok(Located { inspected, reference, manifest: Some(plugin.manifest), signers, change: None, bytes: plugin.bytes })
}

/// The user's store, to read and to add to.
pub fn open_store() -> Result<Store> {
    let root = Store::default_root().map_err(failed)?;
    Store::open(&root).map_err(failed)
}

/// An error of a registry or of the store, with the exit code that it has.
pub fn failed(error: brewer_registry::Error) -> anyhow::Error {
    if error.is_input() { input(error.into()) } else { error.into() }
}

/// A reference that the user wrote.
pub fn parse(text: &str) -> Result<Reference> {
    text.parse().map_err(failed)
}

/// The time that `SOURCE_DATE_EPOCH` names, or 1970: what is pushed says nothing of when.
pub fn created() -> Result<u64> {
    match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) if !text.is_empty() => text
            .parse()
            .map_err(|_| input(anyhow::anyhow!("SOURCE_DATE_EPOCH is `{text}`; expected seconds since 1970"))),
        _ => Ok(0),
    }
}
