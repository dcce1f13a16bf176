//! Tells others: a report that writes letters about its notices and puts them out.

use crate::cloud::Outbox;
use crate::domain::clock::Timestamp;
use crate::machine::{Machine, Notice};
use crate::report::Report;
use crate::report::news::{About, letter};

/// Puts out a letter about every notice that is news for others.
pub struct Teller {
    about: About,
    outbox: Outbox,
}

impl Teller {
    /// Tells of one rollout.
    pub fn new(about: About, outbox: Outbox) -> Self {
        Self { about, outbox }
    }
}

impl Report for Teller {
    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine) {
        if self.outbox.is_empty() {
            return;
        }
        if let Some(letter) = letter(&self.about, at, notice, machine) {
            self.outbox.put(letter);
        }
    }
}
