//! How a function is called in a language: its name, and the names and defaults of its parameters.

use anyhow::{Result, ensure};

use super::{
    contract::{self, Argument, Contract, Function},
    table::{BY_HAND, C_FORMS, Fixed, Form, OPERATORS, PARAMETERS, REFINED, RUST_FORMS, SIGNATURES},
    text::{Words, camel, snake},
};

/// A language whose parameters have defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Python,
    JavaScript,
}

/// A function as such a language has it.
#[derive(Debug)]
pub struct Signature {
    pub name: String,
    pub parameters: Vec<Parameter>,
}

/// A parameter of it.
#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    /// Whether it collects the rest of Python's arguments.
    pub is_rest: bool,
    pub default: Option<String>,
    pub argument: Argument,
}

impl Signature {
    pub fn of(function: &Function, language: Language) -> Result<Self> {
        let row = SIGNATURES.iter().find(|row| row.function == function.name);
        let written = row.map_or("", |row| language.pick(row.python, row.javascript));
        let (name, parameters) = match written.strip_suffix(')').and_then(|written| written.split_once('(')) {
            Some((name, parameters)) => (name.to_owned(), parameters.split(", ").map(str::to_owned).collect()),
            None => {
                let names = function.parameters.iter().map(|parameter| language.parameter(&parameter.name));
                (language.case(function.method_name()), names.collect::<Vec<_>>())
            }
        };
        let parameters: Vec<String> = parameters.into_iter().filter(|parameter| !parameter.is_empty()).collect();
        ensure!(
            parameters.len() == function.parameters.len(),
            "the row of `{}` in host/xtask/src/sdk/table.rs has {} parameters in {language:?}, wit/ has {}",
            function.name,
            parameters.len(),
            function.parameters.len()
        );
        let parameters = parameters.iter().zip(&function.parameters).map(|(written, parameter)| {
            let (name, default) = match written.split_once('=') {
                Some((name, default)) => (name.trim(), Some(default.trim().to_owned())),
                None => (written.as_str(), None),
            };
            let is_rest = name.starts_with('*');
            let name = name.trim_start_matches('*').to_owned();
            Ok(Parameter { name, is_rest, default, argument: parameter.argument()? })
        });
        Ok(Self { name, parameters: parameters.collect::<Result<_>>()? })
    }

    pub fn names(&self) -> Vec<String> {
        self.parameters.iter().map(|parameter| parameter.name.clone()).collect()
    }

    /// As the language writes it, with `first` before its parameters and with their defaults.
    pub fn written(&self, language: Language, first: &[&str]) -> String {
        let parameters = self.parameters.iter().map(|parameter| {
            let star = if parameter.is_rest { "*" } else { "" };
            let equals = language.pick("=", " = ");
            let default = parameter.default.as_ref().map(|default| format!("{equals}{default}")).unwrap_or_default();
            format!("{star}{}{default}", parameter.name)
        });
        let all: Vec<String> = first.iter().map(|&first| first.to_owned()).chain(parameters).collect();
        format!("{}({})", self.name, all.join(", "))
    }
}

/// How a function is called that the language refines by hand.
pub fn refined(function: &Function, language: Language) -> Option<&'static str> {
    let row = REFINED.iter().find(|row| row.function == function.name)?;
    Some(language.pick(row.python, row.javascript)).filter(|written| !written.is_empty())
}

impl Language {
    fn pick<'a>(self, python: &'a str, javascript: &'a str) -> &'a str {
        match self {
            Self::Python => python,
            Self::JavaScript => javascript,
        }
    }

    fn case(self, name: &str) -> String {
        match self {
            Self::Python => snake(name),
            Self::JavaScript => camel(name),
        }
    }

    fn parameter(self, name: &str) -> String {
        let row = PARAMETERS.iter().find(|(parameter, ..)| *parameter == name);
        row.map_or_else(|| self.case(name), |(_, python, javascript)| self.pick(python, javascript).to_owned())
    }
}

/// A function in one of its forms, where a language has no optional arguments.
pub struct Written<'a> {
    pub function: &'a Function,
    pub name: String,
    fixed: Fixed,
    description: &'static str,
}

/// The forms of a function that a table has; failing that, the one that follows from WIT, called `name`.
pub fn forms<'a>(table: &[Form], function: &'a Function, name: String) -> Vec<Written<'a>> {
    let forms: Vec<_> = table
        .iter()
        .filter(|form| form.function == function.name)
        .map(|form| Written { function, name: form.name.to_owned(), fixed: form.fixed, description: form.description })
        .collect();
    if forms.is_empty() { vec![Written { function, name, fixed: &[], description: "" }] } else { forms }
}

impl Written<'_> {
    /// The argument that the form fixes for a parameter.
    pub fn value(&self, parameter: &contract::Parameter) -> Option<&'static str> {
        self.fixed.iter().find(|(name, _)| *name == parameter.name).map(|(_, value)| *value)
    }

    /// The parameters that it takes.
    pub fn taken(&self) -> impl Iterator<Item = &contract::Parameter> {
        self.function.parameters.iter().filter(|parameter| self.value(parameter).is_none())
    }

    /// What there is to say of it.
    pub fn paragraphs(&self, words: &Words) -> Vec<String> {
        let names = self.names();
        match self.description {
            "" => words.paragraphs(self.function, &names),
            description => words.of_form(self.function, &names, description),
        }
    }

    /// The names of the function's parameters in Rust and in C.
    pub fn names(&self) -> Vec<String> {
        self.function.parameters.iter().map(|parameter| snake(&parameter.name)).collect()
    }
}

/// Checks that every row of the tables is about a function of the contract, and that none is left out of the surface.
pub fn check_tables(contract: &Contract) -> Result<()> {
    let rows =
        SIGNATURES.iter().chain(REFINED).map(|row| row.function).chain(OPERATORS.iter().map(|(function, _)| *function));
    for name in rows.chain(RUST_FORMS.iter().chain(C_FORMS).map(|form| form.function)) {
        ensure!(
            contract.functions.iter().any(|function| function.name == name),
            "host/xtask/src/sdk/table.rs has a row of `{name}`, which wit/ does not have: remove it"
        );
    }
    for function in contract.surface().filter(|function| !function.gives_tensor()) {
        ensure!(
            BY_HAND.contains(&function.name.as_str()),
            "`{}` gives no tensor, so `cargo xtask sdk` does not write it: write it by hand in the four SDKs, and name it in \
             `BY_HAND` of host/xtask/src/sdk/table.rs",
            function.signature()
        );
    }
    Ok(())
}
