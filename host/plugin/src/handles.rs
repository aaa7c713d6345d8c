//! The tensors and other things that a guest has handles to.

use brewer::{Layer, OutputId, schedule::temperature::Temperature};
use tch::Tensor;
use wasmtime::component::Resource;

use crate::{
    batch::Columns,
    error::Released,
    features::Draft,
    limits::{LimitError, Limits},
    loss_inputs::{KdInputs, MatchInputs},
    outputs::ModelOutputs,
};

/// Tensors in order. Taking one out that is an output of the model is a read.
#[derive(Debug, Default)]
pub struct TensorList(pub Vec<Layer>);

/// What a handle stands for.
#[derive(Debug)]
pub enum Entry {
    /// With the output of the model that it is, unchanged. What is computed from it is none.
    Tensor(Tensor, Option<OutputId>),
    List(TensorList),
    Batch(Columns),
    /// Of a model: what the guest reads of them has handles of its own.
    Outputs(ModelOutputs),
    Features(Box<Draft>),
    Temperature(Temperature),
    KdInputs(Box<KdInputs>),
    MatchInputs(Box<MatchInputs>),
}

impl Entry {
    /// How many tensors are held by it, itself included.
    fn weight(&self) -> usize {
        match self {
            Entry::List(list) => 1 + list.0.len(),
            Entry::Features(draft) => 1 + draft.len(),
            Entry::Batch(columns) => 1 + columns.len(),
            Entry::Tensor(..)
            | Entry::Outputs(_)
            | Entry::Temperature(_)
            | Entry::KdInputs(_)
            | Entry::MatchInputs(_) => 1,
        }
    }
}

/// A type with handles.
pub trait Held: Sized + 'static {
    const NAME: &'static str;

    fn of(entry: &Entry) -> Option<&Self>;
    fn of_mut(entry: &mut Entry) -> Option<&mut Self>;
}

macro_rules! held {
    ($handle:ty, $name:literal, $pattern:pat => $value:expr) => {
        impl Held for $handle {
            const NAME: &'static str = $name;

            fn of(entry: &Entry) -> Option<&Self> {
                if let $pattern = entry { Some($value) } else { None }
            }

            fn of_mut(entry: &mut Entry) -> Option<&mut Self> {
                if let $pattern = entry { Some($value) } else { None }
            }
        }
    };
}

held!(Tensor, "tensor", Entry::Tensor(tensor, _) => tensor);
held!(TensorList, "tensor list", Entry::List(list) => list);
held!(Columns, "batch", Entry::Batch(columns) => columns);
held!(ModelOutputs, "outputs", Entry::Outputs(outputs) => outputs);
held!(Draft, "features", Entry::Features(draft) => draft);
held!(Temperature, "temperature", Entry::Temperature(temperature) => temperature);
held!(KdInputs, "kd inputs", Entry::KdInputs(inputs) => inputs);
held!(MatchInputs, "match inputs", Entry::MatchInputs(inputs) => inputs);

/// All handles of one instance.
///
/// Numbers are not used again in a later call: a guest that kept a handle gets an error, never another call's tensor.
/// Within a call a number is free again once the guest has dropped its handle, because the guest cannot name it then.
#[derive(Debug, Default)]
pub struct Handles {
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// The number of the first slot: all numbers below are from earlier calls.
    base: u32,
    weight: usize,
    /// The handles of earlier calls that the guest still holds.
    stale: usize,
}

