//! The rollout's order to CodeDeploy, and its deployment once that is found.

use std::sync::{Mutex, PoisonError};

use crate::cloud::aws::codedeploy::Of;
use crate::domain::driver::CodeDeployment;

/// What CodeDeploy is asked for, and the deployment that was found to be the rollout's.
#[derive(Debug)]
pub(in crate::cloud) struct Begun {
    pub(super) asked: CodeDeployment,
    id: Mutex<Option<String>>,
}

impl Begun {
    pub(in crate::cloud) fn of(asked: CodeDeployment) -> Begun {
        Begun { asked, id: Mutex::default() }
    }

    pub(super) fn group(&self) -> Of<'_> {
        Of { application: &self.asked.application, group: &self.asked.group }
    }

    pub(super) fn id(&self) -> Option<String> {
        self.id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is(&self, id: &str) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
    }
}
