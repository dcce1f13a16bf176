//! The compiled rollout: absolute, bounded steps, what stood before, and the limits of both ways.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::driver::Driver;
use crate::domain::fleet::{Role, Target};
use crate::domain::name::RolloutName;
use crate::domain::notify::Recipient;
use crate::domain::safeguard::{DeadMan, SWITCH_FAR, SWITCH_LANDS_WITHIN, Scaling};
use crate::domain::traffic::Share;
use crate::domain::window::Windows;
use crate::gate::Gate;
use crate::gate::compare::RampRule;
use crate::spec::{Limits, Policies};

/// A spec compiled against a survey. It says what will be done in absolute words, so that the
/// machine knows neither strategies nor differences.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The spec's name.
    pub name: RolloutName,
    /// Who moves the weights.
    pub driver: Driver,
    /// What is moved, resolved.
    pub target: Target,
    /// What stood before the first effect; the way back uses this, never the spec.
    pub before: Before,
    /// What is released.
    pub release: ReleasePlan,
    /// The images that the release changes, as far as they could be read.
    pub images: Vec<ImageChange>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The questions, in the spec's order.
    pub gates: Vec<Gate>,
    /// What happens when something does.
    pub policies: Policies,
    /// How long things may take.
    pub limits: Limits,
    /// Who gives the traffic back when no runner lives, if anybody does.
    pub dead_man: Option<DeadMan>,
    /// The ARN of the IAM role that forward writes of the rule are signed as, so that AWS refuses one that comes late.
    pub writer_role: Option<String>,
    /// Who else is told how it goes.
    pub notify: Vec<Recipient>,
    /// When it may go forward; `None` is at any time.
    pub windows: Option<Windows>,
    /// The promoted rollout that this one takes back, if it does.
    pub undoes: Option<Undoes>,
    /// By which rules readings are judged: [`RULES`](super::RULES) of the build that made it.
    pub rules: u32,
    /// What the plan's reader should know although it refuses nothing.
    pub warnings: Vec<String>,
}

/// The image of a container, as it serves and as it is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageChange {
    /// The container's name.
    pub container: String,
    /// The image that serves; `None` where the container is new.
    pub from: Option<String>,
    /// The image that is released; `None` where the container goes.
    pub to: Option<String>,
}

/// What a rollout takes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undoes {
    /// The id of the promoted rollout.
    pub rollout: String,
    /// Why.
    pub reason: Option<String>,
}

/// What stood before the rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// When it was read.
    pub at: Timestamp,
    /// Target groups of the rule's forward action, by ARN, with their weights.
    pub weights: Vec<(String, u16)>,
    /// How long a client sticks to a target group, when stickiness is on.
    pub stickiness: Option<Duration>,
    /// As [`crate::domain::fleet::RuleView::sticky_groups`].
    pub sticky_groups: Vec<String>,
    /// The rule's priority; `None` for the default rule, and in journals that do not know it.
    pub priority: Option<u32>,
    /// As [`crate::domain::fleet::RuleView::shape`].
    pub shape: String,
    /// The whole action list as the AWS CLI takes it after `--actions`.
    pub actions_json: String,
    /// Tasks of the stable slot.
    pub stable_desired: u32,
    /// Tasks of the candidate slot.
    pub candidate_desired: u32,
    /// The stable slot's task definition.
    pub stable_task_definition: String,
    /// The candidate slot's task definition.
    pub candidate_task_definition: String,
    /// The scalable targets of the slots' services that have one and that could be read.
    pub scaling: Vec<(Role, Scaling)>,
    /// Rules that lead to a slot and that only tests come by, by ARN: the probes go there, or AWS's own deployment does.
    pub test_rules: Vec<String>,
    /// As [`crate::domain::fleet::Survey::deployment_configuration`].
    pub deployment_configuration: Option<String>,
}

/// What is released: a task definition that exists, or one that is registered first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleasePlan {
    /// It exists: its ARN or `family:revision`.
    Registered(String),
    /// It is registered by the first step. The document itself may hold secrets and is never
    /// written down: only where it comes from, and the fingerprint it had.
    Register {
        /// `file web/taskdef.json` or `family web with images app=…`.
        source: String,
        /// SHA-256 of the document as it will be registered, in hex.
        digest: String,
    },
}

impl ReleasePlan {
    /// What names it beyond doubt: its task definition, or the fingerprint of its document.
    pub fn name(&self) -> &str {
        match self {
            Self::Registered(name) => name,
            Self::Register { digest, .. } => digest,
        }
    }
}

