//! The spec as it is written, version 1. These types are the manual: the schema that editors
//! complete from is made of them, and what is said above a field is what hovering over it shows.
//! They mean nothing yet; `check` turns them into a [`Spec`](super::Spec).

mod compare;
mod driver;
mod gate;
mod notify;
mod outer;
mod value;
mod windows;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use compare::{Compare, CustomFeed, Errors, Feed, Judge, Latency, Margins, PrometheusFeed, Split, Unproven};
pub(super) use driver::{CodeDeploy, Driver};
pub(super) use gate::{
    Absent, Alarm, AtStart, Gate, Input, InsufficientData, Metric, MissingData, Of, Probe, Prometheus, Tasks,
};
pub(super) use notify::{Hook, Notify, On};
pub(super) use outer::{BurnRate, Command, Objective, Webhook};
pub(super) use value::{Percent, Percentage, Time};
pub(super) use windows::{Allow, Freeze, WhenClosed, Windows};

use super::model;

/// A rollout on Amazon ECS behind an Application Load Balancer: what is moved, what is released,
/// how traffic moves, and what it is judged by.
///
/// Every field is optional here, so that what is sound can be checked beside what is not; the
/// schema says which are required.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "tidegate spec",
    description = "A rollout on Amazon ECS behind an Application Load Balancer: \
    what is moved, what is released, how traffic moves, and what it is judged by. Any text may hold ${VAR} or \
    ${VAR:-default}; $$ is a dollar sign."
)]
pub(super) struct Document {
    /// The version of this language. This build reads version 1.
    #[schemars(required, with = "u32", extend("const" = 1, "examples" = [1]))]
    pub(super) version: Option<u32>,
    /// What the rollouts of this spec are called: 1 to 40 of a-z, 0-9 and `-`, starting with a letter.
    #[schemars(required, with = "String", extend("pattern" = r"^[a-z][a-z0-9-]{0,39}$|\$\{", "examples" = ["web"]))]
    pub(super) name: Option<String>,
    /// Who moves the weights: at most one of `pair`, `task_sets`, `ecs` and `codedeploy`. Left out, it is `pair`:
    /// tidegate, between two services.
    pub(super) driver: Option<Driver>,
    /// What is moved: a listener rule and the two slots behind it.
    #[schemars(required, with = "Target")]
    pub(super) target: Option<Target>,
    /// Where the new task definition comes from: exactly one of `file`, `images` and `registered`.
    #[schemars(required, with = "Release")]
    pub(super) release: Option<Release>,
    /// How traffic moves: exactly one of `harm_budget`, `canary`, `linear` and `blue_green`.
    #[schemars(required, with = "Strategy")]
    pub(super) strategy: Option<Strategy>,
    /// What is asked of the world while the rollout runs. A gate that fails sends the traffic back;
    /// a step passes only on fresh verdicts. One with `watch: true` is told and does neither. With no gates at
    /// all the candidate is compared with the stable slot: `- compare: {}`; `harm_budget` always compares. A
    /// `tasks` gate is added when none is listed, and a `split` gate that only tells.
    #[serde(default)]
    #[schemars(with = "Vec<Gate>", length(max = 100))]
    pub(super) gates: Vec<Option<Gate>>,
    /// What happens when something goes wrong.
    #[serde(default)]
    pub(super) policies: Policies,
    /// How long things may take. A limit that runs out sends the rollout back.
    #[serde(default)]
    pub(super) limits: Limits,
    /// The dead-man's switch: AWS itself gives the traffic back when no runner has shown a sign of life for a
    /// while. Left out, nobody does when the runner's machine dies.
    pub(super) dead_man: Option<DeadMan>,
    /// Where journals and leases live, so that any machine can take a rollout over: `s3://bucket/prefix`. Left out,
    /// a folder on this machine.
    #[schemars(extend("pattern" = r"^s3://|\$\{", "examples" = ["s3://my-deployments/tidegate"]))]
    pub(super) store: Option<String>,
    /// Who else is told how a rollout goes. Whoever cannot be told delays nothing.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub(super) notify: Vec<Notify>,
    /// When a rollout may go forward. Left out, at any time.
    pub(super) windows: Option<Windows>,
    /// How long a release that has all traffic is watched before the old tasks go: its errors and response times are
    /// compared with its own first half hour, and it goes back by itself when they get worse. From 10m to 1d, with the
    /// drivers `pair` and `task_sets`. Left out, the old tasks go after `warm`.
    #[schemars(extend("examples" = ["2h"]))]
    pub(super) watch_for: Option<Time>,
}

