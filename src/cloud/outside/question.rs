//! The question to a judge: one JSON object, the same for a webhook and a command.
//!
//! `version` is 1; within it fields are only ever added. `at` is now and `since` the moment before which data
//! say nothing about the rollout, both RFC 3339 in UTC.

use serde_json::{Value, json};

use crate::domain::clock::Timestamp;
use crate::domain::fleet::{Place, Target};

/// The version of the question.
const VERSION: u32 = 1;

/// What others are told of a rollout beside its target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What rollouts of this spec are called.
    pub name: String,
    /// The release: a task definition, or where a new one comes from.
    pub release: String,
}

pub(super) struct Question<'a> {
    pub(super) gate: &'a str,
    pub(super) at: Timestamp,
    pub(super) since: Timestamp,
    pub(super) about: &'a About,
    pub(super) target: &'a Target,
}

impl Question<'_> {
    /// What a program finds in its environment, so that a script need not read JSON to know the rollout.
    pub(super) fn variables(&self) -> [(String, String); 5] {
        let Question { gate, about, target, .. } = self;
        [
            ("TIDEGATE_GATE", *gate),
            ("TIDEGATE_ROLLOUT", &about.name),
            ("TIDEGATE_RELEASE", &about.release),
            ("TIDEGATE_REGION", &target.region),
            ("TIDEGATE_CLUSTER", &target.cluster),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    }

    pub(super) fn text(&self) -> String {
        let Question { gate, at, since, about, target } = self;
        let question = json!({
            "version": VERSION,
            "gate": gate,
            "at": at.to_string(),
            "since": since.to_string(),
            "rollout": {
                "name": about.name,
                "region": target.region,
                "account": target.account,
                "cluster": target.cluster,
                "rule": target.rule,
                "release": about.release,
                "stable": place(&target.stable),
                "candidate": place(&target.candidate),
            },
        });
        question.to_string()
    }
}

fn place(place: &Place) -> Value {
    json!({
        "slot": place.slot.to_string(),
        "service": place.service,
        "target_group": place.target_group_name,
    })
}
