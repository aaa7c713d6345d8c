//! Dependencies point one way: between the folders of core, as their sources import each other, and between crates, as their
//! `Cargo.toml` has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

/// The modules of core from the bottom up. A module imports those of the lines above its own; those of one line are files of
/// one idea and may import each other, unless they are folders.
const ORDER: &[&[&str]] = &[
    // What is not about distilling: text, files, digests, devices, libtorch.
    &["describe", "device", "digest", "files", "json", "libtorch", "lock", "memory", "named", "names", "random"],
    // The central types.
    &["task"],
    &["batch", "classes", "features", "out_of_memory", "outputs", "request", "role_state", "step"],
    &["model"],
    &["student"],
    &["adaptor"],
    &["postprocessor"],
    &["cache"],
    &["data"],
    &["callback"],
    &["projection"],
    &["schedule"],
    &["loss"],
    &["distiller"],
    &["metric"],
    &["train"],
    &["evaluation"],
    &["experiment"],
    &["assemble"],
];

/// The crates from the bottom up: each depends on crates of the lines above its own.
const CRATES: &[&[&str]] = &[
    &["brewer", "brewer-plugin-kit", "brewer-sdk"],
    &["brewer-plugin-host", "brewer-registry"],
    &["brewer-host", "xtask"],
];

/// The one error of the crate. It has a variant for the error of each folder, so it knows them all, and every function
/// returns it, so all know it: with an error of their own for each pair of folders that call each other, `?` would not do.
const ERROR: &str = "error";

/// Files that import a folder above their own, and why it stays so.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("train/placement.rs", "experiment", "models are where the experiment says"),
    ("train/resume.rs", "experiment", "a run is resumed with the experiment that its folder has, and no other"),
    ("train/run_folder.rs", "experiment", "a run's folder keeps its experiment, with every default"),
    ("train/run_record.rs", "experiment", "a run is of the files that its experiment names"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The line of a name in an order.
fn rank(order: &[&[&str]], name: &str) -> Option<usize> {
    order.iter().position(|line| line.contains(&name))
}

#[test]
fn folders_of_core_import_downwards() {
    let source = root().join("host/core/src");
    let names = Names::read(&source);
    let unplaced: Vec<_> = names.modules.iter().filter(|name| *name != ERROR && rank(ORDER, name).is_none()).collect();
    assert!(unplaced.is_empty(), "{unplaced:?} are not in ORDER: say where they belong");
    let (mut broken, mut excepted) = (vec![], BTreeSet::new());
    for path in sources(&source) {
        let module = module_of(path.strip_prefix(&source).unwrap());
        let Some(own) = module.first().filter(|own| *own != ERROR) else { continue };
        let file = path.strip_prefix(&source).unwrap().display().to_string();
        for (line, name) in imports(&fs::read_to_string(&path).unwrap(), &module) {
            let place = format!("{file}:{line}");
            let imported = names.module(&name).unwrap_or_else(|| panic!("{place}: what is `crate::{name}`?"));
            if imported == ERROR || imported == own {
                continue;
            }
            if let Some((of, ..)) = EXCEPTIONS.iter().find(|(of, to, _)| *of == file && to == imported) {
                excepted.insert(*of);
                continue;
            }
            let (from, to) = (rank(ORDER, own), rank(ORDER, imported));
            if from < to || (from == to && source.join(own).is_dir()) {
                broken.push(format!("{place}: `{own}` imports `{imported}`, which stands above it"));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "folders of core import downwards only, in the order of {}:\n{}",
        file!(),
        broken.join("\n")
    );
}

#[test]
fn crates_depend_downwards() {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    let crates: Vec<_> = metadata.workspace_default_packages();
    for package in crates {
        let from = rank(CRATES, &package.name).unwrap_or_else(|| panic!("`{}` is not in CRATES", package.name));
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            let to = rank(CRATES, &dependency.name).unwrap_or_else(|| panic!("`{}` is not in CRATES", dependency.name));
            assert!(
                to < from,
                "{}: `{}` depends on `{}`, which stands beside or above it in the order of {}",
                package.manifest_path,
                package.name,
                dependency.name,
                file!()
            );
        }
    }
}

/// What `crate::NAME` can be in core.
struct Names {
    modules: BTreeSet<String>,
    /// The module of what `lib.rs` re-exports.
    exported: BTreeMap<String, String>,
}

impl Names {
    fn read(source: &Path) -> Self {
        let lib = fs::read_to_string(source.join("lib.rs")).unwrap();
        let statements = || lib.split(';').map(str::trim);
        let after = |text: &str, word: &str| text.split_once(word).map(|(_, rest)| rest.trim().to_owned());
        let modules: BTreeSet<String> = statements().filter_map(|text| after(text, "mod ")).collect();
        let mut exported = BTreeMap::new();
        for text in statements().filter_map(|text| after(text, "pub use ")) {
            let (module, rest) = text.split_once("::").unwrap();
            for name in rest.trim_matches(['{', '}']).split(',') {
                let name = name.rsplit(" as ").next().unwrap().trim();
                exported.insert(name.to_owned(), module.to_owned());
            }
        }
        Self { modules, exported }
    }

    fn module<'n>(&'n self, name: &str) -> Option<&'n String> {
        self.modules.get(name).or_else(|| self.exported.get(name))
    }
}

