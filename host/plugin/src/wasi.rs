//! An empty operating system for components whose language's runtime asks for one (WASI 0.2): no files, no environment, no
//! network; random numbers that follow from the seed; a clock that counts how often it is read; what is written to
//! standard output and standard error goes to the log. All else ends the call when it is used.

use wasmtime::{
    StoreContextMut,
    component::{
        Component, ComponentNamedList, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType,
        types::ComponentItem,
    },
};

use crate::{error::Abort, log::Level, state::State, text::clean_name};

/// The start of the names that are WASI's: `wasi:cli/environment@0.2.6`.
const NAMESPACE: &str = "wasi:";

/// What resources of WASI are to the host: no more than their number.
struct InputStream;
struct OutputStream;
struct StreamFailure;
struct Pollable;
struct Descriptor;
struct TerminalInput;
struct TerminalOutput;
struct Unavailable;

/// The number of standard error; standard output has another.
const STDERR: u32 = 2;

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "part of the type; nothing is ever written to what can fail")]
    LastOperationFailed(Resource<StreamFailure>),
    #[component(name = "closed")]
    Closed,
}

/// Whether it is an import of the WASI that this host gives: any version 0.2.
pub(crate) fn is_given(import: &str) -> bool {
    import.starts_with(NAMESPACE) && import.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."))
}

/// Defines what a component imports of WASI.
pub(crate) fn define(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<()> {
    let engine = component.engine();
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        let Some(interface) = name.strip_prefix(NAMESPACE).and_then(|name| name.split('@').next()) else { continue };
        let mut given = linker.instance(name)?;
        for (item, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => given.resource(item, resource(item), |_, _| Ok(()))?,
                ComponentItem::ComponentFunc(_) => function(&mut given, interface, item)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Interfaces use each other's resources under the names that these have at home.
fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "error" => ResourceType::host::<StreamFailure>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        _ => ResourceType::host::<Unavailable>(),
    }
}

fn function(given: &mut LinkerInstance<'_, State>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match (interface, name) {
        ("cli/environment", "get-environment") => answer(given, name, |_, ()| Ok(Vec::<(String, String)>::new())),
        ("cli/environment", "get-arguments") => answer(given, name, |_, ()| Ok(Vec::<String>::new())),
        ("cli/environment", "initial-cwd") => answer(given, name, |_, ()| Ok(None::<String>)),
        ("cli/stdin", "get-stdin") => answer(given, name, |_, ()| Ok(Resource::<InputStream>::new_own(0))),
        ("cli/stdout", "get-stdout") => answer(given, name, |_, ()| Ok(Resource::<OutputStream>::new_own(1))),
        ("cli/stderr", "get-stderr") => answer(given, name, |_, ()| Ok(Resource::<OutputStream>::new_own(STDERR))),
        ("cli/terminal-stdin", _) => answer(given, name, |_, ()| Ok(None::<Resource<TerminalInput>>)),
        ("cli/terminal-stdout" | "cli/terminal-stderr", _) => {
            answer(given, name, |_, ()| Ok(None::<Resource<TerminalOutput>>))
        }
        ("cli/exit", "exit") => {
            given.func_new(name, |_, _, _, _| Err(Abort("it ended itself, as a program does".to_owned()).into()))
        }
        ("filesystem/preopens", "get-directories") => {
            answer(given, name, |_, ()| Ok(Vec::<(Resource<Descriptor>, String)>::new()))
        }
        ("clocks/monotonic-clock", "now") => answer(given, name, |state, ()| Ok(state.tick())),
        ("clocks/wall-clock", "now") => answer(given, name, |state, ()| Ok(datetime(state.tick()))),
        ("clocks/monotonic-clock", "resolution") => answer(given, name, |_, ()| Ok(TICK)),
        ("clocks/wall-clock", "resolution") => answer(given, name, |_, ()| Ok(datetime(TICK))),
        ("clocks/monotonic-clock", "subscribe-duration" | "subscribe-instant") => {
            answer(given, name, |_, (_,): (u64,)| Ok(Resource::<Pollable>::new_own(0)))
        }
        ("random/random", "get-random-bytes") | ("random/insecure", "get-insecure-random-bytes") => {
            answer(given, name, |state, (count,): (u64,)| random_bytes(state, count))
        }
        ("random/random", "get-random-u64") | ("random/insecure", "get-insecure-random-u64") => {
            answer(given, name, |state, ()| Ok(state.call.random.next()))
        }
        ("random/insecure-seed", _) => {
            answer(given, name, |state, ()| Ok((state.call.random.next(), state.call.random.next())))
        }
        ("io/poll" | "io/streams", _) => stream(given, interface, name),
        _ => unavailable(given, interface, name),
    }
}

