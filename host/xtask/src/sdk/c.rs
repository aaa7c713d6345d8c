//! The surface in C: a header with the functions and the macros that note their lines, and what asks the host.

use anyhow::Result;

use super::{
    contract::{Argument, Contract, Function, Parameter},
    signature::{Written, forms},
    table::C_FORMS,
    text::{Words, header, shouted, snake, wrap},
};

/// The files below `sdk/c/`.
pub fn files(contract: &Contract) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![("include/brewer_operations.h", declared(contract)?), ("src/operations.c", defined(contract)?)])
}

impl Written<'_> {
    fn is_method(&self) -> bool {
        self.function.owner.is_some()
    }

    fn declaration(&self) -> Result<String> {
        let mut parameters = Vec::from_iter(self.is_method().then(|| "Tensor self".to_owned()));
        for parameter in self.taken() {
            parameters.push(format!("{} {}", spelling(parameter)?, snake(&parameter.name)));
        }
        Ok(format!("Tensor {}({})", self.name, parameters.join(", ")))
    }

    /// The macro that notes the plugin's line, and takes plain numbers as scalars.
    fn noting(&self) -> Result<String> {
        let (mut names, mut arguments) = (vec![], vec![]);
        let mut has_scalar = false;
        if self.is_method() {
            (names, arguments) = (vec!["self".to_owned()], vec!["self".to_owned()]);
        }
        for parameter in self.taken() {
            let is_scalar = matches!(parameter.argument()?, Argument::Scalar | Argument::OptionalScalar);
            let name = snake(&parameter.name);
            arguments.push(if is_scalar { format!("scalar({name})") } else { name.clone() });
            names.push(name);
            has_scalar |= is_scalar;
        }
        // `(Shape){sizes, count}` has a comma, at which a macro with named parameters would split it: `...` takes it whole.
        let (names, arguments) = match has_scalar {
            true => (names.join(", "), arguments.join(", ")),
            false => ("...".to_owned(), "__VA_ARGS__".to_owned()),
        };
        Ok(format!("#define {0}({names}) BREWER_HERE({0}, {arguments})\n", self.name))
    }

    fn definition(&self) -> Result<String> {
        let function = self.function;
        let mut handles = Vec::from_iter(self.is_method().then(|| "self".to_owned()));
        let mut arguments = Vec::from_iter(self.is_method().then(|| "of(self)".to_owned()));
        let mut text = format!("{} {{\n", self.declaration()?);
        for parameter in &function.parameters {
            if let Some(value) = self.value(parameter) {
                arguments.push(value.to_owned());
                continue;
            }
            let name = snake(&parameter.name);
            match parameter.argument()? {
                Argument::Tensor => {
                    arguments.push(format!("of({name})"));
                    handles.push(name);
                }
                Argument::Scalar | Argument::OptionalScalar => {
                    text.push_str(&format!("    brewer_plugin_tensor_scalar_t {name}_number = scalar_of({name});\n"));
                    arguments.push(format!("&{name}_number"));
                }
                Argument::Integers => {
                    text.push_str(&format!("    contract_list_s64_t {name}_list = list_of({name});\n"));
                    arguments.push(format!("&{name}_list"));
                }
                Argument::Integer | Argument::Real | Argument::Boolean | Argument::Kind | Argument::Reduction => {
                    arguments.push(name);
                }
            }
        }
        let asked = if self.is_method() { "tensor_method_tensor" } else { &function.interface };
        arguments.extend(["&made".to_owned(), "&error".to_owned()]);
        let call = format!("brewer_plugin_{asked}_{}({})", snake(&function.name), arguments.join(", "));
        let possible = possible(&handles);
        let line = format!("    TENSOR({possible}, {call});\n");
        if line.len() <= 121 {
            text.push_str(&line);
        } else {
            text.push_str(&format!("    TENSOR({possible},\n           {call});\n"));
        }
        Ok(text + "}\n")
    }
}

/// Whether the host can be asked with these handles.
fn possible(handles: &[String]) -> String {
    let pairs: Vec<String> = handles
        .chunks(2)
        .map(|pair| match pair {
            [first, second] => format!("can_ask2({first}.handle, {second}.handle)"),
            rest => rest.iter().map(|handle| format!("can_ask({handle}.handle)")).collect(),
        })
        .collect();
    if pairs.is_empty() { "!brewer_failed()".to_owned() } else { pairs.join(" && ") }
}