/// The dead-man's switch: a one-shot schedule of EventBridge Scheduler that gives all traffic to the stable slot.
/// A living runner pushes it on every minute, and removes it at the end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeadMan {
    /// The ARN of the IAM role as which the scheduler writes the rule. It trusts `scheduler.amazonaws.com`, and
    /// may do nothing but `elasticloadbalancing:ModifyRule` on the rule.
    #[schemars(extend("examples" = ["arn:aws:iam::123456789012:role/tidegate-dead-man"]))]
    pub(super) role: String,
    /// How long after the last sign of life the traffic goes back. From 2m to 1h.
    #[serde(default = "dead_man_after")]
    pub(super) after: Time,
    /// The EventBridge Scheduler group that the schedule is put in. It exists already.
    #[serde(default = "dead_man_group")]
    #[schemars(extend("pattern" = r"^[0-9A-Za-z._-]{1,64}$|\$\{", "examples" = ["default"]))]
    pub(super) group: String,
}

/// What is moved. Names and ARNs are both fine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    /// The region. Left out, it comes from the environment, as for the AWS CLI.
    #[schemars(extend("examples" = ["eu-west-1"]))]
    pub(super) region: Option<String>,
    /// The ECS cluster, by name or ARN.
    #[schemars(extend("examples" = ["prod"]))]
    pub(super) cluster: String,
    /// The ECS service, by name or ARN, where one service fills both slots: with every driver but `pair`.
    #[schemars(extend("examples" = ["web"]))]
    pub(super) service: Option<String>,
    /// The listener rule that divides the traffic: either `arn`, or `load_balancer`, `port` and `priority`.
    pub(super) rule: Rule,
    /// The two places where tasks run. Which of them serves today is read from the rule's weights.
    pub(super) slots: Slots,
    /// The ARN of an IAM role that each forward write of the rule is signed as, with credentials that end within
    /// half a minute: a write that a frozen runner sends late is then refused by AWS itself.
    #[schemars(extend("examples" = ["arn:aws:iam::123456789012:role/tidegate-writer"]))]
    pub(super) writer_role: Option<String>,
}

/// The listener rule: either `arn`, or `load_balancer`, `port` and `priority`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// The rule's ARN. Stands alone.
    #[schemars(extend("examples" = [
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"
    ]))]
    pub(super) arn: Option<String>,
    /// The load balancer, by name or ARN.
    #[schemars(extend("examples" = ["web"]))]
    pub(super) load_balancer: Option<String>,
    /// The listener's port.
    #[schemars(range(min = 1, max = 65535), extend("examples" = [443]))]
    pub(super) port: Option<u16>,
    /// The rule's priority on that listener.
    #[schemars(range(min = 1, max = 50000), extend("examples" = [10]))]
    pub(super) priority: Option<u32>,
}

/// The two slots.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Slots {
    /// The first slot.
    pub(super) blue: Slot,
    /// The second slot.
    pub(super) green: Slot,
}

/// One slot: a target group, and with the driver `pair` the ECS service that fills it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Slot {
    /// The ECS service, by name or ARN. With `pair` each slot has one; else `target.service` fills both.
    #[schemars(extend("examples" = ["web-blue"]))]
    pub(super) service: Option<String>,
    /// The target group that the service registers its tasks in, by name or ARN.
    #[schemars(extend("examples" = ["web-blue"]))]
    pub(super) target_group: String,
}

