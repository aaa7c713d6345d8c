use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// One output of a model: what is asked for, what is read, and where a layer comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputId {
    /// The tensor of that name: `logits`.
    Tensor(Arc<str>),
    /// The tensor at that position of the list of that name: `hidden_states` or `attentions`.
    Layer(Arc<str>, usize),
    /// The output of the module of that name: `bert.encoder.layer.0.attention.self.query`.
    Module(Arc<str>),
}

impl OutputId {
    /// The name of the tensor, of the list or of the module.
    pub fn name(&self) -> &str {
        match self {
            OutputId::Tensor(name) | OutputId::Layer(name, _) | OutputId::Module(name) => name,
        }
    }
}

impl fmt::Display for OutputId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutputId::Tensor(name) => write!(formatter, "the output `{name}`"),
            OutputId::Layer(list, layer) => write!(formatter, "layer {layer} of `{list}`"),
            OutputId::Module(name) => write!(formatter, "the output of the module `{name}`"),
        }
    }
}

/// What a forward must return. A model computes what is asked for and may leave out everything else: attention maps
/// that nobody reads, layers above the last one read.
///
/// Outputs are asked for by name (`logits`); a list of layers (`hidden_states`, `attentions`) also by position; the
/// output of a module inside the model by the module's name in its parameters
/// (`bert.encoder.layer.0.attention.self.query`), and never as a part of everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRequest {
    wanted: Wanted,
    modules: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Everything,
    /// Names, each with the positions wanted of a list (empty for a single tensor).
    Only(BTreeMap<String, BTreeSet<usize>>),
}

impl OutputRequest {
    /// All that the model returns but the outputs of modules.
    pub fn everything() -> Self {
        Self { wanted: Wanted::Everything, modules: BTreeSet::new() }
    }

    /// No output at all; add to it what is needed.
    pub fn nothing() -> Self {
        Self { wanted: Wanted::Only(BTreeMap::new()), modules: BTreeSet::new() }
    }

    /// Asks for the tensor `name`.
    pub fn add(&mut self, name: &str) {
        if let Wanted::Only(names) = &mut self.wanted {
            names.entry(name.to_owned()).or_default();
        }
    }

    /// Asks for the tensor at `layer` of the list `name`.
    pub fn add_layer(&mut self, name: &str, layer: usize) {
        if let Wanted::Only(names) = &mut self.wanted {
            names.entry(name.to_owned()).or_default().insert(layer);
        }
    }

    /// Asks for the output of the module `name`.
    pub fn add_module(&mut self, name: &str) {
        self.modules.insert(name.to_owned());
    }

    /// Asks for one output.
    pub fn add_output(&mut self, output: &OutputId) {
        match output {
            OutputId::Tensor(name) => self.add(name),
            OutputId::Layer(list, layer) => self.add_layer(list, *layer),
            OutputId::Module(name) => self.add_module(name),
        }
    }

    /// Whether the tensor `name`, or any layer of the list `name`, is asked for.
    pub fn wants(&self, name: &str) -> bool {
        match &self.wanted {
            Wanted::Everything => true,
            Wanted::Only(names) => names.contains_key(name),
        }
    }

    /// Whether `layer` of the list `name` is asked for.
    pub fn wants_layer(&self, name: &str, layer: usize) -> bool {
        match &self.wanted {
            Wanted::Everything => true,
            Wanted::Only(names) => names.get(name).is_some_and(|layers| layers.contains(&layer)),
        }
    }

    /// Whether one output is asked for.
    pub fn wants_output(&self, output: &OutputId) -> bool {
        match output {
            OutputId::Tensor(name) => self.wants(name),
            OutputId::Layer(list, layer) => self.wants_layer(list, *layer),
            OutputId::Module(name) => self.wants_module(name),
        }
    }

    /// Whether the output of any module is asked for.
    pub fn wants_modules(&self) -> bool {
        !self.modules.is_empty()
    }

    /// Whether the output of that module is asked for.
    pub fn wants_module(&self, name: &str) -> bool {
        self.modules.contains(name)
    }

    /// Whether anything is asked for at all.
    pub fn is_nothing(&self) -> bool {
        self.modules.is_empty() && matches!(&self.wanted, Wanted::Only(names) if names.is_empty())
    }
}