/// The functions of the surface, in all their forms: those of tensors, new tensors, losses.
fn all(contract: &Contract) -> Vec<Written<'_>> {
    let functions = contract.operations().chain(contract.creation()).chain(contract.losses());
    functions.flat_map(written).collect()
}

fn written(function: &Function) -> Vec<Written<'_>> {
    let prefix = if function.interface == "losses" { "loss" } else { "tensor" };
    forms(C_FORMS, function, format!("{prefix}_{}", snake(&function.name)))
}

fn declared(contract: &Contract) -> Result<String> {
    let mut text = header("/*", " */");
    text.push_str("#ifndef BREWER_OPERATIONS_H\n#define BREWER_OPERATIONS_H\n");
    let mut section = None;
    let all = all(contract);
    for written in &all {
        if section != Some(&written.function.section) {
            section = Some(&written.function.section);
            text.push_str(&section_comment(contract, written));
        }
        text.push_str(&format!("{}{};\n", docs(contract, written), written.declaration()?));
    }
    text.push_str("\n#ifndef BREWER_NO_LINES\n\n");
    for written in &all {
        text.push_str(&written.noting()?);
    }
    Ok(text + "\n#endif\n#endif\n")
}

fn defined(contract: &Contract) -> Result<String> {
    let mut text = header("/*", " */") + "#include \"call.h\"\n";
    for written in all(contract) {
        text.push_str(&format!("\n{}", written.definition()?));
    }
    Ok(text)
}

/// The type of a parameter.
fn spelling(parameter: &Parameter) -> Result<&'static str> {
    Ok(match parameter.argument()? {
        Argument::Tensor => "Tensor",
        Argument::Scalar | Argument::OptionalScalar => "Scalar",
        Argument::Integer => "int64_t",
        Argument::Integers if parameter.name == "dims" => "Dims",
        Argument::Integers => "Shape",
        Argument::Real => "double",
        Argument::Boolean => "bool",
        Argument::Kind => "Kind",
        Argument::Reduction => "Reduction",
    })
}

/// The comment above the first function of a section. Losses are the only ones without a section in the contract.
fn section_comment(contract: &Contract, first: &Written<'_>) -> String {
    let title = first.function.section.paragraphs.first().map_or("Losses", String::as_str);
    let paragraphs = words(contract).of_section(first.function, &first.names());
    let rest = if paragraphs.is_empty() { String::new() } else { block(&paragraphs.join(" ")) + "\n" };
    format!("\n/* ---- {title} ---- */\n\n{rest}")
}

fn docs(contract: &Contract, written: &Written<'_>) -> String {
    block(&written.paragraphs(&words(contract)).join(" "))
}

fn words(contract: &Contract) -> Words<'_> {
    let reduction = |name: &str| format!("REDUCE_{}", shouted(name));
    Words { contract, this: "self", kind: shouted, reduction }
}

/// A comment of one line or several.
fn block(text: &str) -> String {
    format!("/* {} */\n", wrap(text, 114).join("\n * "))
}

/// How the reference shows a function: its forms.
pub fn shown(function: &Function) -> String {
    let forms = written(function).into_iter().map(|written| {
        let names = written.taken().map(|parameter| snake(&parameter.name));
        let all: Vec<String> = written.is_method().then(|| "self".to_owned()).into_iter().chain(names).collect();
        format!("`{}({})`", written.name, all.join(", "))
    });
    forms.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn sections_and_forms_are_described_in_the_words_of_c() {
        let header = declared(&Contract::read(&Workspace::here().root().join("wit")).unwrap()).unwrap();
        for expected in [
            "/* Element by element, into `BOOLEAN` tensors. Two tensors broadcast. Errors: `bad-shape`",
            "if `keep_dims`. Errors: `bad-dimension`",
            "/* Each element, but at least `min`. */\nTensor tensor_clamp_min(Tensor self, Scalar min);",
        ] {
            assert!(header.replace("\n * ", " ").contains(expected), "{expected}");
        }
    }
}