/// Where the new task definition comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("examples" = [{"file": "taskdef.json"}]))]
pub(super) enum Release {
    /// A file as `aws ecs describe-task-definition` prints it or `register-task-definition` reads it.
    /// A relative path starts at the spec's folder. The file is registered as a new revision.
    File(#[schemars(extend("examples" = ["taskdef.json"]))] String),
    /// The newest revision of a family, with other images; registered as a new revision.
    Images(Images),
    /// A task definition that is registered already, as `family:revision` or by its ARN.
    Registered(#[schemars(extend("examples" = ["web:42"]))] String),
}

/// The newest revision of a family, with other images.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Images {
    /// The task definition's family.
    #[schemars(extend("examples" = ["web"]))]
    pub(super) family: String,
    /// The new image of each container that changes, by the container's name.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 10, "examples" = [{"app": "repo/web:${VERSION}"}]))]
    pub(super) containers: BTreeMap<String, String>,
}

/// How traffic moves.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("examples" = [
    {"harm_budget": {}},
    {"linear": {"step": "10%", "every": "5m"}},
    {"blue_green": {}},
    {"canary": {"steps": ["…"]}}
]))]
pub(super) enum Strategy {
    /// As fast as a number of harmed requests allows: the `compare` gate chooses every share.
    HarmBudget(HarmBudget),
    /// A list of steps, then everything.
    Canary(Canary),
    /// Equal steps at equal intervals.
    Linear(Linear),
    /// Everything at once, after the probes.
    BlueGreen(BlueGreen),
}

/// As fast as a number of harmed requests allows. The share is what keeps the harm that a bad release could
/// do before it is seen within `requests`. Once the candidate is proven no worse, it gets everything but a
/// holdback, and after a last comparison everything.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HarmBudget {
    /// How many harmed requests are acceptable: failed, or slower than they should be.
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [50]))]
    pub(super) requests: u32,
    /// The most the candidate gets before it is proven no worse.
    pub(super) ceiling: Percent,
    /// How long the proof may take; then `unproven` of the compare gate says what becomes of it. From 5m to 1d.
    pub(super) within: Time,
    /// What the stable slot keeps, for a last comparison, once the candidate is proven no worse. Up to 50%.
    pub(super) holdback: Percent,
    /// How long it keeps that. From 1m to 1d.
    pub(super) bake: Time,
    /// How long both slots stay at full strength, judged, after everything has moved. From 1m to 1d.
    pub(super) warm: Time,
}

impl Default for HarmBudget {
    fn default() -> Self {
        let minutes = |n: u64| Time::of(Duration::from_secs(n * 60));
        let percent = |text: &str| Percent(text.to_owned());
        Self {
            requests: 50,
            ceiling: percent("50%"),
            within: minutes(30),
            holdback: percent("5%"),
            bake: minutes(10),
            warm: warm(),
        }
    }
}

/// A list of steps, then everything.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Canary {
    /// The steps, in order. After the last one everything is shifted.
    #[schemars(length(min = 1, max = 100))]
    pub(super) steps: Vec<Step>,
    /// How long both slots stay at full strength, judged, after everything has moved. From 1m to 1d.
    #[serde(default = "warm")]
    pub(super) warm: Time,
}

/// One step of a canary.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("examples" = [{"shift": "5%"}, {"hold": "5m"}, {"approve": {}}]))]
pub(super) enum Step {
    /// Give the candidate this share of the traffic: more than the shift before, in tenths of a percent.
    Shift(Percent),
    /// Keep the share for this long and judge it; longer while a gate is inconclusive. From 10s to 7d.
    Hold(Time),
    /// Wait for a person: `tidegate approve`.
    Approve(Approve),
}

