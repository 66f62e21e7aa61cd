//! How the server is told to stop, and how it tells everybody.

use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Connections and requests are taken.
    Serving,
    /// Not ready any more: load balancers look elsewhere, while connections are still taken.
    Leaving,
    /// No new connections; requests under way are finished.
    Draining,
    /// Everything stops where it stands.
    Quit,
}

/// One server's life, shared between its signal handler, its connections and its readiness probe.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<Stage>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    pub fn new() -> Self {
        Self(watch::Sender::new(Stage::Serving))
    }

    /// SIGTERM and SIGINT ask the server to finish; a second one of either makes it quit at once.
    #[cfg(unix)]
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                shutdown.request();
            }
        });
        Ok(())
    }

    /// Asks the server to finish; asked again, it quits at once.
    pub fn request(&self) {
        let asked_before = *self.0.borrow() > Stage::Serving;
        self.advance(if asked_before { Stage::Quit } else { Stage::Leaving });
    }

    /// Whether new requests are welcome: what the readiness probe says.
    pub fn is_ready(&self) -> bool {
        *self.0.borrow() == Stage::Serving
    }

    /// Waits until the server has been asked to finish.
    pub async fn requested(&self) {
        self.reached(Stage::Leaving).await;
    }

    /// Moves on to `stage`, and never back.
    pub(super) fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|present| {
            let later = stage > *present;
            *present = stage.max(*present);
            later
        });
    }

    pub(super) async fn reached(&self, stage: Stage) {
        // The sender lives in `self`: this can't fail.
        _ = self.0.subscribe().wait_for(|present| *present >= stage).await;
    }
}
