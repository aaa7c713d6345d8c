//! The contract's functions on tensors, read from `wit/`: what the writers of the SDKs need to know of them.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use wit_parser::{FunctionKind, Handle, InterfaceId, Resolve, Type, TypeDefKind, TypeId};

/// The interfaces whose functions are operations, in the order of the reference.
const INTERFACES: [&str; 3] = ["tensor", "losses", "values"];

/// What the contract says of tensors.
pub struct Contract {
    /// Of the package: `0.1.0`.
    pub version: String,
    pub functions: Vec<Function>,
    /// The documentation of each interface.
    pub interfaces: Vec<(String, Docs)>,
    pub kinds: Vec<Case>,
    pub error_codes: Vec<Case>,
    pub reductions: Vec<Case>,
}

/// A case of an enum.
pub struct Case {
    pub name: String,
    pub docs: Docs,
}

/// One function or method.
pub struct Function {
    pub interface: String,
    /// The resource that it is a method or the constructor of.
    pub owner: Option<String>,
    /// As in WIT: `log-softmax`.
    pub name: String,
    /// All but the resource itself.
    pub parameters: Vec<Parameter>,
    /// As in WIT: `tensor`. Where the function may fail, this is what it gives otherwise.
    pub result: Option<String>,
    pub docs: Docs,
    pub section: Docs,
}

/// A parameter of a function.
pub struct Parameter {
    pub name: String,
    /// As in WIT: `borrow<tensor>`.
    pub text: String,
}

/// The types of parameters that operations have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    Tensor,
    Scalar,
    OptionalScalar,
    Integer,
    Integers,
    Real,
    Boolean,
    Kind,
    Reduction,
}

/// A documentation comment: paragraphs, the last ones of which may say errors and the permission that is needed. A section's
/// first paragraph is its title.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Docs {
    pub paragraphs: Vec<String>,
    pub errors: Option<String>,
    pub permission: Option<String>,
}

impl Docs {
    fn parse(text: &str) -> Self {
        let mut docs = Self::default();
        for paragraph in text.trim().split("\n\n") {
            let paragraph = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
            if let Some(errors) = paragraph.strip_prefix("Errors: ") {
                docs.errors = Some(errors.to_owned());
            } else if let Some(permission) = paragraph.strip_prefix("Permission: ") {
                docs.permission = Some(permission.trim_end_matches('.').to_owned());
            } else if !paragraph.is_empty() {
                docs.paragraphs.push(paragraph);
            }
        }
        docs
    }
}

impl Parameter {
    /// The type of the parameter of an operation.
    pub fn argument(&self) -> Result<Argument> {
        Ok(match self.text.as_str() {
            "borrow<tensor>" => Argument::Tensor,
            "scalar" => Argument::Scalar,
            "option<scalar>" => Argument::OptionalScalar,
            "s64" => Argument::Integer,
            "list<s64>" => Argument::Integers,
            "f64" => Argument::Real,
            "bool" => Argument::Boolean,
            "kind" => Argument::Kind,
            "reduction" => Argument::Reduction,
            other => bail!(
                "`cargo xtask sdk` knows no parameter of the type `{other}` (`{}`): give it an `Argument` in \
                 host/xtask/src/sdk/contract.rs and a spelling in each writer",
                self.name
            ),
        })
    }
}

impl Function {
    /// As in WIT, without the errors that it may give: `softmax(dim: s64) -> tensor`.
    pub fn signature(&self) -> String {
        let parameters: Vec<String> =
            self.parameters.iter().map(|parameter| format!("{}: {}", parameter.name, parameter.text)).collect();
        let result = self.result.as_ref().map(|result| format!(" -> {result}")).unwrap_or_default();
        format!("{}({}){result}", self.name, parameters.join(", "))
    }

    /// Its name in a language in which one method takes a tensor or a number: `add-scalar` is `add`, too.
    pub fn method_name(&self) -> &str {
        self.name.strip_suffix("-scalar").unwrap_or(&self.name)
    }