/// Nothing has to be waited for, so every pollable is ready.
fn stream(given: &mut LinkerInstance<'_, State>, interface: &str, name: &str) -> wasmtime::Result<()> {
    type Input = (Resource<InputStream>, u64);
    match name {
        "poll" => {
            answer(given, name, |_, (all,): (Vec<Resource<Pollable>>,)| Ok((0..all.len() as u32).collect::<Vec<_>>()))
        }
        "[method]pollable.ready" => answer(given, name, |_, (_,): (Resource<Pollable>,)| Ok(true)),
        "[method]pollable.block" => given
            .func_wrap(name, |mut store: StoreContextMut<'_, State>, (_,): (Resource<Pollable>,)| {
                store.data_mut().operation()
            }),
        "[method]input-stream.subscribe" => {
            answer(given, name, |_, (_,): (Resource<InputStream>,)| Ok(Resource::<Pollable>::new_own(0)))
        }
        "[method]output-stream.subscribe" => {
            answer(given, name, |_, (_,): (Resource<OutputStream>,)| Ok(Resource::<Pollable>::new_own(0)))
        }
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            answer(given, name, |_, _: Input| Ok(Err::<Vec<u8>, _>(StreamError::Closed)))
        }
        "[method]output-stream.check-write" => {
            answer(given, name, |_, (_,): (Resource<OutputStream>,)| Ok(Ok::<_, StreamError>(WRITE_BYTES)))
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            answer(given, name, |state, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
                state.print(stream.rep() == STDERR, &bytes);
                Ok(Ok::<_, StreamError>(()))
            })
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            answer(given, name, |_, (_,): (Resource<OutputStream>,)| Ok(Ok::<_, StreamError>(())))
        }
        _ => unavailable(given, interface, name),
    }
}

/// Defines a function with one result. Each request counts as one of the guest's.
fn answer<P, R>(
    given: &mut LinkerInstance<'_, State>,
    name: &str,
    run: impl Fn(&mut State, P) -> wasmtime::Result<R> + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + 'static,
    R: ComponentType + Lower + 'static,
{
    given.func_wrap(name, move |mut store: StoreContextMut<'_, State>, parameters: P| {
        let state = store.data_mut();
        state.operation()?;
        Ok((run(state, parameters)?,))
    })
}

/// Defines a function that ends the call.
fn unavailable(given: &mut LinkerInstance<'_, State>, interface: &str, name: &str) -> wasmtime::Result<()> {
    let asked = format!("{NAMESPACE}{}", clean_name(&format!("{interface}#{name}")));
    given.func_new(name, move |_, _, _, _| {
        wasmtime::bail!("it asked for `{asked}`; a plugin has no files, no network and no other processes")
    })
}

/// What a clock is ahead after it was read, and its resolution, in nanoseconds.
const TICK: u64 = 1000;

/// What a stream takes at once.
const WRITE_BYTES: u64 = 1 << 16;

fn datetime(nanoseconds: u64) -> Datetime {
    const SECOND: u64 = 1_000_000_000;
    Datetime { seconds: nanoseconds / SECOND, nanoseconds: (nanoseconds % SECOND) as u32 }
}

fn random_bytes(state: &mut State, count: u64) -> wasmtime::Result<Vec<u8>> {
    const MOST: u64 = 1 << 16;
    if count > MOST {
        wasmtime::bail!("it asked for {count} random bytes at once; expected {MOST} at most");
    }
    let words = std::iter::repeat_with(|| state.call.random.next().to_le_bytes());
    Ok(words.flatten().take(count as usize).collect())
}

/// What an instance has of a clock and of a terminal.
#[derive(Debug, Default)]
pub(crate) struct Console {
    clock: u64,
    /// What was begun of a line, on standard output and on standard error.
    lines: [Vec<u8>; 2],
}

impl State {
    fn tick(&mut self) -> u64 {
        self.console.clock += TICK;
        self.console.clock
    }

    /// Writes to the log, line by line.
    fn print(&mut self, is_error: bool, bytes: &[u8]) {
        /// A line that is longer is cut in two.
        const LINE_BYTES: usize = 4096;
        for &byte in bytes {
            if self.is_log_full() {
                return;
            }
            let line = &mut self.console.lines[usize::from(is_error)];
            if byte != b'\n' {
                line.push(byte);
            }
            if byte == b'\n' || line.len() == LINE_BYTES {
                self.end_line(is_error);
            }
        }
    }

    fn end_line(&mut self, is_error: bool) {
        let line = std::mem::take(&mut self.console.lines[usize::from(is_error)]);
        let level = if is_error { Level::Warn } else { Level::Info };
        self.write_log(level, &String::from_utf8_lossy(&line));
    }

    /// Writes the lines that were begun.
    pub(crate) fn end_lines(&mut self) {
        for is_error in [false, true] {
            if !self.console.lines[usize::from(is_error)].is_empty() {
                self.end_line(is_error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{limits::Limits, log::LogSink, plugin::Settings};

    /// A line without text is a line all the same.
    #[test]
    fn empty_lines_end_with_the_log_of_the_call() {
        let lines = Arc::new(Mutex::new(vec![]));
        let kept = lines.clone();
        let log = LogSink::new(move |_, level, line| kept.lock().unwrap().push((level, line.to_owned())));
        let limits = Limits { log_bytes: 1000, ..Limits::default() };
        let mut state = State::new(Arc::new(Settings { log, ..Settings::of_tests() }), Arc::new(limits));
        state.print(false, &[b'\n'; 1 << 20]);
        state.print(true, b"more");
        state.end_lines();
        let lines = lines.lock().unwrap();
        let ((level, last), empty) = lines.split_last().unwrap();
        assert!(empty.len() == 100 && empty.iter().all(|(_, line)| line.is_empty()), "{} lines", empty.len());
        assert!(*level == Level::Warn && last.contains("limits.log_bytes: 1000 bytes"), "{last}");
    }
}
