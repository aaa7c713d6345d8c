//! The surface in Rust.

use anyhow::Result;

use super::{
    contract::{Argument, Contract, Function},
    signature::forms,
    table::RUST_FORMS,
    text::{Words, comment, header, pascal, snake},
};

/// The files below `sdk/rust/src/generated/`.
pub fn files(contract: &Contract) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("mod.rs", module()),
        ("operations.rs", operations(contract)?),
        ("creation.rs", creation(contract)?),
        ("losses.rs", losses(contract)?),
    ])
}

fn module() -> String {
    header("//", "")
        + "//! What follows from the contract: the operations of tensors, and functions that make tensors.\n\n\
        mod creation;\npub mod losses;\nmod operations;\n"
}

fn operations(contract: &Contract) -> Result<String> {
    let mut text = header("//", "")
        + "use crate::{Operand, Result, Scalar, Tensor, bindings::brewer::plugin::tensor::Kind};\n\nimpl Tensor {\n";
    let mut methods = vec![];
    for (function, with_number) in contract.methods() {
        match with_number {
            Some(with_number) => methods.push(with_operand(contract, function, with_number)),
            None => {
                let call = format!("self.handle().{}", binding(function));
                methods.extend(written(contract, function, Some("&self"), &call, "    ")?);
            }
        }
    }
    text.push_str(&methods.join("\n"));
    Ok(text + "}\n")
}

fn creation(contract: &Contract) -> Result<String> {
    let mut text = header("//", "")
        + "use crate::{\n    Result, Scalar, Tensor,\n    bindings::brewer::plugin::tensor::{self, Kind},\n};\n\nimpl Tensor {\n";
    let mut functions = vec![];
    for function in contract.creation() {
        functions.extend(written(contract, function, None, &format!("tensor::{}", binding(function)), "    ")?);
    }
    text.push_str(&functions.join("\n"));
    Ok(text + "}\n")
}

fn losses(contract: &Contract) -> Result<String> {
    let mut text = header("//", "")
        + "use crate::{\n    Result, Tensor,\n    bindings::brewer::plugin::losses::{self, Reduction},\n    losses::IGNORED,\n};\n\n";
    let mut functions = vec![];
    for function in contract.losses() {
        functions.extend(written(contract, function, None, &format!("losses::{}", binding(function)), "")?);
    }
    text.push_str(&functions.join("\n"));
    Ok(text)
}

/// A function in each of its forms. `call` is what asks the host.
fn written(
    contract: &Contract,
    function: &Function,
    this: Option<&str>,
    call: &str,
    indent: &str,
) -> Result<Vec<String>> {
    let mut made = vec![];
    for written in forms(RUST_FORMS, function, snake(function.method_name())) {
        let (mut parameters, mut arguments) = (Vec::from_iter(this.map(str::to_owned)), vec![]);
        for parameter in &function.parameters {
            if let Some(value) = written.value(parameter) {
                arguments.push(value.to_owned());
                continue;
            }
            let name = snake(&parameter.name);
            let (ty, argument) = spelling(parameter.argument()?, &name);
            parameters.push(format!("{name}: {ty}"));
            arguments.push(argument);
        }
        let call = format!("Ok(Tensor::new({call}({})?))", arguments.join(", "));
        let docs = comment(&written.paragraphs(&words(contract)), &format!("{indent}/// "));
        let signature = signature(&written.name, "", &parameters, indent);
        made.push(format!("{docs}{signature}{indent}    {call}\n{indent}}}\n"));
    }
    Ok(made)
}

/// A method that takes a tensor or a number.
fn with_operand(contract: &Contract, function: &Function, with_number: &Function) -> String {
    let (name, other) = (snake(&function.name), snake(&function.parameters[0].name));
    let parameters = ["&self".to_owned(), format!("{other}: impl Into<Operand<'a>>")];
    let docs = comment(&words(contract).paragraphs(function, std::slice::from_ref(&other)), "    /// ");
    let mut text = docs + &signature(&name, "<'a>", &parameters, "    ");
    text.push_str(&format!("        let handle = match {other}.into() {{\n"));
    for (case, call) in [
        (format!("Borrowed({other})"), format!("{}({other}.handle())", binding(function))),
        (format!("Owned({other})"), format!("{}({other}.handle())", binding(function))),
        ("Number(number)".to_owned(), format!("{}(number)", binding(with_number))),
    ] {
        text.push_str(&format!("            Operand::{case} => self.handle().{call},\n"));
    }
    text + "        };\n        Ok(Tensor::new(handle?))\n    }\n"
}

/// The first lines of a function, as rustfmt breaks them.
fn signature(name: &str, generics: &str, parameters: &[String], indent: &str) -> String {
    let line = format!("{indent}pub fn {name}{generics}({}) -> Result<Tensor> {{\n", parameters.join(", "));
    if line.trim_end().len() <= 120 {
        return line;
    }
    let parameters: String = parameters.iter().map(|parameter| format!("{indent}    {parameter},\n")).collect();
    format!("{indent}pub fn {name}{generics}(\n{parameters}{indent}) -> Result<Tensor> {{\n")
}

/// The type of a parameter, and the argument that it becomes.
fn spelling(argument: Argument, name: &str) -> (&'static str, String) {
    match argument {
        Argument::Tensor => ("&Tensor", format!("{name}.handle()")),
        Argument::Scalar => ("impl Into<Scalar>", format!("{name}.into()")),
        Argument::OptionalScalar => ("impl Into<Scalar>", format!("Some({name}.into())")),
        Argument::Integer => ("i64", name.to_owned()),
        Argument::Integers => ("&[i64]", name.to_owned()),
        Argument::Real => ("f64", name.to_owned()),
        Argument::Boolean => ("bool", name.to_owned()),
        Argument::Kind => ("Kind", name.to_owned()),
        Argument::Reduction => ("Reduction", name.to_owned()),
    }
}

/// The name of the binding that wit-bindgen makes.
fn binding(function: &Function) -> String {
    let name = snake(&function.name);
    if name == "where" { "where_".to_owned() } else { name }
}

fn words(contract: &Contract) -> Words<'_> {
    Words { contract, this: "self", kind: pascal, reduction: |name| format!("Reduction::{}", pascal(name)) }
}

/// How the reference shows a function: its forms.
pub fn shown(function: &Function) -> String {
    let place = match (function.owner.as_deref(), function.interface.as_str()) {
        (Some(_), _) => "",
        (None, "losses") => "losses::",
        _ => "Tensor::",
    };
    let forms = forms(RUST_FORMS, function, snake(function.method_name())).into_iter().map(|written| {
        let names: Vec<String> = written.taken().map(|parameter| snake(&parameter.name)).collect();
        format!("`{place}{}({})`", written.name, names.join(", "))
    });
    forms.collect::<Vec<_>>().join(", ")
}
