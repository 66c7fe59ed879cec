//! Ctrl-C and requests to terminate. Once waited for, they no longer kill the process: whoever waits cleans up.

use std::future::Future;
use std::process::{Command, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::error::{Error, Result};

/// Runs `work` until it is done or the user interrupts it.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        result = work => result,
        () = requested() => Err(Error::Interrupted),
    }
}

/// Ends when the user presses Ctrl-C or the process is asked to terminate.
pub(crate) async fn requested() {
    tokio::select! {
        () = ctrl_c() => {}
        () = terminate() => {}
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
        runtime.block_on(terminate());
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

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await; // without a handler Ctrl-C does what it always does
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}
