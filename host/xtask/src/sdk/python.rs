//! The surface in Python: modules with the documentation, and stubs with the types.

use anyhow::Result;

use super::{
    contract::{Argument, Contract, Function},
    signature::{Language, Parameter, Signature, refined},
    table::OPERATORS,
    text::{Words, comment, header, snake},
};

/// The checks of `brewer_sdk.arguments`.
const CHECKS: [&str; 9] =
    ["dimensions", "handle", "integer", "integers", "is_number", "real", "reduction_of", "scalar", "spread"];

/// The files below `sdk/python/brewer_sdk/generated/`.
pub fn files(contract: &Contract) -> Result<Vec<(&'static str, String)>> {
    let losses = Module {
        about: "Losses with PyTorch's definitions.",
        interface: "losses",
        functions: contract.losses().collect(),
    };
    let creation = Module {
        about: "New tensors, on the device of the model.",
        interface: "tensor",
        functions: contract.creation().collect(),
    };
    Ok(vec![
        ("__init__.py", header("#", "") + "\"\"\"What follows from the contract.\"\"\"\n"),
        ("operations.py", operations(contract)?),
        ("operations.pyi", operation_types(contract)?),
        ("creation.py", losses_or_creation(contract, &creation)?),
        ("creation.pyi", types(contract, &creation)?),
        ("losses.py", losses_or_creation(contract, &losses)?),
        ("losses.pyi", types(contract, &losses)?),
    ])
}

struct Module<'a> {
    about: &'static str,
    interface: &'static str,
    functions: Vec<&'a Function>,
}

fn operations(contract: &Contract) -> Result<String> {
    let mut body = String::new();
    for (function, with_number) in contract.methods() {
        let signature = Signature::of(function, Language::Python)?;
        let name = &signature.name;
        body.push_str(&format!("\n    def {}:\n", signature.written(Language::Python, &["self"])));
        body.push_str(&docs(contract, function, &signature, "        "));
        if let Some(with_number) = with_number {
            let other = &signature.parameters[0].name;
            body.push_str(&format!("        if is_number({other}):\n"));
            let asked = format!("self._handle.{}, scalar({other})", snake(&with_number.name));
            body.push_str(&returned("type(self)", &asked, "            "));
        }
        let asked = asked(&format!("self._handle.{}", snake(&function.name)), &signature);
        body.push_str(&returned("type(self)", &asked, "        "));
        if let Some((_, operator)) = OPERATORS.iter().find(|(name, _)| *name == function.name) {
            body.push_str(&operator_method(operator, name, &signature, with_number.is_some()));
        }
    }
    let mut text = header("#", "") + "\"\"\"What tensors compute, with the names and semantics of torch.\"\"\"\n\n";
    text.push_str(&imports(&body, "."));
    text.push_str(
        "\n\nclass Operations:\n    \"\"\"The methods and operators of a `Tensor` that ask the host.\"\"\"\n\n",
    );
    Ok(text + "    __slots__ = ()\n" + &body)
}

/// An operator leaves operands of other types to Python.
fn operator_method(operator: &str, name: &str, signature: &Signature, takes_number: bool) -> String {
    let Some(other) = signature.parameters.first().map(|parameter| &parameter.name) else {
        return format!("\n    {operator} = {name}\n");
    };
    let number = if takes_number { format!(" or is_number({other})") } else { String::new() };
    format!(
        "\n    def {operator}(self, {other}):\n        return self.{name}({other}) if isinstance({other}, Operations){number} \
         else NotImplemented\n"
    )
}

fn losses_or_creation(contract: &Contract, module: &Module<'_>) -> Result<String> {
    let (mut body, mut names) = (String::new(), vec![]);
    for function in &module.functions {
        let signature = of_module(function)?;
        body.push_str(&format!("\n\ndef {}:\n", signature.written(Language::Python, &[])));
        body.push_str(&docs(contract, function, &signature, "    "));
        let asked = asked(&format!("contract.{}", snake(&function.name)), &signature);
        body.push_str(&returned("Tensor", &asked, "    "));
        names.push(signature.name);
    }
    let mut text = header("#", "") + &format!("\"\"\"{}\"\"\"\n\n", module.about);
    text.push_str(&format!("from wit_world.imports import {} as contract\n\n", module.interface));
    text.push_str(&imports(&body, "."));
    text.push_str(&format!("from ..tensor import Tensor\n\n{}", public(&names)));
    Ok(text + &body)
}

