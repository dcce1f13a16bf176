//! What people and programs are shown: every report sees notices and the machine, live or replayed.

use crate::clock::Timestamp;
use crate::machine::{Machine, Notice};

/// Somebody who is told.
pub trait Report {
    /// Takes in one notice; `machine` stands where the notice left it.
    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine);

    /// Called about every wall second while the rollout waits.
    fn tick(&mut self, at: Timestamp, machine: &Machine) {
        let _ = (at, machine);
    }
}
