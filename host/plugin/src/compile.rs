//! Compiling a component within limits. The compiler takes time and memory that a hostile component chooses, so it runs
//! in a process of its own where the program gives it one.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, ExitCode, Output, Stdio},
};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};
use wasmparser::{Validator, WasmFeatures};

use crate::{
    engine,
    error::LoadProblem,
    limits::{Bytes, LimitError, Limits},
    text::clean_name,
};

/// Where components are compiled.
#[derive(Debug, Clone, Default)]
pub enum Compiler {
    /// In this process. What a component's structure may be is bounded, and nothing else: for components that are
    /// trusted, and for tests.
    #[default]
    InProcess,
    /// In a process that `program` starts with `arguments` and two more: the limits in seconds and in bytes. It is to
    /// call [`serve_compiler`] with them, in the same build of this crate: what it returns is run.
    Process {
        /// The program that compiles what stands on its standard input.
        program: PathBuf,
        /// What it is started with.
        arguments: Vec<OsString>,
    },
}

/// Why a component was not compiled, as the process tells.
#[derive(Debug, Serialize, Deserialize)]
enum Refusal {
    Invalid(String),
    /// What it uses beyond what this host runs.
    Proposals(Vec<String>),
    OutOfMemory,
}

/// The exit code of a process that has written a [`Refusal`] in place of the code.
const REFUSED: u8 = 3;

impl Compiler {
    /// The machine code of a component.
    pub(crate) fn compile(&self, bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, LoadProblem> {
        match self {
            Compiler::InProcess => {
                let engine = wasmtime::Engine::new(&engine::config()).map_err(|error| failed(&error))?;
                compiled(&engine, bytes).map_err(|refusal| problem(refusal, limits))
            }
            Compiler::Process { program, arguments } => {
                let mut command = Command::new(program);
                command.args(arguments).arg(seconds(limits).to_string()).arg(limits.compile_bytes.to_string());
                let output = exchange(&mut command, bytes).map_err(|error| {
                    LoadProblem::Compiler(format!("{} cannot be started: {error}", program.display()))
                })?;
                understood(output, limits)
            }
        }
    }
}

/// Starts a process, writes to it, and waits for what it has to say.
fn exchange(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A process that was stopped reads no more; its end says why.
        _ = stdin.write_all(input);
    }
    child.wait_with_output()
}

/// The code, or why there is none.
fn understood(output: Output, limits: &Limits) -> Result<Vec<u8>, LoadProblem> {
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() {
        return Ok(output.stdout);
    }
    if output.status.code() == Some(REFUSED.into()) {
        let refusal = serde_json::from_slice(&output.stdout);
        return Err(refusal.map_or_else(|error| failed(&error), |refusal| problem(refusal, limits)));
    }
    match output.status.signal().and_then(Signal::from_named_raw) {
        Some(Signal::XCPU) => {
            let limit = format_args!("{} s of computing", seconds(limits));
            Err(LimitError::new("compile_seconds", limit, "takes too long to compile").into())
        }
        // How a program in Rust ends when it is given no memory.
        Some(Signal::ABORT) if said().contains("memory allocation of") => Err(problem(Refusal::OutOfMemory, limits)),
        _ => Err(LoadProblem::Compiler(format!("the compiler ended ({}): {}", output.status, said()))),
    }
}

fn problem(refusal: Refusal, limits: &Limits) -> LoadProblem {
    match refusal {
        Refusal::Invalid(message) => LoadProblem::Damaged(message),
        Refusal::Proposals(names) => LoadProblem::Proposals { names },
        Refusal::OutOfMemory => {
            LimitError::new("compile_bytes", Bytes(limits.compile_bytes), "takes too much memory to compile").into()
        }
    }
}

fn failed(error: &dyn std::fmt::Display) -> LoadProblem {
    LoadProblem::Compiler(format!("the compiler failed: {error}"))
}

/// The kernel counts whole seconds.
fn seconds(limits: &Limits) -> u64 {
    limits.compile_seconds.ceil().max(1.0) as u64
}

/// Compiles the component on standard input and writes its code to standard output, or what is wrong with it. It uses no
/// more than `seconds` of all processors together and `bytes` of memory: the kernel sees to that.
pub fn serve_compiler(seconds: u64, bytes: u64) -> ExitCode {
    let compiled = restrict(seconds, bytes).map_err(|error| error.to_string()).and_then(|()| {
        let mut component = Vec::new();
        match io::stdin().read_to_end(&mut component) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => return Ok(Err(Refusal::OutOfMemory)),
            Err(error) => return Err(error.to_string()),
        }
        let engine = wasmtime::Engine::new(&engine::config()).map_err(|error| format!("{error:#}"))?;
        Ok(compiled(&engine, &component))
    });
    let (answer, code) = match compiled {
        Ok(Ok(code)) => (code, ExitCode::SUCCESS),
        Ok(Err(refusal)) => match serde_json::to_vec(&refusal) {
            Ok(refusal) => (refusal, ExitCode::from(REFUSED)),
            Err(error) => return ended(&error.to_string()),
        },
        Err(error) => return ended(&error),
    };
    match io::stdout().write_all(&answer) {
        Ok(()) => code,
        Err(error) => ended(&error.to_string()),
    }
}

fn ended(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

/// Limits this process.
fn restrict(seconds: u64, bytes: u64) -> io::Result<()> {
    lower(Resource::Cpu, seconds, seconds.saturating_add(1))?;
    // What the process writes to, rather than all that it maps: libraries take gigabytes of addresses.
    lower(Resource::Data, bytes, bytes)?;
    lower(Resource::Core, 0, 0)?;
    #[cfg(target_os = "linux")]
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Sets the limit at which the kernel warns and the one at which it acts, unless there are lower ones already.
fn lower(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let earlier = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    setrlimit(resource, Rlimit { current: Some(soft.min(earlier)), maximum: Some(hard.min(earlier)) })?;
    Ok(())
}

fn compiled(engine: &wasmtime::Engine, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    engine.precompile_component(bytes).map_err(|error| {
        if is_out_of_memory(&error) {
            return Refusal::OutOfMemory;
        }
        let reason = error.root_cause().to_string();
        match unsupported(bytes) {
            None => Refusal::Invalid(reason),
            Some(names) if names.is_empty() => {
                Refusal::Proposals(vec![format!("a proposal ({})", clean_name(&reason))])
            }
            Some(names) => Refusal::Proposals(names),
        }
    })
}

fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::OutOfMemory)
}

/// The proposals that WebAssembly has and this host does not run, as people call them.
pub(crate) const PROPOSALS: [(WasmFeatures, &str); 13] = [
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy exceptions"),
    (WasmFeatures::GC, "garbage collection"),
    (WasmFeatures::MEMORY64, "64-bit memories"),
    (WasmFeatures::MEMORY_CONTROL, "memory control"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::CM_ASYNC, "asynchronous components"),
    (WasmFeatures::CM_VALUES, "component values"),
    (WasmFeatures::CM_FIXED_LENGTH_LISTS, "lists of fixed length"),
];

/// What a sound component uses of [`PROPOSALS`], which may be nothing: there are more. `None` if it is not sound with all
/// that there are.
fn unsupported(bytes: &[u8]) -> Option<Vec<String>> {
    let is_valid = |features| Validator::new_with_features(features).validate_all(bytes).is_ok();
    if !is_valid(WasmFeatures::all()) {
        return None;
    }
    let used = PROPOSALS.iter().filter(|(feature, _)| !is_valid(WasmFeatures::all() - *feature));
    Some(used.map(|(_, name)| (*name).to_owned()).collect())
}
