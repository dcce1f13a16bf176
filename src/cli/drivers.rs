//! The one place that builds drivers.

use std::net::SocketAddr;

use super::context::Context;
use crate::cloud::alb::beacon::Marked;
use crate::cloud::alb::{AlbDriver, AlbSetup, Recorded, ReleaseDocument};
use crate::cloud::aws::Aws;
use crate::cloud::{About, Fence, Ours, ReleaseKnown};
use crate::domain::clock::Clock;
use crate::domain::driver::Driver;
use crate::domain::fleet::{RuleView, Target};
use crate::domain::name::RolloutId;
use crate::engine::Runner;
use crate::plan::{Plan, ReleasePlan};

/// What drivers reach an account by.
pub(super) struct Reach<'a> {
    pub(super) context: &'a Context,
    pub(super) aws: &'a Aws,
    /// Where plain-text requests to a `host:port` connect to instead; for a lab.
    pub(super) connect_to: Vec<(String, SocketAddr)>,
}

impl Reach<'_> {
    /// The driver for a rollout's plan. `release` is what is still to be registered.
    pub(super) fn driver(self, plan: &Plan, runner: Runner<'_>, release: Option<ReleaseDocument>) -> AlbDriver {
        let recorded = Recorded {
            weights: plan.before.weights.clone(),
            stickiness: plan.before.stickiness,
            sticky_groups: plan.before.sticky_groups.clone(),
            priority: plan.before.priority,
            shape: plan.before.shape.clone(),
            actions_json: plan.before.actions_json.clone(),
        };
        let released = plan.release.called();
        let known = match &plan.release {
            ReleasePlan::Registered(name) => ReleaseKnown::Named(name.clone()),
            ReleasePlan::Register { digest, .. } => ReleaseKnown::Tagged(digest.clone()),
        };
        let stable = plan.before.stable_task_definition.clone();
        let setup = AlbSetup {
            rollout: Some((runner.id.clone(), runner.epoch)),
            target: plan.target.clone(),
            driver: plan.driver.clone(),
            ours: Ours {
                since: plan.before.at,
                stable,
                release: known,
                configuration: plan.before.deployment_configuration.clone(),
            },
            recorded,
            test_rules: plan.before.test_rules.clone(),
            release,
            about: About { name: plan.name.to_string(), release: released.to_owned() },
            environment: self.context.variables().clone(),
            connect_to: self.connect_to,
            fence: runner.fence,
            writer_role: plan.writer_role.clone(),
        };
        AlbDriver::new(self.aws, runner.clock, setup)
    }

    /// A driver that only reads, for no rollout.
    pub(super) fn reader(self, name: &str, target: Target, rule: &RuleView, clock: Clock) -> AlbDriver {
        let setup = AlbSetup {
            rollout: None,
            target,
            driver: Driver::Pair,
            ours: Ours::default(),
            recorded: Recorded {
                weights: rule.weights.clone(),
                stickiness: rule.stickiness,
                sticky_groups: rule.sticky_groups.clone(),
                priority: rule.priority,
                shape: rule.shape.clone(),
                actions_json: rule.actions_json.clone(),
            },
            test_rules: Vec::new(),
            release: None,
            about: About { name: name.to_owned(), release: String::new() },
            environment: self.context.variables().clone(),
            connect_to: self.connect_to,
            fence: Fence::default(),
            writer_role: None,
        };
        AlbDriver::new(self.aws, clock, setup)
    }

    /// The driver for a rule of which only the tags are known: good for the way back alone.
    pub(super) fn by_tags(self, marked: &Marked, clock: Clock) -> AlbDriver {
        let setup = AlbSetup {
            rollout: RolloutId::parse(&marked.rollout).ok().map(|id| (id, marked.epoch)),
            target: marked.target.clone(),
            driver: Driver::Pair,
            ours: Ours::default(),
            recorded: marked.recorded.clone(),
            test_rules: Vec::new(),
            release: None,
            about: About { name: marked.rollout.clone(), release: String::new() },
            environment: self.context.variables().clone(),
            connect_to: self.connect_to,
            fence: Fence::default(),
            writer_role: None,
        };
        AlbDriver::new(self.aws, clock, setup)
    }
}
