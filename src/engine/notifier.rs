//! Tells others: a report that writes messages about its notices and puts them out.

use crate::cloud::MessageQueue;
use crate::domain::clock::Timestamp;
use crate::machine::{Machine, Notice};
use crate::report::Report;
use crate::report::news::{About, message};

/// Puts out a message about every notice that is news for others.
pub struct Notifier {
    about: About,
    queue: MessageQueue,
}

impl Notifier {
    /// Tells of one rollout.
    pub fn new(about: About, queue: MessageQueue) -> Self {
        Self { about, queue }
    }
}

impl Report for Notifier {
    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine) {
        if self.queue.is_empty() {
            return;
        }
        if let Some(message) = message(&self.about, at, notice, machine) {
            self.queue.put(message);
        }
    }
}
