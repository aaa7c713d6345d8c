//! The role `match-loss`.

use std::cell::RefCell;

use brewer::{RoleState, StepContext, loss::MatchLoss};
use tch::{Device, Tensor};

use super::{PluginRole, returned, take_loss, unlike};
use crate::{
    bindings::exported::match_loss::Guest as Exports,
    error::{Error, LoadProblem, Result},
    guest::Guest,
    handles::Entry,
    loss_inputs::MatchInputs,
    plugin::Plugin,
    trial::{Case, Made, Meter, Trial, text},
};

/// A component in the role of a match loss.
pub struct PluginMatchLoss {
    name: String,
    num_layers: usize,
    guest: RefCell<Guest<Exports>>,
}

impl PluginMatchLoss {
    /// Starts the plugin and asks how many layers it takes.
    ///
    /// Errors: [`Error::Load`] if it does not export the role, or if it fails while it starts or is asked.
    pub fn new(plugin: &Plugin) -> Result<Self> {
        let mut guest = Guest::new(plugin)?;
        let num_layers = match num_layers(&mut guest) {
            // Nothing was trained yet: it is the file, or what the experiment says of it, that cannot be used.
            Err(Error::Call(error)) => {
                return Err(Error::Load { path: plugin.path.clone(), problem: LoadProblem::Start(error) });
            }
            num_layers => num_layers?,
        };
        Ok(Self { name: guest.name().to_owned(), num_layers, guest: RefCell::new(guest) })
    }

    fn call(&self, inputs: MatchInputs) -> Result<Tensor> {
        let mut guest = self.guest.borrow_mut();
        let student: Vec<_> = inputs.student.iter().map(Tensor::shallow_clone).collect();
        let device = student.first().map_or(Device::Cpu, Tensor::device);
        let call = guest.next_call(device);
        guest.call(PluginRole::MatchLoss.to_string(), call, |store, exports| {
            let state = store.data_mut();
            let inputs = state.handles.insert(&state.limits, Entry::MatchInputs(Box::new(inputs)))?;
            Ok(match exports.call_loss(&mut *store, inputs)? {
                Ok(loss) => take_loss(store.data_mut(), &loss, &student),
                Err(message) => Err(returned(message)),
            })
        })
    }
}

fn num_layers(guest: &mut Guest<Exports>) -> Result<usize> {
    let call = guest.next_call(Device::Cpu);
    guest.call(format!("{}, num-layers", PluginRole::MatchLoss), call, |store, exports| {
        Ok(match exports.call_num_layers(store)? {
            Ok(0) => Err(unlike("0 layers", "at least 1")),
            Ok(layers) => Ok(layers as usize),
            Err(message) => Err(returned(message)),
        })
    })
}

impl MatchLoss for PluginMatchLoss {
    fn name(&self) -> &str {
        &self.name
    }

    fn num_layers(&self) -> usize {
        self.num_layers
    }

    /// What shapes it takes only the plugin knows: it is asked by the first loss, which is part of the check before step 0.
    fn check(&self, _student: &[Vec<i64>], _teacher: &[Vec<i64>]) -> Result<(), String> {
        Ok(())
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.guest.get_mut().state()
    }

    fn begin_step(&mut self, context: &StepContext) {
        self.guest.get_mut().begin_step(context);
    }

    fn loss(&self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> brewer::Result<Tensor> {
        Ok(self.call(MatchInputs {
            student: student.iter().map(Tensor::shallow_clone).collect(),
            teacher: teacher.iter().map(Tensor::f_detach).collect::<Result<_, _>>()?,
            mask: mask.map(Tensor::shallow_clone),
        })?)
    }
}

impl Trial for PluginMatchLoss {
    type Exports = Exports;

    fn run_case(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String> {
        let mut loss = Self::new(plugin).map_err(|error| text(error.into()))?;
        let ((student, teacher), mask) = (case.layers()?, case.mask()?);
        if student.len() != loss.num_layers || teacher.len() != loss.num_layers {
            return Err(format!("the loss takes {} layers of each side", loss.num_layers));
        }
        let measured = meter.measured(&mut loss, |loss| {
            loss.begin_step(&case.context_of_both());
            loss.loss(&student, &teacher, mask.as_ref())
        })?;
        measured.made_loss(&student)
    }

    fn guest(&mut self) -> &mut Guest<Exports> {
        self.guest.get_mut()
    }

    fn anew(&self) -> Result<Self> {
        Self::new(self.guest.borrow().plugin())
    }
}
