//! The WebAssembly engine that all plugins of a process share.

use std::{sync::Arc, thread, time::Duration};

use wasmtime::{
    Config,
    component::{Component, HasSelf, InstancePre, Linker},
};

use crate::{
    bindings::EveryPlugin,
    cache::CodeCache,
    compile::{Compiler, PROPOSALS},
    error::{Error, LoadProblem, Result},
    limits::Limits,
    state::State,
    structure, wasi,
};

/// Compiles plugins and interrupts those that run too long. Clones share everything.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    linker: Arc<Linker<State>>,
    cache: Option<CodeCache>,
    compiler: Compiler,
}

/// How finely the time of a call is measured.
const TICK: Duration = Duration::from_millis(10);

impl Engine {
    /// An engine that keeps compiled code in the user's cache folder.
    pub fn new() -> Result<Self> {
        Self::with_cache(CodeCache::from_environment())
    }

    /// An engine with a cache of your own, or none.
    pub fn with_cache(cache: Option<CodeCache>) -> Result<Self> {
        let inner = wasmtime::Engine::new(&config()).map_err(set_up)?;
        let mut linker = Linker::new(&inner);
        EveryPlugin::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(set_up)?;
        start_ticking(&inner)?;
        Ok(Self { inner, linker: Arc::new(linker), cache, compiler: Compiler::default() })
    }

    /// The same engine, whose components are compiled by `compiler`.
    pub fn compiled_by(self, compiler: Compiler) -> Self {
        Self { compiler, ..self }
    }

    pub(crate) fn inner(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// A component with all that it imports.
    pub(crate) fn link(&self, component: &Component) -> wasmtime::Result<InstancePre<State>> {
        let mut linker = Linker::clone(&self.linker);
        wasi::define(&mut linker, component)?;
        linker.instantiate_pre(component)
    }

    /// The compiled code of a component with this digest, from the cache if it is there.
    pub(crate) fn compile(&self, bytes: &[u8], digest: &[u8], limits: &Limits) -> Result<Component, LoadProblem> {
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.load(&self.inner, digest)) {
            return Ok(component);
        }
        structure::check(bytes)?;
        let code = self.compiler.compile(bytes, limits)?;
        // SAFETY: `deserialize` runs what it is given, so it must be what this crate compiled. The code comes straight
        // from the compiler: this process, or one that runs the program which whoever made the engine named for that.
        let component = unsafe { Component::deserialize(&self.inner, &code) }
            .map_err(|error| LoadProblem::Compiler(format!("{error:#}")))?;
        if let Some(cache) = &self.cache {
            // A cache that cannot be written to costs time at the next start and nothing else.
            _ = cache.store(&self.inner, digest, &code);
        }
        Ok(component)
    }

    /// The number of ticks after which a call of `seconds` is over; one more because the first is under way.
    pub(crate) fn ticks(seconds: f64) -> u64 {
        (seconds / TICK.as_secs_f64()).ceil() as u64 + 1
    }
}

/// The same plugin and inputs give the same bits on every machine: NaNs have one form, relaxed SIMD one meaning, and
/// there are no threads. What is refused does not depend on what wasmtime can do.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    for (proposal, _) in PROPOSALS {
        config.wasm_features(proposal, false);
    }
    config
}

/// Advances the engine's clock as long as there is an engine.
fn start_ticking(engine: &wasmtime::Engine) -> Result<()> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    thread::Builder::new().name("plugin clock".into()).spawn(tick).map_err(|error| Error::Engine(error.to_string()))?;
    Ok(())
}

fn set_up(error: wasmtime::Error) -> Error {
    Error::Engine(format!("{error:#}"))
}
