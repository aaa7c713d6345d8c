//! Building a plugin, language by language.

mod c;
mod javascript;
mod python;
mod reproducible;
pub mod rust;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use c::{DEBIAN_PACKAGES as C_DEBIAN_PACKAGES, c};
pub use javascript::javascript;
pub use python::python;

use crate::component;

/// What a plugin in a language other than Rust is built from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file that defines the plugin; what lies beside it can be part of it.
    pub entry: &'a Path,
    /// The world of the contract that the plugin implements.
    pub world: &'a str,
    /// The folder of the contract's WIT files.
    pub wit: &'a Path,
    /// The language's SDK.
    pub sdk: &'a Path,
}

/// Reads the component that a tool has written, and refuses one that needs an operating system.
fn finished(path: &Path) -> Result<Vec<u8>> {
    let component = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    component::check(&component)?;
    Ok(component)
}
