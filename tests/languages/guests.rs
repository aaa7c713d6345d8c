//! The components of each language, as `cargo xtask plugins` built them, and something to call them with.

#[path = "../../host/plugin/tests/common/mod.rs"]
pub mod common;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use brewer::{Side, StepContext};
use brewer_plugin_host::{CodeCache, Engine, Level, LogSink, Plugin, PluginAdaptor, PluginOptions};
pub use common::{batch, component, outputs, silent};
use serde_json::{Value, json};

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Python,
    JavaScript,
    C,
}

impl Language {
    fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::C => "c",
        }
    }

    fn component(self, plugin: &str) -> PathBuf {
        component(&format!("{plugin}-{}", self.name()))
    }

    /// The adaptor that is the same in every language.
    pub fn sequence_classification(self) -> Plugin {
        load(&self.component("sequence-classification"), PluginOptions { log: silent(), ..Default::default() })
    }

    /// The guest of the tests, asked to do one thing.
    pub fn guest(self, deed: &str, options: PluginOptions) -> PluginAdaptor {
        // In no order, with what could be mistaken for a key: C reads it without a library.
        let config = json!({
            "answer": [42],
            "a": { "inner": "}", "do": [1, { "do": 2 }] },
            "do": deed,
            "number": -1.5,
            "text": "\"a\\\n\u{1}ä😀",
            "truth": true,
        });
        let options = PluginOptions { config: Some(config), ..options };
        PluginAdaptor::new(&load(&self.component("guest"), options)).unwrap()
    }
}

/// One test for each language: `each_language!(check)` in a module calls `check` three times.
macro_rules! each_language {
    ($check:path) => {
        #[test]
        fn python() {
            $check(crate::guests::Language::Python);
        }

        #[test]
        fn javascript() {
            $check(crate::guests::Language::JavaScript);
        }

        #[test]
        fn c() {
            $check(crate::guests::Language::C);
        }
    };
}
pub(crate) use each_language;

/// Loads with a cache of compiled code: a Python component takes seconds to compile. One at a time, so that it happens
/// once.
pub fn load(path: &Path, options: PluginOptions) -> Plugin {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    let cache = || CodeCache::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/languages"));
    let engine = ENGINE.get_or_init(|| Engine::with_cache(Some(cache())).unwrap());
    Plugin::load(engine, path, options).unwrap()
}

/// What was written to a log.
pub type Lines = Arc<Mutex<Vec<(Level, String)>>>;

/// A log that is kept: what was written to it so far, and the sink.
pub fn recorded() -> (Lines, LogSink) {
    let lines = Lines::default();
    let written = lines.clone();
    let sink = LogSink::new(move |_, level, line| written.lock().unwrap().push((level, line.to_owned())));
    (lines, sink)
}

pub fn student(step: u64) -> StepContext {
    StepContext { step, task: Some("qa".into()), side: Some(Side::Student), ..StepContext::default() }
}

pub fn teacher(index: usize) -> StepContext {
    StepContext { step: 7, side: Some(Side::Teacher(index)), ..StepContext::default() }
}

/// The JSON that a plugin wrote to its log.
pub fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
