//! The role `callback`.

use std::{rc::Rc, sync::atomic::AtomicBool};

use brewer::{
    Callback, RoleState, StepContext, Student,
    callback::{Action, DataSplit, Scalars},
};
use tch::no_grad;

use super::{PluginRole, returned};
use crate::{
    bindings::exported::callback::{Action as Answer, Guest as Exports},
    checkpoint::{Checkpoint, FirstEpoch, Split},
    error::{Error, Result},
    guest::Guest,
    plugin::Plugin,
    text::clean_name,
    trial::{Case, Made, Meter, Returned, Trial, text},
};

/// A component in the role of a callback.
pub struct PluginCallback {
    guest: Guest<Exports>,
    splits: Rc<[Split]>,
}

impl PluginCallback {
    /// Starts the plugin. `splits` are the parts of the data that it may read if it has the permission
    /// [`Dataset`](crate::Permission::Dataset). Their batches are those of each loader's first epoch.
    ///
    /// Errors: [`Error::Load`](crate::Error::Load) if it does not export the role, or if it fails while it starts.
    pub fn new(plugin: &Plugin, splits: impl IntoIterator<Item = DataSplit>) -> Result<Self> {
        let splits = splits.into_iter().map(|DataSplit { name, task, loader }| {
            let batches = Box::new(FirstEpoch::new(loader));
            Split { name, task, batches }
        });
        Ok(Self { guest: Guest::new(plugin)?, splits: splits.collect() })
    }

    fn call(&mut self, student: &Student, context: &StepContext, scalars: &mut Scalars) -> Result<Action> {
        let step = context.global_step;
        let mut call = self.guest.call_at(context, student.device());
        let (student, splits) = (student.clone(), self.splits.clone());
        call.checkpoint = Some(Checkpoint { student, splits, scalars: std::mem::take(scalars) });
        self.guest.call(format!("{}, step {step}", PluginRole::Callback), call, |store, exports| {
            let answer = exports.call_on_checkpoint(&mut *store, step);
            if let Some(checkpoint) = store.data_mut().call.checkpoint.take() {
                *scalars = checkpoint.scalars;
            }
            Ok(match answer? {
                Ok(Answer::Continue) => Ok(Action::Continue),
                Ok(Answer::Stop) => Ok(Action::Stop),
                Err(message) => Err(returned(message)),
            })
        })
    }
}

impl Callback for PluginCallback {
    fn name(&self) -> &str {
        self.guest.name()
    }

    fn on_checkpoint(
        &mut self,
        student: &Student,
        context: &StepContext,
        scalars: &mut Scalars,
        _interrupt: &AtomicBool,
    ) -> brewer::Result<Action> {
        Ok(no_grad(|| self.call(student, context, scalars))?)
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.guest.state()
    }

    fn check_scalars(&self, known: &[String]) -> brewer::Result<()> {
        let plugin = self.guest.plugin();
        let Some((key, name)) = plugin.metrics().iter().find(|(_, name)| !known.contains(name)) else { return Ok(()) };
        let there = match known {
            [] => "nothing is: name a data set to evaluate on with `data.dev`".to_owned(),
            known => format!("there are {}", known.join(", ")),
        };
        let problem = format!("nothing is reported as `{}` at checkpoints; {there}", clean_name(name));
        Err(Error::Spec { path: plugin.path().to_owned(), key: clean_name(key), problem }.into())
    }

    fn rehearse(&mut self, student: &Student, scalars: &mut Scalars) -> brewer::Result<()> {
        let plugin = self.guest.plugin().silenced();
        let mut other = Self { guest: Guest::new(&plugin)?, splits: self.splits.clone() };
        other.on_checkpoint(student, &StepContext::default(), scalars, &AtomicBool::new(false)).map(drop)
    }
}

impl Trial for PluginCallback {
    type Exports = Exports;

    fn run_case(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String> {
        let mut callback =
            Self { guest: Guest::new(plugin).map_err(|error| text(error.into()))?, splits: case.splits()?.into() };
        let student = case.model()?;
        let no_numbers = [Scalars::new()];
        let checkpoints = if case.metrics.is_empty() { &no_numbers[..] } else { &case.metrics };
        let at = |callback: &mut Self, index: usize| {
            let mut scalars = checkpoints[index].clone();
            let step = case.step + index as u64;
            let context = StepContext { step, global_step: step, ..case.context() };
            let action = callback.on_checkpoint(&student, &context, &mut scalars, &AtomicBool::new(false))?;
            Ok((action, scalars))
        };
        let last = checkpoints.len() - 1;
        for index in 0..last {
            at(&mut callback, index).map_err(text)?;
        }
        let measured = meter.measured(&mut callback, |callback| at(callback, last))?;
        let (action, scalars) = &measured.value;
        let answer = match action {
            Action::Continue => "continue",
            Action::Stop => "stop",
        };
        let reported = scalars.iter().filter(|(name, _)| !checkpoints[last].contains_key(*name));
        let reported = reported.map(|(name, number)| Returned::number(name, *number));
        let returned = [Returned::text("action", answer.to_owned())].into_iter().chain(reported).collect();
        Ok(measured.made(returned))
    }

    fn guest(&mut self) -> &mut Guest<Exports> {
        &mut self.guest
    }

    fn anew(&self) -> Result<Self> {
        Ok(Self { guest: Guest::new(self.guest.plugin())?, splits: self.splits.clone() })
    }
}