    fn gives_tensor(&self) -> bool {
        self.result.as_deref() == Some("tensor")
    }
}

impl Contract {
    /// Reads the folder of WIT files.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        let version = resolve.packages[package].name.version.as_ref().context("the package in wit/ has no version")?;
        let (mut functions, mut interfaces) = (vec![], vec![]);
        for name in INTERFACES {
            let id = resolve.packages[package].interfaces.get(name);
            let id = *id.with_context(|| format!("{} has no interface `{name}`", folder.display()))?;
            interfaces
                .push((name.to_owned(), Docs::parse(resolve.interfaces[id].docs.contents.as_deref().unwrap_or(""))));
            let path = folder.join(format!("{name}.wit"));
            let source = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            functions.extend(read_functions(&resolve, id, name, comments(&source))?);
        }
        let cases = |interface: &str, name: &str| read_cases(&resolve, package, interface, name);
        Ok(Self {
            version: version.to_string(),
            functions,
            interfaces,
            kinds: cases("tensor", "kind")?,
            error_codes: cases("tensor", "error-code")?,
            reductions: cases("losses", "reduction")?,
        })
    }

    /// The methods of a tensor that give a tensor.
    pub fn operations(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| function.owner.as_deref() == Some("tensor") && function.gives_tensor())
    }

    /// The functions that make new tensors.
    pub fn creation(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| function.interface == "tensor" && function.owner.is_none())
    }

    pub fn losses(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| function.interface == "losses")
    }

    /// The operations as languages have them in which one method takes a tensor or a number: with each `add` its
    /// `add-scalar`, where there are both.
    pub fn methods(&self) -> impl Iterator<Item = (&Function, Option<&Function>)> {
        let find = |name: &str| self.operations().find(|function| function.name == name);
        self.operations().filter_map(move |function| {
            let is_second = function.name.strip_suffix("-scalar").is_some_and(|first| find(first).is_some());
            (!is_second).then(|| (function, find(&format!("{}-scalar", function.name))))
        })
    }
}

fn read_functions(
    resolve: &Resolve,
    interface: InterfaceId,
    interface_name: &str,
    comments: Vec<Comments>,
) -> Result<Vec<Function>> {
    let functions = &resolve.interfaces[interface].functions;
    ensure!(
        functions.len() == comments.len(),
        "wit/{interface_name}.wit has {} functions, and {} lines that begin one: each begins a line, `name: func(`",
        functions.len(),
        comments.len()
    );
    let mut read = vec![];
    for (function, Comments { name, docs, section }) in functions.values().zip(comments) {
        ensure!(function.item_name() == name, "`{name}` in wit/{interface_name}.wit is not where it was expected");
        let owner = match function.kind {
            FunctionKind::Method(id) | FunctionKind::Constructor(id) => resolve.types[id].name.clone(),
            _ => None,
        };
        let is_method = matches!(function.kind, FunctionKind::Method(_));
        let mut parameters = vec![];
        for parameter in function.params.iter().skip(usize::from(is_method)) {
            parameters.push(Parameter { name: parameter.name.clone(), text: text(resolve, &parameter.ty)? });
        }
        read.push(Function {
            interface: interface_name.to_owned(),
            owner,
            name,
            parameters,
            result: function.result.as_ref().map(|result| text_of_success(resolve, result)).transpose()?.flatten(),
            docs,
            section,
        });
    }
    Ok(read)
}

fn read_cases(resolve: &Resolve, package: wit_parser::PackageId, interface: &str, name: &str) -> Result<Vec<Case>> {
    let found =
        resolve.packages[package].interfaces.get(interface).and_then(|id| resolve.interfaces[*id].types.get(name));
    let id = *found.with_context(|| format!("wit/{interface}.wit has no `{name}`"))?;
    let TypeDefKind::Enum(cases) = &resolve.types[id].kind else {
        bail!("`{name}` in wit/{interface}.wit is no enum");
    };
    let docs = |text: &Option<String>| Docs::parse(text.as_deref().unwrap_or(""));
    Ok(cases.cases.iter().map(|case| Case { name: case.name.clone(), docs: docs(&case.docs.contents) }).collect())
}

