//! Series in, verdict out: the questions a rollout asks of the world, and how an answer is judged.
//!
//! Nothing here waits or reads a clock: a gate is data, a reading is data, and [`Standing::judge`] is a
//! function of the two, of what earlier readings left behind, and of the window they are judged in.

mod alarm;
mod burn;
pub mod compare;
mod drift;
mod drifted;
mod evidence;
mod measure;
mod metric;
mod quiet;
mod said;
mod split;
mod standing;
mod tasks;

use std::time::Duration;

pub use alarm::{AlarmEvidence, AlarmReading, AlarmRule, AtStart, Insufficient};
pub use burn::{BurnEvidence, BurnRate, BurnReading, BurnRule, BurnSays, Burnt};
pub use compare::{CompareEvidence, CompareRule};
pub use drift::Drift;
pub use drifted::DriftEvidence;
pub use evidence::Evidence;
pub use measure::{Bound, Measure, ReadCount, Unit};
pub use metric::{
    CloudWatchMetric, Input, MetricEvidence, MetricReading, MetricRule, MetricSource, MissingData, Of, Point,
    PrometheusMetric,
};
pub use quiet::{AlarmData, Doubt, Quiet, SAYS_NOTHING_WITHOUT_DATA, Watched, heard_after};
pub use said::{CommandRule, SaidReading, WebhookRule, is_private_host};
pub use split::{Split, SplitEvidence, SplitRule, SplitSays};
pub use standing::Standing;
pub use tasks::{TasksEvidence, TasksReading, TasksRule};

use crate::domain::clock::Timestamp;
use crate::domain::count::Bin;
use crate::domain::fault::Fault;
use crate::domain::traffic::Share;

/// One question, under the name people know it by.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Its name, unique in a spec.
    pub name: String,
    /// What it asks.
    pub check: Check,
    /// Whether it only watches: its verdicts are told, and neither stop a step nor end the rollout.
    pub watch: bool,
}

/// The kinds of question.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// Is this CloudWatch alarm quiet?
    Alarm(AlarmRule),
    /// Is this metric within its bound?
    Metric(MetricRule),
    /// Does the candidate answer this request, before it gets traffic?
    Probe(ProbeRule),
    /// Do the candidate's tasks start, stay and pass their health checks?
    Tasks(TasksRule),
    /// Is the candidate no worse than the stable slot?
    Compare(Box<CompareRule>),
    /// Does the candidate get the requests that its weight says?
    Split(SplitRule),
    /// Does the whole service keep within its error budget?
    Burn(BurnRule),
    /// Does this URL say yes?
    Webhook(WebhookRule),
    /// Does this program say yes?
    Command(CommandRule),
}

/// An HTTP request that must be answered well before the candidate gets traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRule {
    /// Where to: `http://` or `https://`, the load balancer's own name as `{load_balancer}`.
    pub url: String,
    /// Headers to send. Values may hold `${VAR}`, filled in when the probe is sent and never written down.
    pub headers: Vec<(String, String)>,
    /// The status that is right.
    pub status: u16,
    /// Text the body must contain.
    pub contains: Option<String>,
    /// How many answers in a row must be right.
    pub times: u32,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How long the probe may keep trying; then it has failed.
    pub within: Duration,
}

impl ProbeRule {
    /// The path that it asks for.
    pub fn path(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let path = rest.find('/').map_or("/", |start| &rest[start..]);
        path.split(['?', '#']).next().unwrap_or("/")
    }

    /// The port that it goes to.
    pub fn port(&self) -> Option<u16> {
        let (scheme, rest) = self.url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        match authority.rsplit_once(':') {
            Some((_, port)) => port.parse().ok(),
            None => Some(if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 }),
        }
    }
}

/// One probe's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReading {
    /// When it was answered, or given up.
    pub at: Timestamp,
    /// Whether status and body were right.
    pub right: bool,
    /// What came, in one line: `status 503, expected 200`.
    pub text: String,
}

/// The answer to a gate's question, as read from the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// An alarm's state.
    Alarm(AlarmReading),
    /// A metric's datapoints.
    Metric(MetricReading),
    /// The candidate's tasks.
    Tasks(TasksReading),
    /// What both slots answered, by stretches of time.
    Counts(Vec<Bin>),
    /// What the whole service used of its error budget.
    Burn(BurnReading),
    /// What somebody else said.
    Said(SaidReading),
    /// The world did not say.
    Unreadable(Fault),
}

