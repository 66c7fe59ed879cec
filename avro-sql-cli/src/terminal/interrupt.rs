//! Ctrl-C and requests to terminate. Once waited for, they no longer kill the process: whoever waits cleans up.

use std::future::Future;
use std::process::{Command, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[cfg(unix)]
use tokio::signal::unix::SignalKind;

use crate::error::{Error, Result};

/// Runs `work` until it is done or the user interrupts it, from the call on.
pub(crate) fn unless_interrupted<T>(work: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
    let requested = requested();
    async {
        tokio::select! {
            result = work => result,
            () = requested => Err(Error::Interrupted),
        }
    }
}

/// Ends when the user presses Ctrl-C or the process is asked to terminate, from the call on: before anything is begun that
/// has to be cleaned up.
pub(crate) fn requested() -> impl Future<Output = ()> {
    let (ctrl_c, terminate) = (ctrl_c(), terminate());
    async {
        tokio::select! {
            () = ctrl_c => {}
            () = terminate => {}
        }
    }
}

/// Was the process asked to terminate?
static ASKED: AtomicBool = AtomicBool::new(false);

/// Does it wait for keys, so that nobody looks at that?
static READING: AtomicBool = AtomicBool::new(false);

/// From now on a request to terminate ends the process also where it reads keys, as it would if nobody ever waited for one.
pub(crate) fn heed_while_reading() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watch = move || {
        runtime.block_on(async { terminate().await });
        ASKED.store(true, Ordering::SeqCst);
        if READING.load(Ordering::SeqCst) {
            // The line editor has changed how the terminal works. Where that cannot be undone, so be it.
            let _ = Command::new("stty").arg("sane").status();
            exit(130);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(())
}

/// Reads keys.
pub(crate) fn while_reading<T>(read: impl FnOnce() -> T) -> Result<T> {
    READING.store(true, Ordering::SeqCst);
    if ASKED.load(Ordering::SeqCst) {
        return Err(Error::Interrupted);
    }
    let keys = read();
    READING.store(false, Ordering::SeqCst);
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

/// Without a handler, signals do what they always do.
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