impl Handles {
    /// Makes a handle.
    pub(crate) fn insert<H: 'static>(&mut self, limits: &Limits, entry: Entry) -> Result<Resource<H>, LimitError> {
        self.reserve(limits, entry.weight())?;
        self.weight += entry.weight();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                (self.slots.len() - 1) as u32
            }
        };
        Ok(Resource::new_own(self.base + slot))
    }

    /// Refuses `more` tensors if they would pass the limit.
    pub(crate) fn reserve(&self, limits: &Limits, more: usize) -> Result<(), LimitError> {
        if (self.weight + more) as u64 > limits.handles {
            let did = "holds too many tensors at once, or does not drop those it is done with";
            return Err(LimitError::new("handles", format_args!("{} handles", limits.handles), did));
        }
        Ok(())
    }

    pub(crate) fn get<H: Held>(&self, handle: &Resource<H>) -> Result<&H, Released> {
        self.slot(handle.rep()).and_then(H::of).ok_or(Released(H::NAME))
    }

    /// The output of the model that a tensor is, unchanged.
    pub(crate) fn origin(&self, handle: &Resource<Tensor>) -> Option<&OutputId> {
        match self.slot(handle.rep()) {
            Some(Entry::Tensor(_, origin)) => origin.as_ref(),
            _ => None,
        }
    }

    /// Changes what a handle stands for, after room for `more` tensors in it was reserved.
    pub(crate) fn grow<H: Held>(&mut self, handle: &Resource<H>, more: usize) -> Result<&mut H, Released> {
        let index = handle.rep().checked_sub(self.base).ok_or(Released(H::NAME))?;
        let entry = self.slots.get_mut(index as usize).and_then(Option::as_mut).ok_or(Released(H::NAME))?;
        let content = H::of_mut(entry).ok_or(Released(H::NAME))?;
        self.weight += more;
        Ok(content)
    }

    /// Changes what a handle stands for so that it holds one tensor less.
    pub(crate) fn shrink<H: Held>(&mut self, handle: &Resource<H>) -> Result<&mut H, Released> {
        self.get(handle)?;
        self.weight -= 1;
        self.grow(handle, 0)
    }

    /// Takes out what a handle stands for; `None` if it is from an earlier call.
    pub(crate) fn remove<H: 'static>(&mut self, handle: &Resource<H>) -> Option<Entry> {
        let Some(slot) = handle.rep().checked_sub(self.base) else {
            self.stale = self.stale.saturating_sub(1);
            return None;
        };
        let entry = self.slots.get_mut(slot as usize)?.take()?;
        self.weight -= entry.weight();
        self.free.push(slot);
        Some(entry)
    }

    /// Releases all handles: the call that made them is over.
    pub(crate) fn end_call(&mut self) {
        self.stale += self.slots.len() - self.free.len();
        self.base += self.slots.len() as u32;
        self.slots.clear();
        self.free.clear();
        self.weight = 0;
    }

    /// Whether the instance should be replaced: its guest keeps so many dead handles, or so many were made, that the
    /// next call could run out of them.
    pub(crate) fn is_worn_out(&self, limits: &Limits) -> bool {
        self.stale as u64 > limits.handles || self.base > u32::MAX / 2
    }

    fn slot(&self, number: u32) -> Option<&Entry> {
        let index = number.checked_sub(self.base)?;
        self.slots.get(index as usize)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(handles: &mut Handles) -> Resource<Tensor> {
        handles.insert(&Limits::default(), Entry::Tensor(Tensor::from(1.0), None)).unwrap()
    }

    #[test]
    fn a_handle_of_an_earlier_call_never_names_a_later_tensor() {
        let mut handles = Handles::default();
        let kept = tensor(&mut handles);
        assert!(handles.get(&kept).is_ok());
        handles.end_call();
        for _ in 0..3 {
            let fresh = tensor(&mut handles);
            assert_ne!(kept.rep(), fresh.rep());
        }
        assert_eq!(handles.get(&kept).unwrap_err().0, "tensor");
    }

    #[test]
    fn dropping_makes_room_within_a_call() {
        let limits = Limits { handles: 1, ..Limits::default() };
        let mut handles = Handles::default();
        for _ in 0..10 {
            let handle: Resource<Tensor> = handles.insert(&limits, Entry::Tensor(Tensor::from(1.0), None)).unwrap();
            assert!(handles.insert::<Tensor>(&limits, Entry::Tensor(Tensor::from(2.0), None)).is_err());
            assert!(handles.remove(&handle).is_some());
        }
    }

    #[test]
    fn a_guest_that_never_drops_wears_its_instance_out() {
        let limits = Limits { handles: 10, ..Limits::default() };
        let mut handles = Handles::default();
        let first = tensor(&mut handles);
        handles.end_call();
        for _ in 0..10 {
            tensor(&mut handles);
            handles.end_call();
        }
        assert!(handles.is_worn_out(&limits));
        assert!(handles.remove(&first).is_none());
        assert!(!handles.is_worn_out(&limits));
    }
}
