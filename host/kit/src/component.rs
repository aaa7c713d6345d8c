//! From the core module that rustc links to the component that the host loads.

use anyhow::{Context, Result, bail};
use wit_component::{ComponentEncoder, DecodedWasm};

/// Makes a component of a core module; `wit-bindgen` has left its types in a custom section.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
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
