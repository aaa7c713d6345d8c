use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use brewer_registry::signature::{Finding, Verdict};
use brewer_registry::{PublicKey, read_small, signature};
use clap::Args;
use serde_json::json;

use super::registry::{self, RegistryOptions, TrustOptions, failed};
use crate::exit::input;
use crate::output;

#[derive(Args)]
pub struct VerifyOptions {
    /// The plugin or bundle: oci://HOST/REPOSITORY:TAG, or @sha256:… in place of the tag
    reference: String,

    /// Ask for a signature by this public key in place of the trust policy; with several, by one of them
    #[arg(long, value_name = "FILE", conflicts_with = "trust")]
    key: Vec<PathBuf>,

    /// Print one line of JSON
    ///
    /// Keys: command, reference, signatures (form, signer and problem of each; null where there is none).
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trust: TrustOptions,

    #[command(flatten)]
    registry: RegistryOptions,
}

/// Shows all that was found of signatures, and fails with exit code 2 if they are not enough. `command` is the one that
/// was given.
pub fn verify(command: &str, options: &VerifyOptions) -> Result<ExitCode> {
    let reference = registry::parse(&options.reference)?;
    let policy = if options.key.is_empty() { options.trust.policy()? } else { None };
    let keys = match &policy {
        Some(policy) => policy.keys().clone(),
        None if options.key.is_empty() => {
            return Err(input(anyhow!("there is no trust policy; give --key cosign.pub or --trust FILE")));
        }
        None => read_keys(&options.key)?,
    };
    let client = options.registry.client()?;
    let manifest = client.resolve(&reference).map_err(failed)?.digest;
    let artefacts = signature::fetch(&client, &reference, &manifest).map_err(failed)?;
    let findings = signature::check(&artefacts, &manifest, &keys);
    show(command, &reference.pinned(manifest).to_string(), &findings, options.json)?;
    match policy {
        Some(policy) => {
            policy.decide(&reference, &[manifest], &findings).map_err(failed)?;
        }
        None if findings.iter().any(|found| matches!(found.verdict, Verdict::SignedBy(_))) => {}
        None => {
            let names = keys.into_keys().collect::<Vec<_>>().join(", ");
            let found = if findings.is_empty() { "it is not signed" } else { "none of its signatures is by that key" };
            return Err(input(anyhow!("{reference}: {found}; asked for {names}")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(command: &str, reference: &str, findings: &[Finding], as_json: bool) -> Result<()> {
    if !as_json {
        let lines = findings.iter().map(|finding| format!("\n  {finding}")).collect::<String>();
        output::result(&format!("{reference}{lines}"))?;
        return Ok(());
    }
    let one = |finding: &Finding| {
        let (signer, problem) = match &finding.verdict {
            Verdict::SignedBy(name) => (Some(name), None),
            Verdict::Unknown => (None, None),
            Verdict::Invalid(problem) => (None, Some(problem)),
        };
        json!({ "form": finding.form.to_string(), "signer": signer, "problem": problem })
    };
    let signatures: Vec<_> = findings.iter().map(one).collect();
    output::json(&json!({ "command": command, "reference": reference, "signatures": signatures }))?;
    Ok(())
}

/// The keys in these files, each called as its file.
fn read_keys(files: &[PathBuf]) -> Result<BTreeMap<String, PublicKey>> {
    let mut keys = BTreeMap::new();
    for file in files {
        let text = read_small(file).map_err(failed)?;
        let key = PublicKey::from_pem(&text).map_err(|problem| input(anyhow!("{}: {problem}", file.display())))?;
        keys.insert(file.display().to_string(), key);
    }
    Ok(keys)
}
