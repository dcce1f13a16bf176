//! The subject of an answer: the rollout, its release, its target, and the place of its journal.

use serde_json::{Value, json};

use super::sentence;
use crate::plan::{Plan, ReleasePlan};

/// A rollout with what nobody should have to guess.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The rollout's id.
    pub id: &'a str,
    /// The plan it follows.
    pub plan: &'a Plan,
    /// The release's task definition, once the rollout has registered it.
    pub registered: Option<&'a str>,
    /// The store that has its journal: a folder, or a bucket's URL.
    pub store: &'a str,
    /// Whether it is a rehearsal in a lab inside its runner.
    pub is_lab: bool,
}

impl About<'_> {
    /// All of it in one sentence; foreign text is in it as it came.
    pub fn line(&self) -> String {
        format!("rollout {}: {}; {}; journal in {}", self.id, self.release(), self.place(), self.store)
    }

    /// What is released in place of what.
    pub fn release(&self) -> String {
        let before = sentence::task_definition(&self.plan.before.stable_task_definition);
        format!("{} in place of {before}", sentence::task_definition(self.to()))
    }

    /// Where it is released.
    pub fn place(&self) -> String {
        let target = &self.plan.target;
        let lab = if self.is_lab { ", played by a lab inside its runner" } else { "" };
        format!("{}, account {}, cluster {}{lab}", target.region, target.account, target.cluster)
    }

    /// All of it for programs.
    pub fn json(&self) -> Value {
        let target = &self.plan.target;
        json!({
            "release": {"from": self.plan.before.stable_task_definition, "to": self.to()},
            "where": {"account": target.account, "region": target.region, "cluster": target.cluster, "lab": self.is_lab},
            "store": self.store,
        })
    }

    /// The release's task definition, or the file that it is still to be registered from.
    fn to(&self) -> &str {
        match (&self.plan.release, self.registered) {
            (ReleasePlan::Register { .. }, Some(arn)) => arn,
            (release, _) => release.called(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{ID, plan};
    use super::*;

    #[test]
    fn an_answer_names_rollout_release_place_and_journal() {
        let mut plan = plan();
        let arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:42";
        let about =
            |registered, is_lab| About { id: ID, plan: &plan, registered, store: "s3://releases", is_lab }.line();
        assert_eq!(
            about(Some(arn), true),
            format!(
                "rollout {ID}: web:42 in place of web:41; eu-west-1, account 123456789012, cluster prod, played by a \
                 lab inside its runner; journal in s3://releases"
            )
        );
        assert!(about(None, false).contains("app=registry.example.com/web:v2 in place of web:41; eu-west-1"));
        plan.release = ReleasePlan::Registered("web:40".to_owned());
        let about = About { id: ID, plan: &plan, registered: Some(arn), store: "/state", is_lab: false };
        assert_eq!(about.json()["release"], json!({"from": plan.before.stable_task_definition, "to": "web:40"}));
    }
}
