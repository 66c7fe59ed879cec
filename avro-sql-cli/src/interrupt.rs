//! Ctrl-C and requests to terminate. Once waited for, they no longer kill the process: whoever waits cleans up.

use std::future::Future;

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