/// What a function gives if it does not fail.
fn text_of_success(resolve: &Resolve, result: &Type) -> Result<Option<String>> {
    if let Type::Id(id) = result
        && let TypeDefKind::Result(result) = &resolve.types[*id].kind
    {
        return result.ok.as_ref().map(|ok| text(resolve, ok)).transpose();
    }
    text(resolve, result).map(Some)
}

/// A type as WIT writes it.
fn text(resolve: &Resolve, ty: &Type) -> Result<String> {
    let primitive = match ty {
        Type::Bool => "bool",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::String => "string",
        Type::Id(id) => return text_of(resolve, *id),
        other => {
            bail!("`cargo xtask sdk` cannot write the type {other:?}: teach `text` in host/xtask/src/sdk/contract.rs")
        }
    };
    Ok(primitive.to_owned())
}

fn text_of(resolve: &Resolve, id: TypeId) -> Result<String> {
    let definition = &resolve.types[id];
    if let Some(name) = &definition.name {
        return Ok(name.clone());
    }
    Ok(match &definition.kind {
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", text_of(resolve, *id)?),
        TypeDefKind::Handle(Handle::Own(id)) => text_of(resolve, *id)?,
        TypeDefKind::List(ty) => format!("list<{}>", text(resolve, ty)?),
        TypeDefKind::Option(ty) => format!("option<{}>", text(resolve, ty)?),
        other => bail!("`cargo xtask sdk` cannot write {other:?}: teach `text_of` in host/xtask/src/sdk/contract.rs"),
    })
}

/// What a WIT file says of a function. The parser runs `//` and `///` together.
#[derive(Debug, PartialEq, Eq)]
struct Comments {
    name: String,
    docs: Docs,
    /// The last `//` comment above it in its block.
    section: Docs,
}

/// The functions of a WIT file in their order.
fn comments(source: &str) -> Vec<Comments> {
    let (mut found, mut section) = (vec![], Docs::default());
    let (mut docs, mut heading) = (String::new(), String::new());
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            docs.push_str(text.trim());
            docs.push('\n');
            continue;
        }
        if let Some(text) = line.strip_prefix("//") {
            heading.push_str(text.trim());
            heading.push('\n');
            continue;
        }
        if !heading.is_empty() {
            section = Docs::parse(&std::mem::take(&mut heading));
        }
        if line.starts_with('@') {
            continue;
        }
        if line.ends_with('}') || line.starts_with("resource ") {
            section = Docs::default();
        }
        let name = line.split_once(": func(").map(|(name, _)| name);
        let name = name.or_else(|| line.starts_with("constructor(").then_some("constructor"));
        let docs = Docs::parse(&std::mem::take(&mut docs));
        if let Some(name) = name {
            found.push(Comments { name: name.trim_start_matches('%').to_owned(), docs, section: section.clone() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        interface a {
            resource b {
                // Views
                //
                // The same
                // elements.
                //
                // Errors: `x`.

                /// Not this.
                ///
                /// Permission: `y`.
                @since(version = 0.1.0)
                c: func();
                %d: func(e: s64);
            }

            f: func();
        }";

    #[test]
    fn functions_belong_to_the_comment_above_them() {
        let views = Docs {
            paragraphs: vec!["Views".to_owned(), "The same elements.".to_owned()],
            errors: Some("`x`.".to_owned()),
            permission: None,
        };
        let docs = Docs { paragraphs: vec!["Not this.".to_owned()], errors: None, permission: Some("`y`".to_owned()) };
        let comments_of = |name: &str, docs: Docs, section: Docs| Comments { name: name.to_owned(), docs, section };
        let expected = [
            comments_of("c", docs, views.clone()),
            comments_of("d", Docs::default(), views),
            comments_of("f", Docs::default(), Docs::default()),
        ];
        assert_eq!(comments(SOURCE), expected);
    }
}
