//! How large the parts of a component may be. A compiler's work grows faster than some of them, so they are counted
//! before it begins.

use wasmparser::{FunctionBody, Operator, Parser, Payload};

use crate::error::LoadProblem;

/// The most of each part: several times what the interpreters of Python and JavaScript need (in brackets).
mod most {
    /// Modules and components within the component (22).
    pub const MODULES: u64 = 500;
    /// Functions of all modules together (25,000).
    pub const FUNCTIONS: u64 = 250_000;
    /// Types of all modules and components together (3,000).
    pub const TYPES: u64 = 100_000;
    /// Imports and exports of all modules and components together (5,000).
    pub const NAMES: u64 = 100_000;
    /// What components are put together by: instances, aliases, and functions between them and modules (5,000).
    pub const LINKS: u64 = 100_000;
    /// Bytes of one function (140,000).
    pub const FUNCTION_BYTES: u64 = 1 << 20;
    /// Locals of one function (700).
    pub const LOCALS: u64 = 10_000;
    /// Blocks within each other (400).
    pub const NESTING: u64 = 5_000;
}

/// What was counted so far.
#[derive(Default)]
struct Counted {
    modules: u64,
    functions: u64,
    types: u64,
    names: u64,
    links: u64,
}

/// Refuses a component with more names and links than are listed, without a look at its code.
pub(crate) fn check_names(bytes: &[u8]) -> Result<(), LoadProblem> {
    let mut counted = Counted::default();
    Parser::new(0).parse_all(bytes).try_for_each(|payload| names(&payload.map_err(damaged)?, &mut counted))
}

fn names(payload: &Payload<'_>, counted: &mut Counted) -> Result<(), LoadProblem> {
    match payload {
        Payload::ImportSection(section) => add(&mut counted.names, section.count(), most::NAMES, "imports"),
        Payload::ExportSection(section) => add(&mut counted.names, section.count(), most::NAMES, "exports"),
        Payload::ComponentImportSection(section) => add(&mut counted.names, section.count(), most::NAMES, "imports"),
        Payload::ComponentExportSection(section) => add(&mut counted.names, section.count(), most::NAMES, "exports"),
        Payload::InstanceSection(section) => add(&mut counted.links, section.count(), most::LINKS, "instances"),
        Payload::ComponentInstanceSection(section) => {
            add(&mut counted.links, section.count(), most::LINKS, "instances")
        }
        Payload::ComponentAliasSection(section) => add(&mut counted.links, section.count(), most::LINKS, "aliases"),
        Payload::ComponentCanonicalSection(section) => {
            add(&mut counted.links, section.count(), most::LINKS, "functions between components and modules")
        }
        _ => Ok(()),
    }
}

/// Refuses a component with a part that is too large.
pub(crate) fn check(bytes: &[u8]) -> Result<(), LoadProblem> {
    let mut counted = Counted::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(damaged)?;
        names(&payload, &mut counted)?;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                add(&mut counted.modules, 1, most::MODULES, "modules")?;
            }
            Payload::FunctionSection(section) => {
                add(&mut counted.functions, section.count(), most::FUNCTIONS, "functions")?;
            }
            Payload::TypeSection(section) => add(&mut counted.types, section.count(), most::TYPES, "types")?,
            Payload::ComponentTypeSection(section) => add(&mut counted.types, section.count(), most::TYPES, "types")?,
            Payload::CodeSectionEntry(body) => function(&body)?,
            _ => {}
        }
    }
    Ok(())
}

fn add(counted: &mut u64, more: u32, most: u64, what: &'static str) -> Result<(), LoadProblem> {
    *counted += u64::from(more);
    within(*counted, most, what)
}

fn within(found: u64, most: u64, what: &'static str) -> Result<(), LoadProblem> {
    if found <= most { Ok(()) } else { Err(LoadProblem::Structure { found, what, most }) }
}

fn function(body: &FunctionBody<'_>) -> Result<(), LoadProblem> {
    within(body.range().len() as u64, most::FUNCTION_BYTES, "bytes in one function")?;
    let mut locals = 0u64;
    for group in body.get_locals_reader().map_err(damaged)? {
        locals += u64::from(group.map_err(damaged)?.0);
        within(locals, most::LOCALS, "locals in one function")?;
    }
    let mut depth = 0u64;
    for operator in body.get_operators_reader().map_err(damaged)? {
        match operator.map_err(damaged)? {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                depth += 1;
                within(depth, most::NESTING, "blocks within each other")?;
            }
            Operator::End => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn damaged(error: wasmparser::BinaryReaderError) -> LoadProblem {
    LoadProblem::Damaged(error.to_string())
}
