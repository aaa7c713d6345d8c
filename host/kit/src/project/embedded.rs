//! The contract, the SDKs and the templates, as they were when this program was built.

use include_dir::{Dir, include_dir};

use super::Language;

pub(super) static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/rust");
static PYTHON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/python");
static JAVASCRIPT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/javascript");
static C: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/c");

/// A language's SDK; its folder `templates` holds a folder for each role.
pub(super) fn sdk(language: Language) -> &'static Dir<'static> {
    match language {
        Language::Rust => &RUST,
        Language::Python => &PYTHON,
        Language::JavaScript | Language::TypeScript => &JAVASCRIPT,
        Language::C => &C,
    }
}

/// The name of the contract that plugins are built for: `brewer:plugin@0.1.0`.
pub fn contract() -> String {
    let world = WIT.get_file("world.wit").and_then(|file| file.contents_utf8()).unwrap_or_default();
    let package = world.lines().find_map(|line| line.strip_prefix("package "));
    package.unwrap_or_default().trim_end_matches(';').to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_contract_has_a_version() {
        assert!(super::contract().starts_with("brewer:plugin@0."), "{}", super::contract());
    }
}