/// The stretch of time a reading is judged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window<'a> {
    /// By which rules it is judged: those of the build that made the plan. A journal leads where it led then.
    pub rules: u32,
    /// When the rollout started.
    pub rollout: Timestamp,
    /// When the candidate was first seen to have traffic, if it was.
    pub exposed: Option<Timestamp>,
    /// When the present step was seen to take hold: only data wholly after it can pass the step.
    pub step: Timestamp,
    /// When the present step has lasted as long as it may.
    pub deadline: Timestamp,
    /// The candidate's share since each of these moments, oldest first.
    pub course: &'a [(Timestamp, Share)],
    /// The stretches in which nobody read the rule, oldest first: a share that was first seen after one may have been in
    /// force all the while.
    pub unseen: &'a [(Timestamp, Timestamp)],
    /// When the reading was taken.
    pub now: Timestamp,
}

/// What a verdict says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The world is as it should be.
    Pass,
    /// It is not: a breach.
    Fail,
    /// There is not enough to say. Never a pass.
    Inconclusive,
}

/// The answer judged, with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Pass, fail or inconclusive.
    pub outcome: Outcome,
    /// What it rests on.
    pub evidence: Evidence,
    /// The start of the data it rests on; `None` when it rests on none.
    pub data_from: Option<Timestamp>,
}

impl Verdict {
    fn pass(evidence: impl Into<Evidence>, data_from: Timestamp) -> Self {
        Self { outcome: Outcome::Pass, evidence: evidence.into(), data_from: Some(data_from) }
    }

    fn fail(evidence: impl Into<Evidence>) -> Self {
        Self { outcome: Outcome::Fail, evidence: evidence.into(), data_from: None }
    }

    fn inconclusive(evidence: impl Into<Evidence>) -> Self {
        Self { outcome: Outcome::Inconclusive, evidence: evidence.into(), data_from: None }
    }

    /// Whether it lets the step pass because its time is over, with nothing proven.
    pub fn is_undecided(&self) -> bool {
        matches!(&self.evidence, Evidence::Compare(CompareEvidence::Bounded { proof: compare::Proof::Late, .. }))
    }

    /// Whether this verdict lets a step pass that was seen to take hold at `step`.
    pub fn passes(&self, step: Timestamp) -> bool {
        self.outcome == Outcome::Pass && self.data_from.is_some_and(|from| from >= step)
    }
}

impl Gate {
    /// The least time of data this gate needs after a step took hold before it can pass, without
    /// the delay with which the world publishes it.
    pub fn least_data(&self) -> Duration {
        match &self.check {
            Check::Metric(rule) => rule.period * rule.of,
            Check::Compare(rule) => rule.feed.span(),
            Check::Burn(rule) => rule.short,
            Check::Alarm(_)
            | Check::Probe(_)
            | Check::Tasks(_)
            | Check::Split(_)
            | Check::Webhook(_)
            | Check::Command(_) => Duration::ZERO,
        }
    }

    /// Whether it is asked again and again while the rollout runs, rather than once before traffic.
    pub fn is_continuous(&self) -> bool {
        !matches!(self.check, Check::Probe(_))
    }

    /// Whether its answer is read from the world in a look; the machine reads `tasks` gates out of the
    /// fleet, and probes are effects of their own.
    pub fn is_read(&self) -> bool {
        !matches!(self.check, Check::Probe(_) | Check::Tasks(_))
    }

    /// Where its counts come from, if it judges counts.
    pub fn feed(&self) -> Option<&compare::Feed> {
        match &self.check {
            Check::Compare(rule) => Some(&rule.feed),
            Check::Split(rule) => Some(&rule.feed),
            _ => None,
        }
    }

    /// Whether somebody else answers it: not AWS, and in their own time.
    pub fn is_outside(&self) -> bool {
        matches!(self.check, Check::Webhook(_) | Check::Command(_))
    }

    /// Whether its verdicts decide anything about the steps.
    pub fn decides(&self) -> bool {
        self.is_continuous() && !self.watch
    }

    /// What it asks, in one line for people.
    pub fn question(&self) -> String {
        match &self.check {
            Check::Alarm(rule) => format!("alarm {} is quiet", rule.alarm),
            Check::Metric(rule) => rule.question(),
            Check::Probe(rule) => format!("{} answers {} {} times in a row", rule.url, rule.status, rule.times),
            Check::Tasks(rule) => rule.question(),
            Check::Compare(rule) => rule.question(),
            Check::Split(rule) => rule.question(),
            Check::Burn(rule) => rule.question(),
            Check::Webhook(rule) => format!("{} says yes", rule.url),
            Check::Command(rule) => format!("`{}` says yes", rule.command.join(" ")),
        }
    }
}
