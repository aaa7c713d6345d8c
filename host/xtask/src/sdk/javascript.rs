//! The surface in JavaScript, and its types for TypeScript with the documentation.

use anyhow::Result;

use super::{
    contract::{Argument, Contract, Function},
    signature::{Language, Parameter, Signature, refined},
    text::{Words, camel, comment, header},
};

/// The checks of `arguments.js`.
const CHECKS: [&str; 10] = [
    "checkedKind",
    "dimensions",
    "integer",
    "integers",
    "isNumber",
    "kindOf",
    "optionalScalar",
    "real",
    "reductionOf",
    "scalar",
];

/// The types of `index.d.ts` that signatures have.
const TYPES: [&str; 6] = ["Dims", "Float", "Kind", "Operand", "Reduction", "Tensor"];

/// The files below `sdk/javascript/src/generated/`.
pub fn files(contract: &Contract) -> Result<Vec<(&'static str, String)>> {
    let (creation, losses): (Vec<_>, Vec<_>) = (contract.creation().collect(), contract.losses().collect());
    Ok(vec![
        ("operations.js", operations(contract)?),
        ("operations.d.ts", operation_types(contract)?),
        ("creation.js", functions(contract, "tensor", &creation)?),
        ("creation.d.ts", types(contract, &creation)?),
        ("losses.js", functions(contract, "losses", &losses)?),
        ("losses.d.ts", types(contract, &losses)?),
    ])
}

fn operations(contract: &Contract) -> Result<String> {
    let mut body = String::new();
    for (function, with_number) in contract.methods() {
        let signature = Signature::of(function, Language::JavaScript)?;
        let call = format!("self.{}({})", camel(&function.name), arguments(&signature, "Operations"));
        let call = match with_number {
            Some(with_number) => {
                let other = &signature.parameters[0].name;
                let with_number = camel(&with_number.name);
                format!("\n            isNumber({other}) ? self.{with_number}(scalar({other})) : {call},\n        ")
            }
            None => call,
        };
        let head = format!("    {} {{\n", signature.written(Language::JavaScript, &[]));
        let space = if call.starts_with('\n') { "" } else { " " };
        body.push_str(&format!("\n{head}        return computed(this, (self) =>{space}{call});\n    }}\n"));
    }
    let mut text = header("//", "") + "\n";
    text.push_str(&imports(&body));
    text.push_str("import { TensorHandle, computed } from \"../handle.js\";\n\n");
    text.push_str("/** What tensors compute. `operations.d.ts` documents the methods. */\n");
    Ok(text + "export class Operations extends TensorHandle {" + &body + "}\n")
}

fn functions(contract: &Contract, interface: &str, functions: &[&Function]) -> Result<String> {
    let mut body = String::new();
    for function in functions {
        let signature = Signature::of(function, Language::JavaScript)?;
        let call = format!("contract.{}({})", camel(&function.name), arguments(&signature, "Tensor"));
        body.push_str(&format!("\nexport function {} {{\n", written(&signature)));
        let line = format!("    return made(() => {call});\n");
        body.push_str(if line.len() <= 121 { &line } else { "" });
        if line.len() > 121 {
            body.push_str(&format!("    return made(() =>\n        {call},\n    );\n"));
        }
        body.push_str("}\n");
    }
    let mut text = header("//", "") + "\n";
    text.push_str(&format!("import * as contract from \"brewer:plugin/{interface}@{}\";\n\n", contract.version));
    text.push_str(&imports(&body));
    let tensor = if body.contains("Tensor.") { "Tensor, made" } else { "made" };
    text.push_str(&format!("import {{ {tensor} }} from \"../tensor.js\";\n"));
    Ok(text + &body)
}

/// The imports of the checks that a body needs.
fn imports(body: &str) -> String {
    let used: Vec<&str> = CHECKS.into_iter().filter(|name| body.contains(&format!("{name}("))).collect();
    format!("import {{ {} }} from \"../arguments.js\";\n", used.join(", "))
}

/// Whether what has a default stands in an object at the end: that of losses, which nobody remembers the order of.
fn has_options(signature: &Signature) -> bool {
    signature.parameters.iter().any(|parameter| parameter.argument == Argument::Reduction)
}

/// A function as JavaScript has it: `name(a, { b = 1 } = {})`.
fn written(signature: &Signature) -> String {
    if !has_options(signature) {
        return signature.written(Language::JavaScript, &[]);
    }
    let (mut first, mut options) = (vec![], vec![]);
    for Parameter { name, default, .. } in &signature.parameters {
        match default {
            Some(default) => options.push(format!("{name} = {default}")),
            None => first.push(name.as_str()),
        }
    }
    format!("{}({}, {{ {} }} = {{}})", signature.name, first.join(", "), options.join(", "))
}

