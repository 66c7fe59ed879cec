//! Ctrl-C and SIGTERM. Once awaited, they no longer kill the process: the waiting code cleans up.

use std::future::Future;
use std::pin::pin;
use std::process::{Command, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures::FutureExt;
#[cfg(unix)]
use tokio::signal::unix::SignalKind;

use crate::error::{Error, Result};

/// Runs `work` until it is done or the user interrupts it. Signals count from the call on.
pub(crate) fn unless_interrupted<T>(work: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
    let requested = requested();
    async {
        let mut requested = pin!(requested);
        let result = tokio::select! {
            result = work => result,
            () = &mut requested => return Err(Error::Interrupted),
        };
        // Work that blocked this thread may have failed because of the interrupt.
        match result {
            Err(_) if requested.now_or_never().is_some() => Err(Error::Interrupted),
            result => result,
        }
    }
}

/// Completes when the user presses Ctrl-C or the process gets SIGTERM. Signals count from the call on, before work
/// begins that needs a cleanup.
pub(crate) fn requested() -> impl Future<Output = ()> {
    let (ctrl_c, terminate) = (ctrl_c(), terminate());
    async {
        tokio::select! {
            () = ctrl_c => {}
            () = terminate => {}
        }
    }
}

/// Whether the process got SIGTERM.
static TERM_REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether the process waits for keys, and so does not check `TERM_REQUESTED`.
static IN_READLINE: AtomicBool = AtomicBool::new(false);

/// Makes SIGTERM end the process also while it reads keys, as it would without a handler.
pub(crate) fn exit_on_sigterm_during_readline() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watch = move || {
        runtime.block_on(async { terminate().await });
        TERM_REQUESTED.store(true, Ordering::SeqCst);
        if IN_READLINE.load(Ordering::SeqCst) {
            // The line editor has changed the terminal's mode. A failure to restore it is ignored.
            let _ = Command::new("stty").arg("sane").status();
            exit(130);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(())
}

/// Reads keys.
pub(crate) fn while_reading<T>(read: impl FnOnce() -> T) -> Result<T> {
    IN_READLINE.store(true, Ordering::SeqCst);
    if TERM_REQUESTED.load(Ordering::SeqCst) {
        return Err(Error::Interrupted);
    }
    let keys = read();
    IN_READLINE.store(false, Ordering::SeqCst);
    Ok(keys)
}

#[cfg(unix)]
fn ctrl_c() -> impl Future<Output = ()> {
    received(SignalKind::interrupt())
}

#[cfg(unix)]
fn terminate() -> impl Future<Output = ()> {
    received(SignalKind::terminate())
}

/// Without a handler, signals have their default effect.
#[cfg(unix)]
fn received(kind: SignalKind) -> impl Future<Output = ()> {
    let signals = tokio::signal::unix::signal(kind);
    async {
        match signals {
            Ok(mut signals) => drop(signals.recv().await),
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}