/// A person's word.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Approve {
    /// What the person is asked.
    #[schemars(extend("examples" = ["Do the dashboards look right?"]))]
    pub(super) message: Option<String>,
    /// How long to wait; then the rollout goes back. From 1m to 7d.
    #[serde(default = "approve_within")]
    pub(super) within: Time,
}

/// Equal steps at equal intervals.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Linear {
    /// How much each step adds.
    #[schemars(extend("examples" = ["10%"]))]
    pub(super) step: Percent,
    /// How long each share is held and judged. From 10s to 1d.
    pub(super) every: Time,
    /// How long both slots stay at full strength, judged, after everything has moved. From 1m to 1d.
    #[serde(default = "warm")]
    pub(super) warm: Time,
}

/// Everything at once, after the probes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BlueGreen {
    /// How long both slots stay at full strength, judged, after everything has moved. From 1m to 1d.
    #[serde(default = "warm")]
    pub(super) warm: Time,
}

/// What happens when something goes wrong.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "they are the words of the language")]
pub(super) struct Policies {
    /// When a gate fails: give the traffic back, or keep the weights and wait for a person.
    pub(super) on_breach: Trouble,
    /// When the runner is told to stop: give the traffic back, or keep the weights and hand over.
    pub(super) on_interrupt: Trouble,
    /// When somebody else writes the rule or deploys to a slot: give up and give the traffic back, or wait for a person.
    pub(super) on_foreign_write: Intrusion,
}

/// Go back, or stay.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Trouble {
    /// Give the traffic back to the stable slot.
    Rollback,
    /// Keep the weights until a person says what to do.
    Hold,
}

/// Give up, or stay.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Intrusion {
    /// Give the traffic back to the stable slot.
    Abort,
    /// Keep the weights until a person says what to do.
    Hold,
}

/// How long things may take.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    /// Until the candidate's tasks are all healthy. From 1m to 6h.
    pub(super) prepare: Time,
    /// Until a new weight is accepted and read back. From 30s to 1h.
    pub(super) shift: Time,
    /// How much longer than asked a hold may last while gates are inconclusive. From 1m to 1d.
    pub(super) verdict: Time,
    /// How long a person may keep the rollout paused. From 1m to 7d.
    pub(super) pause: Time,
    /// How long the world may be unreadable while the rollout goes forward. From 30s to 1h.
    pub(super) blind: Time,
    /// Until the slot that lost its traffic has provably no requests left. From 6m to 1d.
    pub(super) drain: Time,
    /// How long the way back is tried before a person is called. From 5m to 1d.
    pub(super) retreat: Time,
}

impl Default for Policies {
    fn default() -> Self {
        let model::Policies { on_breach, on_interrupt, on_foreign_write } = model::Policies::default();
        let trouble = |policy| match policy {
            model::OnTrouble::Rollback => Trouble::Rollback,
            model::OnTrouble::Hold => Trouble::Hold,
        };
        let intrusion = match on_foreign_write {
            model::OnTrouble::Rollback => Intrusion::Abort,
            model::OnTrouble::Hold => Intrusion::Hold,
        };
        Self { on_breach: trouble(on_breach), on_interrupt: trouble(on_interrupt), on_foreign_write: intrusion }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let limits = model::Limits::default();
        Self {
            prepare: Time::of(limits.prepare),
            shift: Time::of(limits.shift),
            verdict: Time::of(limits.verdict),
            pause: Time::of(limits.pause),
            blind: Time::of(limits.blind),
            drain: Time::of(limits.drain),
            retreat: Time::of(limits.retreat),
        }
    }
}

fn dead_man_after() -> Time {
    Time::of(Duration::from_secs(5 * 60))
}

fn dead_man_group() -> String {
    "default".to_owned()
}

fn warm() -> Time {
    Time::of(Duration::from_secs(10 * 60))
}

fn approve_within() -> Time {
    Time::of(Duration::from_secs(60 * 60))
}
