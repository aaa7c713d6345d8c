//! `plugin keygen` and `plugin sign`: keys and signatures as `cosign` makes them.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use brewer_registry::{Client, PrivateKey, Reference, read_small, signature};
use clap::Args;

use super::registry::{self, RegistryOptions, failed};
use crate::exit::input;
use crate::{output, password};

#[derive(Args)]
pub struct KeygenOptions {
    /// What the two files are called: PREFIX.key and PREFIX.pub
    #[arg(long, value_name = "PREFIX", default_value = "cosign")]
    output_key_prefix: PathBuf,
}

#[derive(Args)]
pub struct SignOptions {
    /// The plugin or bundle: oci://HOST/REPOSITORY:TAG, or @sha256:… in place of the tag
    reference: String,

    /// The private key; its password comes from COSIGN_PASSWORD, the terminal or standard input
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    #[command(flatten)]
    registry: RegistryOptions,
}

/// Makes a pair of keys; what is there already is not overwritten.
pub fn keygen(options: &KeygenOptions) -> Result<ExitCode> {
    let with = |extension: &str| {
        let mut path = options.output_key_prefix.clone().into_os_string();
        path.push(extension);
        PathBuf::from(path)
    };
    let (private, public) = (with(".key"), with(".pub"));
    for path in [&private, &public] {
        if path.symlink_metadata().is_ok() {
            return Err(input(anyhow!("{} exists already; name another prefix", path.display())));
        }
    }
    let (key, text) =
        PrivateKey::generate(&ask_for_password("password for the new key")?).map_err(|problem| anyhow!(problem))?;
    create(&private, 0o600, &text)?;
    create(&public, 0o644, &key.public().to_pem())?;
    let (private, public) = (private.display(), public.display());
    output::note(&format!("{private} signs, and stays with you; {public} verifies, and is for everybody"));
    output::result(&key.public().id().to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Signs what a reference names now.
pub fn sign(options: &SignOptions) -> Result<ExitCode> {
    let reference = registry::parse(&options.reference)?;
    let key = open(&options.key)?;
    output::result(&sign_with(&options.registry.client()?, &reference, &key)?.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Signs what a reference names now, and returns the reference with its digest.
pub fn sign_with(client: &Client, reference: &Reference, key: &PrivateKey) -> Result<Reference> {
    let manifest = client.resolve(reference).map_err(failed)?;
    signature::sign(client, reference, &manifest, key).map_err(failed)?;
    let pinned = reference.pinned(manifest.digest);
    output::note(&format!("signed by {}", key.public().id()));
    Ok(pinned)
}

/// Opens a private key, with the password that the user gives.
pub fn open(path: &Path) -> Result<PrivateKey> {
    let text = read_small(path).map_err(failed)?;
    let password = ask_for_password(&format!("password for {}", path.display()))?;
    PrivateKey::open(&text, &password).map_err(|problem| input(anyhow!("{}: {problem}", path.display())))
}

fn ask_for_password(prompt: &str) -> Result<String> {
    if let Ok(password) = env::var("COSIGN_PASSWORD") {
        return Ok(password);
    }
    if console::user_attended() && console::user_attended_stderr() {
        return password::ask(prompt);
    }
    password::read()
}

fn create(path: &Path, mode: u32, text: &str) -> Result<()> {
    let create = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    create().map_err(|error| anyhow!("cannot write {}: {error}", path.display()))
}
