//! Callbacks before the run: a mistake in one shows at its first checkpoint otherwise, hours later.

use super::Session;
use crate::Result;
use crate::callback::Scalars;

impl Session {
    /// Whether the scalars that callbacks are configured with are reported by a callback before them, as far as that is
    /// known without a call.
    ///
    /// # Errors
    /// A callback's, with the names that there are.
    pub fn check_callbacks(&self) -> Result<()> {
        let mut known = vec![];
        for callback in &self.callbacks {
            callback.check_scalars(&known)?;
            match callback.scalar_names() {
                Some(names) => known.extend(names),
                None => break,
            }
        }
        Ok(())
    }

    /// Calls each callback once on the student as it is, and keeps nothing of what it does.
    ///
    /// # Errors
    /// A callback's, from its configuration or from its call.
    pub fn rehearse_callbacks(&mut self) -> Result<()> {
        let mut scalars = Scalars::new();
        for callback in &mut self.callbacks {
            let known: Vec<String> = scalars.keys().cloned().collect();
            callback.check_scalars(&known)?;
            callback.rehearse(&self.student, &mut scalars)?;
        }
        Ok(())
    }
}
