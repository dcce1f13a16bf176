//! The rule as it was last read, so that the way back can write at once.

use std::sync::{Mutex, PoisonError};

use aws_sdk_elasticloadbalancingv2::types::Action;

use crate::domain::clock::Timestamp;

/// The rule's actions as they were last read, and when.
#[derive(Debug, Default)]
pub(super) struct LastRead(Mutex<Option<(Timestamp, Vec<Action>)>>);

impl LastRead {
    pub(super) fn get(&self) -> Option<(Timestamp, Vec<Action>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, at: Timestamp, actions: &[Action]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, actions.to_vec()));
    }
}
