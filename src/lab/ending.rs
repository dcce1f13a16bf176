//! Ends with the lab everything that it has started.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

/// Handed to all that runs; what is spawned through it ends when the lab does.
#[derive(Clone)]
pub(super) struct Ending {
    over: Arc<watch::Sender<bool>>,
}

impl Ending {
    /// Nothing has ended yet.
    pub(crate) fn new() -> Ending {
        Ending { over: Arc::new(watch::channel(false).0) }
    }

    /// Runs a future until it is done or the lab ends.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let ending = self.over.subscribe();
        tokio::spawn(async move {
            let mut over = ending;
            tokio::select! {
                () = future => {}
                _ = over.wait_for(|over| *over) => {}
            }
        });
    }

    /// Waits for a future, or for the end if that comes first.
    pub(crate) async fn until(&self, future: impl Future<Output = ()>) {
        let mut over = self.over.subscribe();
        tokio::select! {
            () = future => {}
            _ = over.wait_for(|over| *over) => {}
        }
    }

    /// Ends everything.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    /// Waits until all that was spawned has let go.
    pub(crate) async fn ended(&self) {
        self.over.closed().await;
    }
}
