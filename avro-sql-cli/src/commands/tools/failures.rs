//! Files of many that cannot be read: each is named on standard error, the others are read, and the command fails at the end.

use super::input::Input;
use crate::error::{Error, Result, report};

/// The failures of one command.
pub(super) struct Failures {
    of: usize,
    n: usize,
}

impl Failures {
    /// None yet, of so many files.
    pub(super) fn of(inputs: &[Input]) -> Self {
        Failures { of: inputs.len(), n: 0 }
    }

    /// Names the failure of a file. That of the only one is the command's, as is one that has nothing to do with files.
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

    /// An error if there were any.
    pub(super) fn finish(self) -> Result<()> {
        match self.n {
            0 => Ok(()),
            n => Err(Error::Failed(format!("{n} of {} files cannot be read", self.of))),
        }
    }
}
