//! One page of all operations, with what each is called in each language.

use anyhow::Result;

use super::{
    c,
    contract::{Contract, Docs, Function},
    javascript, python, rust,
    text::{header, wrap},
};

const INTRODUCTION: &str = "Tensors stay with the host; a plugin holds handles and asks the host to compute. This page lists \
    every function of the contract on tensors (`tensor.wit`, `losses.wit`, `values.wit`), and what it is called in each language. \
    A function needs a permission only where it says so.";

/// The page.
pub fn page(contract: &Contract) -> Result<String> {
    let mut text = header("<!--", " -->") + "\n# Operations\n\n";
    text.push_str(&paragraph(INTRODUCTION));
    text.push_str(
        "\n## Errors\n\nA function that cannot be done gives a code, and a sentence that says what was found.\n\n",
    );
    text.push_str("| code | |\n|---|---|\n");
    for code in &contract.error_codes {
        text.push_str(&format!("| `{}` | {} |\n", code.name, code.docs.paragraphs.join(" ")));
    }
    let kinds: Vec<String> = contract.kinds.iter().map(|kind| format!("`{}`", kind.name)).collect();
    text.push_str(&format!("\n## Kinds of elements\n\n{}", paragraph(&kinds.join(", "))));
    for (interface, docs) in &contract.interfaces {
        text.push_str(&format!("\n## The interface `{interface}`\n\n{}", described(docs)));
        let mut section: Option<(&Docs, &Option<String>)> = None;
        for function in contract.functions.iter().filter(|function| function.interface == *interface) {
            let place = (&function.section, &function.owner);
            if section != Some(place) {
                section = Some(place);
                text.push_str(&section_of(function));
            }
            text.push_str(&entry(contract, function)?);
        }
    }
    Ok(text)
}

/// The heading of a section, and what holds for all of it. Functions without one are those of a resource, or of the interface.
fn section_of(function: &Function) -> String {
    let mut docs = function.section.clone();
    if docs.paragraphs.is_empty() {
        let owner = function.owner.as_ref().map(|owner| format!("\n### The resource `{owner}`\n"));
        return owner.unwrap_or_default();
    }
    let title = docs.paragraphs.remove(0);
    let rest = described(&docs);
    if rest.is_empty() { format!("\n### {title}\n") } else { format!("\n### {title}\n\n{rest}") }
}

fn entry(contract: &Contract, function: &Function) -> Result<String> {
    let mut text = format!("\n#### `{}`\n\n{}", function.signature(), described(&function.docs));
    let is_in =
        |mut functions: Box<dyn Iterator<Item = &Function> + '_>| functions.any(|other| std::ptr::eq(other, function));
    let is_generated = is_in(Box::new(contract.operations()))
        || is_in(Box::new(contract.creation()))
        || is_in(Box::new(contract.losses()));
    if is_generated {
        let names = [
            ("Rust", rust::shown(function)),
            ("Python", python::shown(function)?),
            ("JavaScript", javascript::shown(function)?),
            ("C", c::shown(function)),
        ];
        text.push_str(&format!("\n{}", paragraph(&together(&names))));
    }
    Ok(text)
}

/// What a function is called in each language; those that agree are named together.
fn together(names: &[(&str, String)]) -> String {
    let mut parts: Vec<(String, &str)> = vec![];
    for (language, name) in names {
        match parts.iter_mut().find(|(_, other)| other == name) {
            Some((languages, _)) => languages.push_str(&format!(", {language}")),
            None => parts.push(((*language).to_owned(), name)),
        }
    }
    let parts: Vec<String> = parts.into_iter().map(|(languages, name)| format!("{languages}: {name}")).collect();
    parts.join("; ")
}

/// Documentation as paragraphs.
fn described(docs: &Docs) -> String {
    let mut paragraphs: Vec<String> = docs.paragraphs.iter().map(|text| paragraph(text)).collect();
    paragraphs.extend(docs.errors.iter().map(|errors| paragraph(&format!("Errors: {errors}"))));
    paragraphs.extend(docs.permission.iter().map(|permission| paragraph(&format!("Permission: {permission}."))));
    paragraphs.join("\n")
}

fn paragraph(text: &str) -> String {
    wrap(text, 120).join("\n") + "\n"
}
