//! Finds out the commit that is built, for `--version`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    println!("cargo:rerun-if-changed=build.rs");
    // A source archive has no repository of its own, and one around it is another project's.
    if !root.join(".git").exists() {
        return;
    }
    // What changes with every commit and every checkout.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&root, &["rev-parse", "--git-path", name]).map(|path| root.join(PathBuf::from(path)))
            && path.exists()
        {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    if let Some(commit) = git(&root, &["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo:rustc-env=BREWER_COMMIT={commit}");
    }
}

/// What git prints; `None` without git or where it fails.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}
