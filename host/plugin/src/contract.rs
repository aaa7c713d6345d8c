//! What a component asks for and offers, seen before anything of it is compiled.

use brewer_plugin_kit::component::{Interfaces, interfaces};
use wasmparser::Parser;

use crate::{error::LoadProblem, roles::PluginRole, structure, wasi};

/// The version of `brewer:plugin` that this host speaks.
pub const VERSION: &str = "0.1.0";

const PACKAGE: &str = "brewer:plugin/";

/// The contract's name, before `@` and its version.
const CONTRACT: &str = "brewer:plugin";

/// The interface of a plugin that goes into checkpoints with what it remembers.
const STATE: &str = "state";

/// All roles, as they stand in a sentence.
pub(crate) fn role_names() -> String {
    PluginRole::ALL.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", ")
}

/// The roles of a component that this host can run, and whether it exports what it remembers. Refuses everything else, and
/// says what it is.
pub(crate) fn inspect(bytes: &[u8]) -> Result<(Vec<PluginRole>, bool), LoadProblem> {
    // wasmtime's own format for compiled code is an ELF file.
    if bytes.starts_with(b"\x7fELF") {
        return Err(LoadProblem::Precompiled);
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(LoadProblem::NotWasm);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(LoadProblem::CoreModule);
    }
    structure::check_names(bytes)?;
    let names = interfaces(bytes).map_err(|error| LoadProblem::Damaged(error.to_string()))?;
    check_version(&names)?;
    check_imports(names.imports)?;
    let is_exported = |wanted: &str| names.exports.iter().any(|name| interface(name) == Some(wanted));
    let roles: Vec<_> = PluginRole::ALL.iter().copied().filter(|role| is_exported(role.interface())).collect();
    if roles.is_empty() {
        return Err(LoadProblem::NoRole { exports: names.exports });
    }
    let has_state = is_exported(STATE);
    Ok((roles, has_state))
}

/// The contract that a component was built for, as its names have it: `brewer:plugin@0.1.0`.
pub(crate) fn built_for(bytes: &[u8]) -> String {
    let names = interfaces(bytes).unwrap_or_default();
    let mut all = names.exports.iter().chain(&names.imports);
    let version = all.find_map(|name| name.strip_prefix(PACKAGE)?.split_once('@'));
    format!("{CONTRACT}@{}", version.map_or("?", |(_, version)| version))
}

/// Refuses a component for another contract: as long as the major version is 0, the minor one must be the same.
fn check_version(names: &Interfaces) -> Result<(), LoadProblem> {
    let spoken = series(VERSION);
    let versions = names.imports.iter().chain(&names.exports).filter_map(|name| name.strip_prefix(PACKAGE));
    for name in versions {
        let version = name.split_once('@').map_or("without a version", |(_, version)| version);
        if series(version) != spoken {
            return Err(LoadProblem::OtherContract { built_for: format!("{CONTRACT}@{version}") });
        }
    }
    Ok(())
}

/// Refuses a manifest that names another contract. A component without names of its own says it there alone.
pub(crate) fn check_manifest(contract: &str) -> Result<(), LoadProblem> {
    match contract.strip_prefix(CONTRACT).and_then(|rest| rest.strip_prefix('@')) {
        Some(version) if series(version) == series(VERSION) => Ok(()),
        _ => Err(LoadProblem::OtherContract { built_for: contract.to_owned() }),
    }
}

/// `0.1` of `0.1.7`, `1` of `1.7.0`: versions of one series understand each other.
fn series(version: &str) -> &str {
    let mut dots = version.match_indices('.').map(|(position, _)| position);
    let end = if version.starts_with("0.") { dots.nth(1) } else { dots.next() };
    &version[..end.unwrap_or(version.len())]
}

/// Refuses what this host does not give: all but the contract and WASI 0.2.
fn check_imports(mut imports: Vec<String>) -> Result<(), LoadProblem> {
    imports.retain(|name| !name.starts_with(PACKAGE) && !wasi::is_given(name));
    if imports.is_empty() { Ok(()) } else { Err(LoadProblem::UnknownImports { imports }) }
}

/// `adaptor` of `brewer:plugin/adaptor@0.1.0`.
fn interface(name: &str) -> Option<&str> {
    let name = name.strip_prefix(PACKAGE)?;
    Some(name.split_once('@').map_or(name, |(interface, _)| interface))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_one_series_understand_each_other() {
        assert_eq!(series("0.1.0"), series("0.1.9"));
        assert_ne!(series("0.1.0"), series("0.2.0"));
        assert_ne!(series("0.1.0"), series("1.1.0"));
        assert_eq!(series("1.1.0"), series("1.2.3"));
        assert_eq!(series("1"), "1");
    }
}
