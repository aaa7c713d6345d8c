//! From the core module that rustc links to the component that the host loads, and what a component asks for and offers.

use anyhow::{Context, Result, bail};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm};

/// Makes a component of a core module; `wit-bindgen` has left its types in a custom section.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .context("it cannot be made a component")?;
    check(&component)?;
    Ok(component)
}

/// Refuses a component that asks for an operating system, or that offers nothing.
pub fn check(component: &[u8]) -> Result<()> {
    let DecodedWasm::Component(resolve, world) =
        wit_component::decode(component).context("its interfaces cannot be read")?
    else {
        bail!("it is a WIT package; expected a component");
    };
    let world = &resolve.worlds[world];
    let imports: Vec<_> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    let wasi: Vec<_> = imports.iter().filter(|name| name.starts_with("wasi:")).map(String::as_str).collect();
    if !wasi.is_empty() {
        bail!(
            "it imports {}: an official plugin must need no WASI; build it without `std::fs`, clocks and the like",
            wasi.join(", ")
        );
    }
    if world.exports.is_empty() {
        bail!("it exports no role: its crate must call the SDK's export macro");
    }
    Ok(())
}

/// The names of what a component imports and exports.
#[derive(Debug, Default)]
pub struct Interfaces {
    /// What it asks for: `brewer:plugin/tensor@0.1.0`.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
}

/// Reads the outermost imports and exports; those of modules and components inside are their own affair.
///
/// # Errors
/// If the component is damaged.
pub fn interfaces(component: &[u8]) -> wasmparser::Result<Interfaces> {
    let mut interfaces = Interfaces::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    interfaces.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    interfaces.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> String {
        match check(&wat::parse_str(text).unwrap()) {
            Ok(()) => "fine".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn wasi_is_refused_by_name() {
        let text = checked(r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#);
        assert!(text.contains("it imports wasi:cli/environment@0.2.0"), "{text}");
    }

    #[test]
    fn a_component_must_export_something() {
        let text = checked(r#"(component (import "brewer:plugin/host@0.1.0" (instance)))"#);
        assert!(text.contains("exports no role"), "{text}");
        let role = r#"(component (instance $adaptor) (export "brewer:plugin/adaptor@0.1.0" (instance $adaptor)))"#;
        assert_eq!(checked(role), "fine");
    }

    #[test]
    fn what_is_no_module_is_refused() {
        let error = encode(b"not wasm").unwrap_err();
        assert!(error.to_string().contains("cannot be made a component"), "{error:#}");
    }
}
