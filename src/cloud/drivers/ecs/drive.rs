//! The rollout's order to ECS, and what this process has learned of ECS's deployments.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::begin::our_minutes;
use crate::domain::clock::Timestamp;
use crate::domain::driver::EcsDeployment;

/// What ECS is asked for, and what was learned of its deployments.
#[derive(Debug)]
pub(in crate::cloud) struct EcsDrive {
    pub(super) asked: EcsDeployment,
    /// How the service deployed before the rollout, where that was recorded.
    pub(super) before: Option<Value>,
    memory: Mutex<Memory>,
}

/// Facts that do not change, and what was said last.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The ARN of our deployment.
    pub(super) found: Option<String>,
    /// Task definitions by the ARN of their revision.
    pub(super) definitions: BTreeMap<String, String>,
    /// The pause that was answered last: its hook, and the share that the candidate had.
    pub(super) answered: Option<(String, u16)>,
    /// Since when the deployment is seen to go back while the rule does not show it.
    pub(super) back_since: Option<Timestamp>,
}

impl EcsDrive {
    /// `recorded` is how the service deployed before, in JSON.
    pub(in crate::cloud) fn new(asked: EcsDeployment, recorded: Option<&str>) -> EcsDrive {
        let before = recorded.and_then(|text| serde_json::from_str(text).ok());
        EcsDrive { asked, before, memory: Mutex::default() }
    }

    /// How long our pause waits, in minutes, by which it is told from those of the service's own.
    pub(super) fn our_minutes(&self) -> i32 {
        our_minutes(self.before.as_ref().unwrap_or(&Value::Null), &self.asked)
    }

    /// Forgets which deployment was found: another is begun.
    pub(super) fn forget(&self) {
        self.with(|memory| memory.found = None);
    }

    /// The task definition of a revision, once it was learned; empty before.
    pub(super) fn definition(&self, revision: Option<&str>) -> String {
        self.with(|memory| memory.definitions.get(revision.unwrap_or_default()).cloned()).unwrap_or_default()
    }

    pub(super) fn with<T>(&self, what: impl FnOnce(&mut Memory) -> T) -> T {
        what(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
