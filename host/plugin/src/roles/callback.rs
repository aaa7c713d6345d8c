//! The role `callback`.

use std::{rc::Rc, sync::atomic::AtomicBool};

use brewer::{
    Callback, RoleState, StepContext, Student,
    callback::{Action, DataSplit, Scalars},
};
use tch::no_grad;

use super::returned;
use crate::{
    bindings::exported::callback::{Action as Answer, Guest as Exports},
    checkpoint::{Checkpoint, FirstEpoch, Split},
    contract::PluginRole,
    error::{Error, Result},
    guest::Guest,
    limits::Usage,
    plugin::Plugin,
    text::clean_name,
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
        let splits = splits.into_iter();
        let splits = splits.map(|DataSplit { name, task, loader }| {
            let batches = Box::new(FirstEpoch::new(loader));
            Split { name, task, batches }
        });
        Self::with_splits(plugin, splits.collect())
    }

    pub(crate) fn with_splits(plugin: &Plugin, splits: Vec<Split>) -> Result<Self> {
        Ok(Self { guest: Guest::new(plugin)?, splits: splits.into() })
    }

    /// What the last call used.
    pub(crate) fn usage(&self) -> Usage {
        self.guest.usage()
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