impl ReleasePlan {
    /// What it is called: the task definition, or where one that is still to be registered comes from.
    pub fn called(&self) -> &str {
        match self {
            ReleasePlan::Registered(called) | ReleasePlan::Register { source: called, .. } => called,
        }
    }
}

/// One action with its time limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// How long it may take; then the rollout goes back.
    pub within: Duration,
}

/// What a step does, in absolute words.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Register the task definition.
    Register,
    /// Set up what keeps the way back open: the rule's beacon, the hold on autoscaling, the dead-man's switch.
    Secure,
    /// Bring the candidate to this many healthy tasks of the release.
    Prepare(u32),
    /// Ask the probe with this index in the plan's gates.
    Probe(usize),
    /// Give the candidate this share.
    Shift(Share),
    /// Keep the weights this long, and pass only on fresh verdicts.
    Hold(Duration),
    /// Watch for drift this long while the candidate has everything, and both slots keep all their tasks.
    Watch(Duration),
    /// Raise the share as fast as the budget allows, judged by the compare gate with this index, until it
    /// is proven that the candidate may have everything.
    Ramp {
        /// The gate's index.
        gate: usize,
        /// How weights are chosen.
        rule: RampRule,
    },
    /// Wait for a person, who is asked this.
    Approve(String),
    /// From here on going back is a new rollout; nothing is left that could give the traffic back.
    Commit,
    /// Take the stable slot's capacity, once it has provably no requests left.
    Retire,
    /// Wait until AWS's own deployment has ended, which takes the stable slot's capacity.
    Conclude,
    /// Set autoscaling back to what it was, and take the beacon off the rule.
    Settle,
}

impl Plan {
    /// The same plan for another rule.
    pub fn on_rule(&self, arn: &str) -> Plan {
        let mut plan = self.clone();
        arn.clone_into(&mut plan.target.rule);
        plan
    }

    /// The least and the most time the way forward can take, pauses by people not counted.
    pub fn duration(&self) -> (Duration, Duration) {
        let least = self.steps.iter().map(|step| self.least(step)).sum();
        let most = self.steps.iter().map(|step| step.within).sum();
        (least, most)
    }

    /// The least time `step` can take.
    pub fn least(&self, step: &Step) -> Duration {
        let data = || self.gates.iter().map(Gate::least_data).max().unwrap_or_default();
        match step.action {
            Action::Hold(span) | Action::Watch(span) => span.max(data()),
            Action::Ramp { .. } => data(),
            Action::Retire => crate::plan::QUIET_LEAST,
            // A switch that is never pushed far enough may have fired when it is removed.
            Action::Commit if self.dead_man.as_ref().is_some_and(|switch| switch.after <= SWITCH_FAR) => {
                SWITCH_LANDS_WITHIN
            }
            _ => Duration::ZERO,
        }
    }

    /// The candidate's share after the first `done` steps; after a ramp the most it may have then.
    pub fn share_after(&self, done: usize) -> Share {
        let shift = |step: &Step| match &step.action {
            Action::Shift(share) => Some(*share),
            Action::Ramp { rule, .. } => Some(rule.ceiling),
            _ => None,
        };
        self.steps[..done.min(self.steps.len())].iter().rev().find_map(shift).unwrap_or(Share::NONE)
    }
}

impl Step {
    /// What it does, in a few words.
    pub fn title(&self, gates: &[Gate]) -> String {
        match &self.action {
            Action::Register => "register the task definition".to_owned(),
            Action::Secure => "secure the way back".to_owned(),
            Action::Prepare(count) => format!("prepare {count} candidate tasks"),
            Action::Probe(index) => match gates.get(*index) {
                Some(gate) => format!("probe {}", gate.name),
                None => "probe".to_owned(),
            },
            Action::Shift(share) => format!("shift {share} to the candidate"),
            Action::Hold(span) => format!("hold {}", crate::domain::clock::span(*span)),
            Action::Watch(span) => format!("watch {} for drift", crate::domain::clock::span(*span)),
            Action::Ramp { rule, .. } => {
                format!("ramp to {}, harm budget {} requests", rule.ceiling, rule.budget)
            }
            Action::Approve(_) => "wait for approval".to_owned(),
            Action::Commit => "commit".to_owned(),
            Action::Retire => "retire the old stable slot".to_owned(),
            Action::Conclude => "let the deployment end".to_owned(),
            Action::Settle => "restore what was changed".to_owned(),
        }
    }
}