/// A function of a module. What is refined by hand has an underscore, so that the module beside it can have the name.
fn of_module(function: &Function) -> Result<Signature> {
    let mut signature = Signature::of(function, Language::Python)?;
    if refined(function, Language::Python).is_some() {
        signature.name.insert(0, '_');
    }
    Ok(signature)
}

/// The names that a module gives away.
fn public(names: &[String]) -> String {
    let names = names.iter().filter(|name| !name.starts_with('_'));
    format!("__all__ = [{}]\n", names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "))
}

/// The imports from the package that a body needs.
fn imports(body: &str, package: &str) -> String {
    let used = |name: &&&str| body.contains(&format!("{name}("));
    let checks: Vec<&str> = CHECKS.iter().filter(used).copied().collect();
    let kinds = if body.contains("kinds.") { format!("from .{package} import kinds\n") } else { String::new() };
    format!("{kinds}from .{package}arguments import {}\nfrom .{package}errors import ask\n", checks.join(", "))
}

/// What is asked of the host: the function, and the arguments checked.
fn asked(function: &str, signature: &Signature) -> String {
    let arguments = signature.parameters.iter().map(argument);
    [function.to_owned()].into_iter().chain(arguments).collect::<Vec<_>>().join(", ")
}

fn returned(made: &str, asked: &str, indent: &str) -> String {
    let line = format!("{indent}return {made}(ask({asked}))\n");
    if line.len() <= 121 {
        return line;
    }
    format!("{indent}return {made}(\n{indent}    ask({asked})\n{indent})\n")
}

/// An argument, checked: a value of another type would end the call without a word.
fn argument(parameter: &Parameter) -> String {
    let name = &parameter.name;
    match parameter.argument {
        Argument::Tensor => format!("handle({name})"),
        Argument::Scalar => format!("scalar({name})"),
        Argument::OptionalScalar => format!("None if {name} is None else scalar({name})"),
        Argument::Integer => format!("integer({name})"),
        Argument::Integers if parameter.is_rest => format!("spread({name})"),
        Argument::Integers if parameter.default.is_some() => format!("dimensions({name})"),
        Argument::Integers => format!("integers({name})"),
        Argument::Real => format!("real({name})"),
        Argument::Boolean => format!("bool({name})"),
        Argument::Kind => format!("kinds.checked({name})"),
        Argument::Reduction => format!("reduction_of({name})"),
    }
}

fn docs(contract: &Contract, function: &Function, signature: &Signature, indent: &str) -> String {
    let reduction = |name: &str| format!("\"{name}\"");
    let words = Words { contract, this: "self", kind: str::to_owned, reduction };
    let paragraphs = words.paragraphs(function, &signature.names());
    let text = comment(&paragraphs, indent);
    let text = text.trim();
    // Three quotation marks in front and behind.
    let is_one_line = !text.contains('\n') && indent.len() + text.chars().count() + 6 <= 120;
    if is_one_line {
        format!("{indent}\"\"\"{text}\"\"\"\n")
    } else {
        format!("{indent}\"\"\"\n{indent}{text}\n{indent}\"\"\"\n")
    }
}

fn operation_types(contract: &Contract) -> Result<String> {
    let mut body = "class Operations:\n".to_owned();
    for (function, with_number) in contract.methods() {
        let signature = Signature::of(function, Language::Python)?;
        let parameters = typed(contract, &signature, with_number.is_some());
        let all: String = parameters.iter().map(|parameter| format!(", {parameter}")).collect();
        body.push_str(&format!("    def {}(self{all}) -> Tensor: ...\n", signature.name));
        if let Some((_, operator)) = OPERATORS.iter().find(|(name, _)| *name == function.name) {
            // As torch's: `==` compares elements, while Python's own gives a truth value.
            let is_own = ["__eq__", "__ne__"].contains(operator);
            let ignored = if is_own { "  # type: ignore[override]" } else { "" };
            body.push_str(&format!("    def {operator}(self{all}) -> Tensor: ...{ignored}\n"));
        }
    }
    Ok(stub(&body))
}

fn types(contract: &Contract, module: &Module<'_>) -> Result<String> {
    let (mut body, mut names) = (String::new(), vec![]);
    for function in &module.functions {
        let signature = of_module(function)?;
        let parameters = typed(contract, &signature, false).join(", ");
        body.push_str(&format!("def {}({parameters}) -> Tensor: ...\n", signature.name));
        names.push(signature.name);
    }
    Ok(stub(&format!("{}\n{body}", public(&names))))
}

/// A stub with the imports that its body needs.
fn stub(body: &str) -> String {
    let used = |name: &str, import: &str| if body.contains(name) { import.to_owned() } else { String::new() };
    let sequence = used("Sequence[", "from collections.abc import Sequence\n");
    let literal = used("Literal[", "from typing import Literal\n");
    let kind = used(": Kind", "from ..kinds import Kind\n");
    header("#", "") + &sequence + &literal + "\n" + &kind + "from ..tensor import Tensor\n\n" + body
}

fn typed(contract: &Contract, signature: &Signature, takes_number: bool) -> Vec<String> {
    let typed = |parameter: &Parameter| {
        let integers = if parameter.default.is_some() { "int | Sequence[int] | None" } else { "int | Sequence[int]" };
        let ty = match parameter.argument {
            Argument::Tensor if takes_number => "Tensor | float".to_owned(),
            Argument::Tensor => "Tensor".to_owned(),
            Argument::Scalar | Argument::Real => "float".to_owned(),
            Argument::OptionalScalar => "float | None".to_owned(),
            Argument::Integer => "int".to_owned(),
            Argument::Integers => integers.to_owned(),
            Argument::Boolean => "bool".to_owned(),
            Argument::Kind => "Kind".to_owned(),
            Argument::Reduction => {
                let names: Vec<String> = contract.reductions.iter().map(|case| format!("\"{}\"", case.name)).collect();
                format!("Literal[{}]", names.join(", "))
            }
        };
        let star = if parameter.is_rest { "*" } else { "" };
        let default = if parameter.default.is_some() { " = ..." } else { "" };
        format!("{star}{}: {ty}{default}", parameter.name)
    };
    signature.parameters.iter().map(typed).collect()
}

/// How the reference shows a function.
pub fn shown(function: &Function) -> Result<String> {
    let signature = Signature::of(function, Language::Python)?;
    let place = if function.interface == "losses" { "functional." } else { "" };
    let operator = OPERATORS.iter().find(|(name, _)| *name == function.name).and_then(|(_, method)| symbol(method));
    let operator = operator.map(|symbol| format!(", `{symbol}`")).unwrap_or_default();
    let written = signature.written(Language::Python, &[]).replace("kinds.", "");
    Ok(format!("`{place}{}`{operator}", refined(function, Language::Python).unwrap_or(&written)))
}

/// The operator that a method of Python's is.
fn symbol(method: &str) -> Option<&'static str> {
    const SYMBOLS: [(&str, &str); 12] = [
        ("__add__", "+"),
        ("__sub__", "-"),
        ("__mul__", "*"),
        ("__truediv__", "/"),
        ("__eq__", "=="),
        ("__ne__", "!="),
        ("__lt__", "<"),
        ("__le__", "<="),
        ("__gt__", ">"),
        ("__ge__", ">="),
        ("__matmul__", "@"),
        ("__neg__", "-"),
    ];
    SYMBOLS.iter().find(|(name, _)| *name == method).map(|(_, symbol)| *symbol)
}
