//! What roles remember, on its way into checkpoints and back.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Session, TrainError};
use crate::{Result, RoleState, os_reason};

/// The memory of one role at a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SavedState {
    pub entry: StateEntry,
    pub bytes: Vec<u8>,
}

/// A memory as the checkpoint's manifest lists it. The manifest has a digest of its file, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateEntry {
    /// The role's place in the run: `kd_loss`, `callbacks.0`.
    place: String,
    owner: String,
    /// The digest of the owner's file.
    sha256: String,
}

impl Session {
    /// Every memory of a role, with the role's place in the run.
    fn states(&mut self) -> Vec<(String, &mut dyn RoleState)> {
        let mut states: Vec<(String, &mut dyn RoleState)> = vec![];
        for task in &mut self.tasks {
            let of_task = task.name.as_ref().map_or(String::new(), |name| format!("{name}."));
            for branch in task.teachers.iter_mut().chain([&mut task.student]) {
                let place = format!("{of_task}{}.adaptor", branch.side);
                states.extend(branch.adaptor.state().map(|state| (place, state)));
            }
            let postprocessor = task.postprocessor.as_mut().and_then(|postprocessor| postprocessor.state());
            states.extend(postprocessor.map(|state| (format!("{of_task}batch_postprocessor"), state)));
        }
        for (index, callback) in self.callbacks.iter_mut().enumerate() {
            states.extend(callback.state().map(|state| (format!("callbacks.{index}"), state)));
        }
        states.extend(self.distiller.states());
        states
    }

    /// The memory of every role now.
    pub(super) fn save_states(&mut self) -> Result<Vec<SavedState>> {
        self.states().into_iter().map(|(place, state)| save(place, state)).collect()
    }

    /// Has every role save its memory and restore it, so that a mistake in either shows before the run.
    pub(super) fn check_states(&mut self) -> Result<()> {
        for (_, state) in self.states() {
            let bytes = state.save()?;
            state.restore(&bytes)?;
        }
        Ok(())
    }

    /// Makes the memory of every role what it was at a checkpoint.
    ///
    /// # Errors
    /// If the checkpoint lacks one, or has one of another file, or one that no role takes.
    pub(super) fn restore_states(&mut self, saved: &[SavedState]) -> Result<()> {
        restore(self.states(), saved)
    }
}

fn save(place: String, state: &mut dyn RoleState) -> Result<SavedState> {
    let bytes = state.save()?;
    let (owner, sha256) = (state.owner().to_owned(), state.sha256().to_owned());
    Ok(SavedState { entry: StateEntry { place, owner, sha256 }, bytes })
}

fn restore(states: Vec<(String, &mut dyn RoleState)>, saved: &[SavedState]) -> Result<()> {
    let mut left: Vec<&SavedState> = saved.iter().collect();
    for (place, state) in states {
        let refused = |state: &dyn RoleState, problem| TrainError::RoleState {
            owner: state.owner().to_owned(),
            place: place.clone(),
            problem,
        };
        let Some(found) = left.iter().position(|saved| saved.entry.place == place) else {
            return Err(refused(state, "the checkpoint holds nothing of it".to_owned()).into());
        };
        let SavedState { entry, bytes } = left.remove(found);
        if entry.sha256 != state.sha256() {
            let StateEntry { owner, sha256, .. } = entry;
            let problem =
                format!("the checkpoint holds that of {owner}, sha256 {sha256}; this one is sha256 {}", state.sha256());
            return Err(refused(state, problem).into());
        }
        state.restore(bytes)?;
    }
    match left.first() {
        Some(SavedState { entry: StateEntry { place, owner, .. }, .. }) => {
            let problem = "the checkpoint holds it, and nothing there has a memory".to_owned();
            Err(TrainError::RoleState { owner: owner.clone(), place: place.clone(), problem }.into())
        }
        None => Ok(()),
    }
}

/// The name of a memory's file in the checkpoint, after its place in the manifest's list.
fn file_name(index: usize) -> String {
    format!("role_state.{index}.bin")
}

/// Writes memories into the folder of a checkpoint.
pub(super) fn write(checkpoint: &Path, states: &[SavedState]) -> Result<()> {
    for (index, state) in states.iter().enumerate() {
        let path = checkpoint.join(file_name(index));
        fs::write(&path, &state.bytes).map_err(|source| TrainError::Write { path, source })?;
    }
    Ok(())
}

/// Reads the memories that a checkpoint's manifest lists; an error says what is wrong.
pub(super) fn read(checkpoint: &Path, entries: Vec<StateEntry>) -> Result<Vec<SavedState>, String> {
    let read = |(index, entry): (usize, StateEntry)| {
        let name = file_name(index);
        let bytes = fs::read(checkpoint.join(&name));
        let bytes = bytes.map_err(|error| format!("{name} cannot be read: {}", os_reason(&error)))?;
        Ok(SavedState { entry, bytes })
    };
    entries.into_iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A role that remembers one byte.
    struct Counter(u8, &'static str);

    impl RoleState for Counter {
        fn owner(&self) -> &str {
            "plugin counter.wasm"
        }

        fn sha256(&self) -> &str {
            self.1
        }

        fn save(&mut self) -> Result<Vec<u8>> {
            Ok(vec![self.0])
        }

        fn restore(&mut self, bytes: &[u8]) -> Result<()> {
            self.0 = bytes[0];
            Ok(())
        }
    }

    #[test]
    fn a_memory_returns_to_its_place_through_the_files_of_a_checkpoint() {
        let saved =
            [("a", 1), ("b", 2)].map(|(place, count)| save(place.to_owned(), &mut Counter(count, "12")).unwrap());
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &saved).unwrap();
        let found = read(folder.path(), saved.iter().map(|saved| saved.entry.clone()).collect()).unwrap();
        assert_eq!(found, saved);
        let (mut first, mut second) = (Counter(0, "12"), Counter(0, "12"));
        restore(vec![("b".to_owned(), &mut second), ("a".to_owned(), &mut first)], &found).unwrap();
        assert_eq!((first.0, second.0), (1, 2));
    }

    #[test]
    fn a_memory_that_is_missing_or_of_another_file_or_too_many_is_refused() {
        let saved = [save("a".to_owned(), &mut Counter(1, "12")).unwrap()];
        let refusal = |places: &[&str], sha256| {
            let mut roles: Vec<Counter> = places.iter().map(|_| Counter(0, sha256)).collect();
            let states = places.iter().map(|place| (*place).to_owned());
            let states = states.zip(roles.iter_mut().map(|role| role as &mut dyn RoleState)).collect();
            restore(states, &saved).unwrap_err().to_string()
        };
        let expected = "cannot resume with the memory of plugin counter.wasm as `a`: the checkpoint holds";
        assert!(refusal(&["a"], "34").contains(&format!("{expected} that of plugin counter.wasm, sha256 12")));
        assert!(refusal(&[], "12").contains(&format!("{expected} it, and nothing there")));
        assert!(refusal(&["a", "b"], "12").contains("as `b`: the checkpoint holds nothing of it"));
    }
}
