//! Ends a forward write in flight early when the rollout goes back.

use tokio::sync::watch;

/// Whether the write in flight is asked to end.
#[derive(Debug, Default)]
pub(in crate::cloud) struct Way {
    asked: watch::Sender<bool>,
}

impl Way {
    /// Asks the write in flight to end.
    pub(in crate::cloud) fn make(&self) {
        self.asked.send_replace(true);
    }

    /// Returns once the write in flight is asked to end.
    pub(in crate::cloud) async fn asked(&self) {
        // The sender is ours, so the wait ends only when it is asked.
        let _ = self.asked.subscribe().wait_for(|asked| *asked).await;
    }

    /// Held by a write for as long as it lasts: what was asked of it is asked of no other.
    pub(in crate::cloud) fn turn(&self) -> Turn<'_> {
        Turn(self)
    }
}

/// A write's time in flight.
pub(in crate::cloud) struct Turn<'a>(&'a Way);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.asked.send_replace(false);
    }
}
