//! What a guest remembers: its optional export `state`.

use brewer::{Device, RoleState, StepContext};
use wasmtime::WasmBacktrace;

use crate::{
    bindings::{Export, exported::state::GuestIndices},
    error::{Cause, Result},
    guest::{Guest, Instance, is_too_much, request_bytes},
    limits::{Bytes, LimitError, Limits, Usage},
    random::Random,
    roles::{returned, unlike},
    state::Call,
};

const SAVE: &str = "state.save";
const RESTORE: &str = "state.restore";

impl<E: Export> Guest<E> {
    /// The guest's memory, if it exports `state`.
    pub(crate) fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.plugin().has_state().then_some(self as &mut dyn RoleState)
    }

    /// The guest of a new instance, with the memory of one that is worn out.
    ///
    /// Errors: [`Error::Call`](crate::Error::Call).
    pub(crate) fn renewed(&mut self, mut worn: Instance<E>) -> Result<Instance<E>> {
        let bytes = self.saved(&mut worn)?;
        let mut fresh = self.started(&about::<E>(RESTORE))?;
        self.restored(&mut fresh, &bytes)?;
        Ok(fresh)
    }

    fn saved(&mut self, instance: &mut Instance<E>) -> Result<Vec<u8>> {
        let call = self.call_for_state();
        // What it uses is no step's.
        let (saved, _) = self.run(instance, call, |instance| {
            let limits = instance.store.data().limits.clone();
            instance.store.set_hostcall_fuel(state_bytes(&limits).max(request_bytes(&limits)));
            let exports = GuestIndices::new(&instance.linked)?.load(&mut instance.store, &instance.component)?;
            let saved = exports.call_save(&mut instance.store);
            instance.store.set_hostcall_fuel(request_bytes(&limits));
            match saved {
                // The state is lifted when the guest has returned. What it passed in a request has its lines with it.
                Err(error) if is_too_much(&error) && error.downcast_ref::<WasmBacktrace>().is_none() => {
                    Err(too_large(&limits).into())
                }
                Err(error) => Err(error),
                Ok(Err(message)) => Ok(Err(returned(message))),
                Ok(Ok(bytes)) if bytes.len() > state_bytes(&limits) => Ok(Err(Cause::Limit(too_large(&limits)))),
                Ok(Ok(bytes)) => Ok(Ok(bytes)),
            }
        });
        self.outcome(&about::<E>(SAVE), saved)
    }

    fn restored(&mut self, instance: &mut Instance<E>, bytes: &[u8]) -> Result<()> {
        let call = self.call_for_state();
        let (restored, _) = self.run(instance, call, |instance| {
            let limit = state_bytes(&instance.store.data().limits);
            if bytes.len() > limit {
                let found = format!("a state of {}", Bytes(bytes.len() as u64));
                return Ok(Err(unlike(found, format!("{} at most (limits.state_bytes)", Bytes(limit as u64)))));
            }
            let exports = GuestIndices::new(&instance.linked)?.load(&mut instance.store, &instance.component)?;
            Ok(exports.call_restore(&mut instance.store, bytes)?.map_err(returned))
        });
        self.outcome(&about::<E>(RESTORE), restored)
    }

    /// A call that is at no step: the memory is the same whenever it is saved.
    fn call_for_state(&self) -> Call {
        let random = Random::for_start(self.plugin().settings.seed);
        Call::new(StepContext::default(), random, Device::Cpu, Usage::default())
    }
}

impl<E: Export> RoleState for Guest<E> {
    fn owner(&self) -> &str {
        self.name()
    }

    fn sha256(&self) -> &str {
        self.plugin().digest()
    }

    fn save(&mut self) -> brewer::Result<Vec<u8>> {
        let mut instance = self.ready(&about::<E>(SAVE))?;
        let bytes = self.saved(&mut instance)?;
        self.keep(instance);
        Ok(bytes)
    }

    fn restore(&mut self, bytes: &[u8]) -> brewer::Result<()> {
        let mut instance = self.ready(&about::<E>(RESTORE))?;
        self.restored(&mut instance, bytes)?;
        self.keep(instance);
        Ok(())
    }
}

/// How messages name a call: `kd-loss, state.save`.
fn about<E: Export>(call: &str) -> String {
    format!("{}, {call}", E::ROLE)
}

fn state_bytes(limits: &Limits) -> usize {
    usize::try_from(limits.state_bytes).unwrap_or(usize::MAX)
}

fn too_large(limits: &Limits) -> LimitError {
    LimitError::new("state_bytes", Bytes(limits.state_bytes), "saved a larger state")
}
