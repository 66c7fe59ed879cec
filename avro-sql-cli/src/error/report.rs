//! Standard error and the exit code: errors and notes in, one line each out.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Error, Result};
use crate::progress;

/// Says something on standard error. That standard error is closed is no reason to fail.
pub(crate) fn say(text: &str) {
    progress::clear();
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Was nothing wanted on standard error but errors?
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on there are only errors on standard error.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Says what is good to know but no error, unless nobody wants to hear it.
pub(crate) fn aside(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        say(text);
    }
}

/// Says what went wrong on standard error, in one line.
pub(crate) fn report(e: &Error) {
    match e {
        Error::ClosedPipe => {}
        // A terminal shows `^C` where the line had come to.
        Error::Interrupted if io::stderr().is_terminal() => say("\navro-sql: interrupted"),
        Error::Interrupted => say("avro-sql: interrupted"),
        e => say(&format!("avro-sql: error: {e}")),
    }
}

/// What the last panic said. A panic is a bug; the user is told so in one line rather than in Rust's words.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs the whole command and turns its result into an exit code, panics included.
pub(crate) fn catch_panics(command: impl FnOnce() -> Result<()> + panic::UnwindSafe) -> ExitCode {
    panic::set_hook(Box::new(|info| {
        let what = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default();
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{what}{place}"));
    }));
    let result = panic::catch_unwind(command);
    let panicked = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    let error = match (result, panicked) {
        (Ok(Ok(())), _) => return ExitCode::SUCCESS,
        (Ok(Err(Error::ClosedPipe)), _) => return ExitCode::SUCCESS,
        (Ok(Err(Error::Failed(_))) | Err(_), Some(what)) => {
            Error::Failed(format!("internal error: {what}; please report it"))
        }
        (Ok(Err(e)), _) => e,
        (Err(_), None) => Error::Failed("internal error; please report it".to_owned()),
    };
    report(&error);
    match error {
        Error::Usage(_) => ExitCode::from(2),
        Error::Interrupted => ExitCode::from(130),
        Error::Failed(_) | Error::ClosedPipe => ExitCode::FAILURE,
    }
}
