//! Remembers of each task definition whether it is the rollout's release: a tag of a registration does not change.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// By the task definition's ARN.
#[derive(Debug, Default)]
pub(super) struct Releases(Mutex<BTreeMap<String, bool>>);

impl Releases {
    pub(super) fn known(&self, definition: &str) -> Option<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(definition).copied()
    }

    pub(super) fn learn(&self, definition: &str, is_release: bool) {
        let mut learned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        learned.insert(definition.to_owned(), is_release);
    }
}
