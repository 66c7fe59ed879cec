//! Standard error and the exit code: prints errors and notes, one line each.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Error, Result, one_line};
use crate::progress;

/// Prints a line on standard error. A closed standard error is not a failure.
pub(crate) fn print_stderr(text: &str) {
    progress::clear();
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether only errors are printed on standard error.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Suppresses everything but errors on standard error.
pub(crate) fn suppress_notes() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Prints a note on standard error, unless `--quiet` was given.
pub(crate) fn print_note(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        print_stderr(text);
    }
}

/// Prints an error on standard error, in one line; on a terminal with the place in the statement below.
pub(crate) fn report(e: &Error) {
    match e {
        Error::ClosedPipe => {}
        // A terminal shows `^C` at the cursor.
        Error::Interrupted if io::stderr().is_terminal() => print_stderr("\navro-sql: interrupted"),
        Error::Interrupted => print_stderr("avro-sql: interrupted"),
        Error::Statement(what, at) if io::stderr().is_terminal() => {
            print_stderr(&format!("avro-sql: error: {}\n{}", one_line(what), at.lines()));
        }
        e => print_stderr(&format!("avro-sql: error: {e}")),
    }
}

/// The message of the last panic. A panic is a bug; the user gets one line about it instead of Rust's message.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Panics so far.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Returns the number of panics so far. A task that panics may end its rows early without an error.
pub(crate) fn panics() -> u64 {
    PANICS.load(Ordering::SeqCst)
}

/// Runs the whole command and turns its result, or a panic, into an exit code.
pub(crate) fn catch_panics(command: impl FnOnce() -> Result<()> + panic::UnwindSafe) -> u8 {
    panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        let what = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default();
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{what}{place}"));
    }));
    let result = panic::catch_unwind(command);
    let panicked = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    let error = match (result, panicked) {
        (Ok(Ok(())), _) => return 0,
        (Ok(Err(Error::ClosedPipe)), _) => return 0,
        (Ok(Err(Error::Failed(_) | Error::Statement(..))) | Err(_), Some(what)) => {
            Error::Failed(format!("internal error: {what}; please report it"))
        }
        (Ok(Err(e)), _) => e,
        (Err(_), None) => Error::Failed("internal error; please report it".to_owned()),
    };
    report(&error);
    match error {
        Error::Usage(_) => 2,
        Error::Interrupted => 130,
        Error::Failed(_) | Error::Statement(..) | Error::ClosedPipe => 1,
    }
}
