use std::f64::consts::SQRT_2;

use indexmap::IndexMap;
use tch::{Device, Kind, Tensor};

use super::Parameters;
use crate::Result;

/// How a parameter is filled when no checkpoint has it; what `_init_weights` of transformers does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Init {
    /// Normal with mean 0 and the config's `initializer_range`.
    Normal,
    /// As `Normal`, but this row is zero: the embedding of the padding token.
    NormalExceptRow(i64),
    /// Normal with mean 0 and this standard deviation, between ± `cutoff` standard deviations.
    TruncatedNormal {
        deviation: f64,
        cutoff: f64,
    },
    Zeros,
    Ones,
}

/// Collects the parameters and the modules of a model while its layers are made. Parameters are allocated here and filled
/// later, from a checkpoint, from another model or at random, so that a layer's definition need not know which.
pub(super) struct Builder {
    /// `None` where parameters are only counted.
    device: Option<Device>,
    /// The standard deviation of [`Init::Normal`].
    pub initializer_range: f64,
    /// Filled parameters of another model, which those of these names are.
    shared: Parameters,
    parameters: Parameters,
    inits: IndexMap<String, Init>,
    modules: Vec<String>,
    num_elements: u128,
}

impl Builder {
    pub fn new(device: Device) -> Self {
        Self::sharing(device, Parameters::new())
    }

    /// A builder whose parameters are those of `shared` where they have the same name.
    pub fn sharing(device: Device, shared: Parameters) -> Self {
        Self { device: Some(device), shared, ..Self::counting() }
    }

    /// A builder that counts the numbers of a model and allocates none of them: its tensors are undefined.
    pub fn counting() -> Self {
        Self {
            device: None,
            initializer_range: 0.02,
            shared: Parameters::new(),
            parameters: Parameters::new(),
            inits: IndexMap::new(),
            modules: vec![],
            num_elements: 0,
        }
    }

    /// The place in the tree of names at which a part makes its parameters: `at("bert")`.
    pub fn at(&mut self, name: &str) -> Scope<'_> {
        Scope { builder: self, path: name.to_owned() }
    }

    /// How many numbers there are in all parameters; the largest `u128` if there are more.
    pub fn num_elements(&self) -> u128 {
        self.num_elements
    }

    pub fn finish(self) -> Unfilled {
        Unfilled {
            initializer_range: self.initializer_range,
            parameters: self.parameters,
            inits: self.inits,
            modules: self.modules,
        }
    }
}

/// A [`Builder`] below a prefix.
pub(super) struct Scope<'a> {
    builder: &'a mut Builder,
    path: String,
}

impl Scope<'_> {
    pub fn at(&mut self, name: impl std::fmt::Display) -> Scope<'_> {
        Scope { path: format!("{}.{name}", self.path), builder: self.builder }
    }

    /// Makes the parameter `name` of that shape, float32, without values.
    pub fn parameter(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor> {
        let count = shape.iter().fold(1_u128, |product, size| product.saturating_mul(size.unsigned_abs().into()));
        self.builder.num_elements = self.builder.num_elements.saturating_add(count);
        let Some(device) = self.builder.device else { return Ok(Tensor::new()) };
        let name = self.name_of(name);
        let tensor = match self.builder.shared.get(&name) {
            Some(shared) => shared.shallow_clone(),
            None => {
                self.builder.inits.insert(name.clone(), init);
                Tensor::f_empty(shape, (Kind::Float, device))?
            }
        };
        self.builder.parameters.insert(name, tensor.shallow_clone());
        Ok(tensor)
    }

    /// The whole name of the parameter `name` here.
    pub fn name_of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// Gives the parameter `own`, by its whole name, the name `name` here besides: both are one parameter.
    pub fn tied(&mut self, name: &str, own: &str) -> Tensor {
        let name = self.name_of(name);
        // A parameter is made before it is tied; a builder that counts makes none.
        self.builder.parameters.tie(name, own).map_or_else(Tensor::new, Tensor::shallow_clone)
    }

    /// The parameter `name`: the one that is called `own`, by its whole name, if that is given, or one of its own.
    pub fn tied_or_own(&mut self, name: &str, own: Option<&str>, shape: &[i64], init: Init) -> Result<Tensor> {
        match own {
            Some(own) => Ok(self.tied(name, own)),
            None => self.parameter(name, shape, init),
        }
    }

    /// Makes the output of the module at this place one that can be asked for, by the name that is returned.
    pub fn module(&mut self) -> String {
        if self.builder.device.is_some() {
            self.builder.modules.push(self.path.clone());
        }
        self.path.clone()
    }
}

/// The parameters of a model that has been defined but holds no values yet.
#[derive(Debug)]
pub(super) struct Unfilled {
    initializer_range: f64,
    parameters: Parameters,
    inits: IndexMap<String, Init>,
    /// The names of the modules whose output can be asked for.
    pub modules: Vec<String>,
}

impl Unfilled {
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Fills one parameter at random, from torch's default generator.
    pub fn initialize(&self, name: &str) -> Result<()> {
        let (Some(tensor), Some(init)) = (self.parameters.get(name), self.inits.get(name)) else { return Ok(()) };
        let mut tensor = tensor.shallow_clone();
        // Drawn on the CPU wherever the model lies, so that one seed gives one model on every device.
        let empty = || Tensor::f_empty(tensor.size(), (Kind::Float, Device::Cpu));
        let normal = || empty()?.f_normal_(0.0, self.initializer_range);
        match *init {
            Init::Normal => tensor.f_copy_(&normal()?)?,
            Init::NormalExceptRow(row) => {
                let values = normal()?;
                drop(values.f_select(0, row)?.f_zero_()?);
                tensor.f_copy_(&values)?;
            }
            Init::TruncatedNormal { deviation, cutoff } => {
                // The inverse of the distribution function at numbers that are uniform, as torch draws them.
                let reach = Tensor::from(cutoff / SQRT_2).f_erf()?.f_double_value(&[])?;
                let values = empty()?.f_uniform_(-reach, reach)?.f_erfinv_()?.f_mul_scalar_(deviation * SQRT_2)?;
                let bound = cutoff * deviation;
                tensor.f_copy_(&values.f_clamp(-bound, bound)?)?;
            }
            Init::Zeros => drop(tensor.f_zero_()?),
            Init::Ones => drop(tensor.f_fill_(1.0)?),
        }
        Ok(())
    }

    /// Hands out the filled parameters. `trainable` ones collect gradients.
    pub fn into_parameters(self, trainable: bool) -> Result<Parameters> {
        for (_, tensor) in self.parameters.iter() {
            // In place: the handles that the layers hold are to the same tensor.
            drop(tensor.f_set_requires_grad(trainable)?);
        }
        Ok(self.parameters)
    }
}
