//! The signals a service listens to: SIGTERM and SIGINT end it, SIGHUP asks it to read again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERMs and SIGINTs from now on: listening starts with the call, so that none is missed before the first
/// is waited for.
///
/// # Errors
/// The handler cannot be installed.
pub fn terminations() -> io::Result<Terminations> {
    Ok(Terminations {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    })
}

/// SIGTERMs and SIGINTs as they come; several of one kind between two reads count as one.
#[derive(Debug)]
pub struct Terminations {
    terminate: Signal,
    interrupt: Signal,
}

impl Terminations {
    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => tracing::info!(signal = "SIGTERM", "asked to stop"),
            _ = self.interrupt.recv() => tracing::info!(signal = "SIGINT", "asked to stop"),
        }
    }
}

/// SIGHUPs from now on. Without it, the signal's default action ends the process.
///
/// # Errors
/// The handler cannot be installed.
pub fn hangups() -> io::Result<Hangups> {
    signal(SignalKind::hangup()).map(Hangups)
}

/// SIGHUPs as they come; several between two reads count as one.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Waits for the next one.
    pub async fn next(&mut self) {
        // `None` would mean that the runtime's signal driver is gone, and the runtime with it.
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