/// All Rust files below a folder, sorted.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// `["loss", "plan"]` of `loss/plan/mod.rs`; nothing of `lib.rs`.
fn module_of(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> = path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if ["mod", "lib"].contains(&parts.last().unwrap().as_str()) {
        parts.pop();
    }
    parts
}

/// The names right below the crate's root that a source uses, each with its line: `data` and `Batch` of
/// `use crate::{data::Order, Batch}`. Tests at the end of a file may use what they like.
fn imports(source: &str, module: &[String]) -> Vec<(usize, String)> {
    let code: Vec<&str> = source.lines().take_while(|line| *line != "#[cfg(test)]").collect();
    let code: Vec<&str> = code.iter().map(|line| if line.trim_start().starts_with("//") { "" } else { line }).collect();
    let code = code.join("\n");
    let mut found = vec![];
    for start in ["crate::", "super::"] {
        for (position, _) in code.match_indices(start) {
            // A name that ends like this one, or the second `super` of a chain.
            let before = &code[..position];
            if before.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == ':') {
                continue;
            }
            let path = &code[position..];
            let up = path.split("super::").take_while(|part| part.is_empty()).count();
            let rest = path.trim_start_matches("crate::").trim_start_matches("super::");
            if start == "super::" && up < module.len() {
                continue;
            }
            let line = before.matches('\n').count() + 1;
            found.extend(heads(rest).into_iter().map(|(below, name)| (line + below, name)));
        }
    }
    found
}

/// The first name of a path, or of each path in braces, with how many lines further down it stands.
fn heads(tree: &str) -> Vec<(usize, String)> {
    let Some(list) = tree.strip_prefix('{') else { return vec![(0, head(tree))] };
    let (mut names, mut depth, mut start) = (vec![], 0, 0);
    for (position, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let item = list[start..position].trim_start();
                if !item.is_empty() {
                    let begins = position - item.len();
                    names.push((list[..begins].matches('\n').count(), head(item)));
                }
                if character == '}' {
                    break;
                }
                start = position + 1;
            }
            _ => {}
        }
    }
    names
}

fn head(path: &str) -> String {
    path.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

#[test]
fn imports_are_found_with_their_lines() {
    let module = ["loss", "plan"].map(str::to_owned);
    let source = "//! crate::nothing\nuse crate::data::{Order, Row};\nuse crate::{\n    Batch,\n    train::{Session, Settings},\n};\n\
                  use super::Loss;\nuse super::super::model::Pass;\nfn f() -> crate::Result<()> {}\n#[cfg(test)]\nmod tests { use crate::cache; }\n";
    let mut found = imports(source, &module);
    found.sort();
    let expected = [(2, "data"), (4, "Batch"), (5, "train"), (8, "model"), (9, "Result")];
    assert_eq!(found, expected.map(|(line, name)| (line, name.to_owned())));
}
