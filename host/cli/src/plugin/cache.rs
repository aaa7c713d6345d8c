use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use brewer_plugin_host::CodeCache;
use clap::Args;
use indicatif::{HumanBytes, HumanDuration};

use crate::header::shown;
use crate::output;
use crate::table::laid_out;

#[derive(Args)]
pub struct CacheOptions {
    /// Remove all of it: each plugin is compiled anew when it is used next
    #[arg(long)]
    clear: bool,
}

/// Shows the cache of compiled code, or clears it.
pub fn cache(options: &CacheOptions) -> Result<ExitCode> {
    let Some(cache) = CodeCache::from_environment() else {
        output::result("none: this user has no folder for caches; name one with BREWER_CACHE_DIR")?;
        return Ok(ExitCode::SUCCESS);
    };
    let folder = shown(cache.folder());
    let entries = cache.entries().with_context(|| format!("the folder {folder} cannot be read"))?;
    let total = HumanBytes(entries.iter().map(|entry| entry.bytes).sum());
    if options.clear {
        cache.clear().with_context(|| format!("the folder {folder} cannot be cleared"))?;
        output::result(&format!("{total} in {} removed from {folder}", counted(entries.len())))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            // A clock that was set back makes an age of nothing.
            let age = Duration::from_secs(entry.last_used.elapsed().unwrap_or_default().as_secs());
            let used = format!("used {} ago", HumanDuration(age));
            vec![entry.digest.clone(), HumanBytes(entry.bytes).to_string(), used]
        })
        .collect();
    for line in laid_out(&rows, output::result_width()).concat() {
        output::result(&line)?;
    }
    let most = HumanBytes(cache.most_bytes());
    output::result(&format!("{total} of at most {most} in {} in {folder}", counted(entries.len())))?;
    Ok(ExitCode::SUCCESS)
}

fn counted(entries: usize) -> String {
    if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") }
}
