//! Holds a process that was started, so that one call ends it with all that it started.

use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// Holds at most one process group.
#[derive(Clone, Debug, Default)]
pub(super) struct ProcessGroup(Arc<Mutex<Option<Pid>>>);

impl ProcessGroup {
    /// Holds the group that the process `id` leads.
    pub(super) fn hold(&self, id: Option<u32>) {
        let pid = id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    }

    /// Lets go of a process that has ended: its number may soon be another's.
    pub(super) fn let_go(&self) {
        self.hold(None);
    }

    /// Kills the whole group.
    pub(super) fn cut(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pid) = held {
            // There may be nobody left in it.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
