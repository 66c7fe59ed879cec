//! Failures of single files: each is printed, the other files are read, and the command fails at the end.

use super::input::Input;
use crate::error::{Error, Result, report};

/// The failures of one command.
pub(super) struct Failures {
    of: usize,
    n: usize,
}

impl Failures {
    /// Starts with no failures of these files.
    pub(super) fn new(inputs: &[Input]) -> Self {
        Failures { of: inputs.len(), n: 0 }
    }

    /// Prints the failure of a file. If there is only one file, or the error is not about a file, returns the error.
    pub(super) fn add(&mut self, error: Error) -> Result<()> {
        match error {
            Error::Failed(_) if self.of > 1 => {
                report(&error);
                self.n += 1;
                Ok(())
            }
            error => Err(error),
        }
    }

    /// Returns an error if there were failures.
    pub(super) fn finish(self) -> Result<()> {
        match self.n {
            0 => Ok(()),
            n => Err(Error::Failed(format!("{n} of {} files cannot be read", self.of))),
        }
    }
}
