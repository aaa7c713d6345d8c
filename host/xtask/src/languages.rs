//! Plugins in other languages than Rust: their tools, and the plugins that tests run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use brewer_plugin_kit::build::{self, Source, rust::is_installed};
use brewer_plugin_kit::process;
use sha2::{Digest, Sha256};

use crate::{
    debian,
    product::{Part, Product},
    step::step,
    store,
    wheel::{Member, Wheel},
    workspace::Workspace,
};

/// componentize-py, with the Python interpreter that goes into each component.
const COMPONENTIZE_PY: &[Part] = &[Part {
    wheel: Wheel {
        file: "componentize_py-0.25.1-cp39-abi3-manylinux_2_28_x86_64.whl",
        sha256: "8623cd8cab8453cb0cd8bf03f3c7103420d06f2f3d360186a280a70a1ca5e89f",
    },
    members: &[Member { from: "componentize_py/", to: "componentize_py" }],
}];

/// The plugins that are built in every language: what they are called, and the file that each is made of.
const PLUGINS: [Language; 3] = [
    Language {
        name: "python",
        ensure: ensure_python,
        build: |tools, source| build::python(source, Some(&tools.join("python"))),
        entries: [("guest", "tests/languages/python/guest.py"), (SAME, "sdk/python/templates/adaptor/adaptor.py")],
    },
    Language {
        name: "javascript",
        ensure: ensure_javascript,
        build: |tools, source| build::javascript(source, &tools.join("javascript")),
        entries: [
            ("guest", "tests/languages/javascript/guest.ts"),
            (SAME, "sdk/javascript/templates/adaptor/adaptor.ts"),
        ],
    },
    Language {
        name: "c",
        ensure: ensure_c,
        build: |_, source| build::c(source),
        entries: [("guest", "tests/languages/c/guest.c"), (SAME, "sdk/c/templates/adaptor/adaptor.c")],
    },
];

/// The adaptor that is the same in every language.
const SAME: &str = "sequence-classification";

struct Language {
    /// As its folder below `sdk/` is called.
    name: &'static str,
    /// Puts the language's tools in place.
    ensure: fn(&Workspace) -> Result<String>,
    build: fn(&Path, Source<'_>) -> Result<Vec<u8>>,
    entries: [(&'static str, &'static str); 2],
}

/// Puts the tools of each language in place, and builds its plugins to `target/plugins/NAME-LANGUAGE.wasm`.
pub fn build(workspace: &Workspace) -> Result<()> {
    for language in &PLUGINS {
        step(&format!("tools for {}", language.name), || (language.ensure)(workspace))?;
        for (name, entry) in language.entries {
            let plugin = format!("{name}-{}", language.name);
            step(&plugin, || language.build_plugin(workspace, &plugin, Path::new(entry)))?;
        }
    }
    Ok(())
}

impl Language {
    /// Builds a plugin unless what it is made of is as it was.
    fn build_plugin(&self, workspace: &Workspace, name: &str, entry: &Path) -> Result<String> {
        let root = workspace.root();
        let (entry, wit, sdk) = (root.join(entry), root.join("wit"), root.join("sdk").join(self.name));
        let place = workspace.plugins().join(format!("{name}.wasm"));
        let stamp = digest(&[&wit, &sdk, entry.parent().unwrap_or(root)])?;
        let store = workspace.store();
        if place.is_file() && store.stamp(name).is_some_and(|earlier| earlier == stamp) {
            return Ok("ready".to_owned());
        }
        let source = Source { entry: &entry, world: "adaptor-plugin", wit: &wit, sdk: &sdk };
        let component = (self.build)(&tools(workspace), source)?;
        store::write(&place, &component)?;
        store.set_stamp(name, &stamp)?;
        Ok(format!("{:.1} KiB", component.len() as f64 / 1024.0))
    }
}

fn tools(workspace: &Workspace) -> PathBuf {
    workspace.target().join("tools")
}

fn ensure_python(workspace: &Workspace) -> Result<String> {
    let place = tools(workspace).join("python");
    Product { name: "componentize-py", place, parts: COMPONENTIZE_PY }.ensure(&workspace.store())
}

fn ensure_javascript(workspace: &Workspace) -> Result<String> {
    let (from, to) = (workspace.root().join("sdk/javascript/tools"), tools(workspace).join("javascript"));
    let store = workspace.store();
    let stamp = digest(&[&from])?;
    if to.join("node_modules").is_dir() && store.stamp("javascript-tools").is_some_and(|earlier| earlier == stamp) {
        return Ok("ready".to_owned());
    }
    if !process::exists("npm") {
        bail!(
            "plugins in JavaScript need Node with npm: install them (Debian: `apt-get install nodejs npm`) and run this again"
        );
    }
    store::create_folder(&to)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(from.join(file), to.join(file)).with_context(|| format!("cannot copy {file} to {}", to.display()))?;
    }
    let mut npm = workspace.command("npm");
    // The versions and digests of package-lock.json hold; packages run nothing while they are installed.
    npm.current_dir(&to).args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
    process::capture(&mut npm).context("the packages could not be installed: mend what npm says and run this again")?;
    store.set_stamp("javascript-tools", &stamp)?;
    Ok("installed".to_owned())
}

fn ensure_c(_: &Workspace) -> Result<String> {
    let missing: Vec<&str> = build::C_DEBIAN_PACKAGES.into_iter().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok("ready: clang-19".to_owned());
    }
    if !process::exists("apt-get") {
        bail!("plugins in C need clang for WebAssembly with the packages that Debian calls {}", missing.join(", "));
    }
    debian::install(&missing, "")?;
    Ok("installed: clang-19".to_owned())
}

/// A digest of all files below some folders.
fn digest(folders: &[&Path]) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    while let Some(folder) = waiting.pop() {
        let unreadable = || format!("cannot read {}", folder.display());
        let mut paths = vec![];
        for entry in fs::read_dir(&folder).with_context(unreadable)? {
            paths.push(entry.with_context(unreadable)?.path());
        }
        paths.sort();
        for path in paths {
            if path.is_dir() {
                waiting.push(path);
            } else {
                let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                hasher.update(path.display().to_string());
                hasher.update((content.len() as u64).to_le_bytes());
                hasher.update(content);
            }
        }
    }
    Ok(hex::encode(hasher.finalize()))
}
