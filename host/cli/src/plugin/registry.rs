//! What the commands that speak with a registry share.

use std::env;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use brewer_plugin_host::{Inspected, inspect_bytes};
use brewer_registry::{Client, Digest, Policy, Record, Reference, Settings, Store, Transfer, plugin, signature};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::input;
use crate::output;

#[derive(Args)]
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

#[derive(Args)]
pub struct TrustOptions {
    /// Who must have signed [default: brewer/trust.json in the folder of configurations, if it is there]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

impl TrustOptions {
    /// The trust policy; `None` if there is none.
    pub fn policy(&self) -> Result<Option<Policy>> {
        match &self.trust {
            Some(file) => Policy::read(file).map(Some),
            None => Policy::of_user(),
        }
        .map_err(failed)
    }
}

impl RegistryOptions {
    /// A client that shows a bar for what takes long.
    pub fn client(&self) -> Result<Client> {
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
        let settings = Settings {
            plain_http: self.plain_http.clone(),
            ca_file: self.ca_file.clone(),
            docker_config: self.config_docker.clone(),
            progress: Some(Rc::new(progress)),
            ..Settings::default()
        };
        Client::new(settings).map_err(failed)
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
    /// The component.
    pub bytes: Vec<u8>,
}

/// Brings a plugin into the store and looks at it, if the trust policy lets it; only a plugin is recorded under its
/// reference.
pub fn pull(client: &Client, reference: &Reference, trust: &TrustOptions) -> Result<Located> {
    let policy = trust.policy()?;
    let manifest = plugin::resolve(client, reference).map_err(failed)?.digest;
    let signers = match &policy {
        Some(policy) => {
            let candidates = signature::fetch(client, reference, &manifest).map_err(failed)?;
            let findings = signature::check(&candidates, &manifest, policy.keys());
            Some(policy.decide(reference, &manifest, &findings).map_err(failed)?.into_iter().collect())
        }
        None => {
            output::note("not verified: there is no trust policy");
            None
        }
    };
    let store = open_store()?;
    // The manifest that was decided on, whatever the tag names by now.
    let pulled = plugin::pull(client, &store, &reference.pinned(manifest)).map_err(failed)?;
    let inspected = look(&reference.to_string(), &pulled)?;
    if let Some(before) = store.recorded(reference).map_err(failed)?.filter(|before| before.manifest != pulled.manifest)
    {
        output::warning(&format!("{reference} has moved: it was {} when it was pulled last", before.manifest));
    }
    store.record(reference, pulled.manifest).map_err(failed)?;
    let reference = Some(reference.pinned(pulled.manifest));
    Ok(Located { inspected, reference, manifest: Some(pulled.manifest), signers, bytes: pulled.bytes })
}

/// The plugin of the store that `text`, `sha256:` and at least 12 digits, names by the digest of its manifest or of its
/// component.
pub fn stored(text: &str) -> Result<Located> {
    let wrong = |problem: String| input(anyhow::anyhow!("`{}`: {problem}", brewer_registry::printable(text, 90)));
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hex || !(12..=64).contains(&digits.len()) {
        return Err(wrong("a digest is written sha256: and 12 to 64 lower-case hexadecimal digits".to_owned()));
    }
    let store = open_store()?;
    let mut found: Vec<Record> = vec![];
    for record in store.records().map_err(failed)? {
        let Some(component) = plugin::component_in(&store, &record.manifest).map_err(failed)? else { continue };
        let is_named = [record.manifest, component.digest].iter().any(|digest| digest.hex().starts_with(digits));
        if is_named && found.iter().all(|other| other.manifest != record.manifest) {
            found.push(record);
        }
    }
    let record = match found.as_slice() {
        [record] => record,
        [] => {
            return Err(wrong("the store has no such plugin; `brewer-host plugin list` shows what it has".to_owned()));
        }
        _ => return Err(wrong(format!("the store has {} such plugins; write more digits", found.len()))),
    };
    let manifest = record.manifest;
    let incomplete = || wrong("the store has its manifest only; pull it again".to_owned());
    let loaded = plugin::load(&store, &manifest).map_err(failed)?.ok_or_else(incomplete)?;
    let inspected = look(text, &loaded)?;
    store.touch(record).map_err(failed)?;
    Ok(Located { inspected, reference: None, manifest: Some(manifest), signers: None, bytes: loaded.bytes })
}

fn look(name: &str, plugin: &plugin::Plugin) -> Result<Inspected> {
    for warning in &plugin.warnings {
        output::warning(&format!("{name}: {warning}"));
    }
    Ok(inspect_bytes(Path::new(name), &plugin.bytes).map_err(brewer::Error::from)?)
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