/// The arguments, checked. `class` has the handles of tensors.
fn arguments(signature: &Signature, class: &str) -> String {
    let checked = signature.parameters.iter().map(|parameter| {
        let name = &parameter.name;
        match parameter.argument {
            Argument::Tensor => format!("{class}.handle({name})"),
            Argument::Scalar => format!("scalar({name})"),
            Argument::OptionalScalar => format!("optionalScalar({name})"),
            Argument::Integer => format!("integer({name})"),
            Argument::Integers if parameter.default.is_some() => format!("dimensions({name})"),
            Argument::Integers => format!("integers({name})"),
            Argument::Real => format!("real({name})"),
            Argument::Boolean => format!("Boolean({name})"),
            Argument::Kind => format!("checkedKind({name})"),
            Argument::Reduction => format!("reductionOf({name})"),
        }
    });
    checked.collect::<Vec<_>>().join(", ")
}

fn operation_types(contract: &Contract) -> Result<String> {
    let mut body = "/** What tensors compute, with PyTorch's semantics. */\nexport class Operations {\n".to_owned();
    for (function, with_number) in contract.methods() {
        let signature = Signature::of(function, Language::JavaScript)?;
        body.push_str(&docs(contract, function, &signature, "    "));
        body.push_str(&declaration("    ", &signature, with_number.is_some()));
    }
    Ok(declarations(&(body + "}\n")))
}

fn types(contract: &Contract, functions: &[&Function]) -> Result<String> {
    let mut body = vec![];
    for function in functions {
        let signature = Signature::of(function, Language::JavaScript)?;
        let docs = docs(contract, function, &signature, "");
        body.push(docs + &declaration("export function ", &signature, false));
    }
    Ok(declarations(&body.join("\n")))
}

/// A file of types with the imports that its body needs.
fn declarations(body: &str) -> String {
    let is_used = |name: &&str| [": ", "| "].iter().any(|before| body.contains(&format!("{before}{name}")));
    let used: Vec<&str> = TYPES.into_iter().filter(is_used).collect();
    format!("{}\nimport type {{ {} }} from \"../index.js\";\n\n{body}", header("//", ""), used.join(", "))
}

fn declaration(prefix: &str, signature: &Signature, takes_number: bool) -> String {
    let (mut parameters, mut options) = (vec![], vec![]);
    for parameter in &signature.parameters {
        let ty = match parameter.argument {
            Argument::Tensor if takes_number => "Operand",
            Argument::Tensor => "Tensor",
            Argument::Scalar => "number | Float",
            Argument::OptionalScalar => "number | Float | null",
            Argument::Integer | Argument::Real => "number",
            Argument::Integers => "Dims",
            Argument::Boolean => "boolean",
            Argument::Kind => "Kind",
            Argument::Reduction => "Reduction",
        };
        let optional = if parameter.default.is_some() { "?" } else { "" };
        let typed = format!("{}{optional}: {ty}", parameter.name);
        let is_option = has_options(signature) && parameter.default.is_some();
        if is_option { options.push(typed) } else { parameters.push(typed) }
    }
    if !options.is_empty() {
        parameters.push(format!("options?: {{ {} }}", options.join("; ")));
    }
    let line = format!("{prefix}{}({}): Tensor;\n", signature.name, parameters.join(", "));
    if line.len() <= 121 {
        return line;
    }
    let parameters: String = parameters.iter().map(|parameter| format!("    {parameter},\n")).collect();
    format!("{prefix}{}(\n{parameters}): Tensor;\n", signature.name)
}

fn docs(contract: &Contract, function: &Function, signature: &Signature, indent: &str) -> String {
    let reduction = |name: &str| format!("\"{name}\"");
    let words = Words { contract, this: "this", kind: str::to_owned, reduction };
    let paragraphs = words.paragraphs(function, &signature.names());
    let text = comment(&paragraphs, &format!("{indent} * "));
    let one = text.trim().trim_start_matches("* ");
    if !one.contains('\n') && indent.len() + one.chars().count() + 7 <= 120 {
        return format!("{indent}/** {one} */\n");
    }
    format!("{indent}/**\n{text}{indent} */\n")
}

/// How the reference shows a function.
pub fn shown(function: &Function) -> Result<String> {
    let signature = Signature::of(function, Language::JavaScript)?;
    let place = if function.interface == "losses" { "losses." } else { "" };
    Ok(format!(
        "`{place}{}`",
        refined(function, Language::JavaScript).map_or_else(|| written(&signature), str::to_owned)
    ))
}
