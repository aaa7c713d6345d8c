use std::cell::RefCell;
use std::fmt::Display;

use indexmap::IndexMap;
use tch::Tensor;

use crate::OutputRequest;

/// Keeps the outputs of modules that a request asks for by name, on their way through a model.
pub(super) struct Taps<'a> {
    request: &'a OutputRequest,
    kept: RefCell<IndexMap<String, Tensor>>,
}

impl<'a> Taps<'a> {
    pub fn new(request: &'a OutputRequest) -> Self {
        Self { request, kept: RefCell::new(IndexMap::new()) }
    }

    /// The place of a module in the tree of names. Where no module is asked for, it costs nothing to be there.
    pub fn at(&self, name: impl Display) -> Tap<'_> {
        match self.request.wants_modules() {
            true => Tap { taps: Some(self), path: name.to_string() },
            false => Tap { taps: None, path: String::new() },
        }
    }

    pub fn into_kept(self) -> IndexMap<String, Tensor> {
        self.kept.into_inner()
    }
}

/// [`Taps`] at a module.
#[derive(Clone)]
pub(super) struct Tap<'a> {
    taps: Option<&'a Taps<'a>>,
    path: String,
}

impl Tap<'_> {
    /// The module itself returned `output`.
    pub fn keep(&self, output: &Tensor) {
        self.keep_at("", output);
    }

    /// Its part `name` (`.self.query`; empty for itself) returned `output`.
    pub fn keep_at(&self, name: &str, output: &Tensor) {
        let Some(taps) = self.taps else { return };
        let path = format!("{}{name}", self.path);
        if taps.request.wants_module(&path) {
            taps.kept.borrow_mut().insert(path, output.shallow_clone());
        }
    }
}
