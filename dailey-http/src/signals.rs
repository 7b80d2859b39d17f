//! The signals a service listens to: SIGTERM and SIGINT end it, SIGHUP asks it to read again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Completes at the first SIGTERM or SIGINT after it was made.
///
/// Listening starts with the call, not with the first poll, so that no signal is missed between.
///
/// # Errors
/// The handler cannot be installed.
pub fn terminate() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "asked to stop"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "asked to stop"),
        }
    })
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
