//! The port to AWS in our words: few calls, every write absolute, every answer a fault or a fact.

mod address;
pub mod alb;
pub mod aws;
mod delivery;
pub mod drivers;
mod fence;
mod http;
mod live;
mod notify;
#[cfg(feature = "otel")]
mod otlp;
mod outside;
mod prometheus;

use std::future::Future;

pub use aws::{Failed, ListRequest, Listing, Object, Objects, calendars};
pub use fence::{Fence, NotSent, Pass};
pub use notify::{Delivery, MessageQueue, Tried};
#[cfg(feature = "otel")]
pub use otlp::{Intake, OtlpExporter, Settings as OtlpSettings, traces_json};
pub use outside::{About, Errands};

use crate::domain::clock::Timestamp;
use crate::domain::driver::Deployment;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Counted, Fleet, Role, RuleSeen, Served, Survey};
use crate::domain::safeguard::{Beacon, DeadMan, Scaling, TakenBack};
use crate::domain::traffic::Share;
use crate::domain::window::CalendarSeen;
use crate::gate::{CompareRule, Gate, ProbeReading, ProbeRule, Reading};

/// What a rollout needs of AWS once its target is known. One adapter serves one rollout.
pub trait Cloud: Send + Sync {
    /// Registers the release's task definition, or finds the revision that this release registered
    /// before: same fingerprint in its tag.
    fn register(&self, digest: &str) -> impl Future<Output = Result<String, Fault>> + Send;

    /// Gives a slot's service `count` tasks, of `task_definition` if one is named.
    fn scale(
        &self,
        role: Role,
        count: u32,
        task_definition: Option<&str>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Writes the rule's weights: reads it, leaves everything else as it is found, writes once, reads back. On the
    /// way back, where nothing is expected, it writes what it last read, and once more while no answer comes.
    fn route(&self, order: RouteOrder) -> impl Future<Output = Result<Routed, Fault>> + Send;

    /// Reads AWS's own deployment of the release; `None` where there is none, or none yet.
    fn deployment(&self) -> impl Future<Output = Result<Option<Deployment>, Fault>> + Send {
        std::future::ready(Ok(None))
    }

    /// Whether these change calendars are open, by name or ARN. One that cannot be read is a fault.
    fn calendars(&self, names: &[String]) -> impl Future<Output = Result<CalendarSeen, Fault>> + Send {
        let why = format!("{} cannot be read here", names.join(", "));
        std::future::ready(Err(Fault::new(FaultKind::Permanent, "GetCalendarState", why)))
    }

    /// Tells AWS's own deployment that it may end. One that has ended or is ending already is left alone.
    fn conclude(&self) -> impl Future<Output = Result<(), Fault>> + Send {
        std::future::ready(Ok(()))
    }

    /// Says on the rule what a rollout does with it, for whoever finds nothing but the rule.
    fn mark(&self, beacon: Beacon) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Who took the rollout back with nothing but the rule, if the rule's tags say so.
    fn taken_back(&self) -> impl Future<Output = Option<TakenBack>> + Send {
        std::future::ready(None)
    }

    /// Sets the scalable targets of the slots' services. When it fails, some of them may be set.
    fn set_scaling(&self, targets: &[(Role, Scaling)]) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Lets the dead-man's switch fire at `at`: then all traffic goes to the stable slot, stickiness off, and
    /// everything else in the rule is as it was before the rollout. Where there is no switch one is made only
    /// when told to `create` it.
    fn arm(&self, switch: &DeadMan, at: Timestamp, create: bool) -> impl Future<Output = Result<Arming, Fault>> + Send;

    /// Removes the dead-man's switch, and sees that it is gone.
    fn disarm(&self, switch: &DeadMan) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Reads the rule.
    fn rule(&self) -> impl Future<Output = Result<RuleSeen, Fault>> + Send;

    /// Reads the rule for the way back: past whatever polls are throttled, and once more beside a read that is slow.
    fn rule_at_once(&self) -> impl Future<Output = Result<RuleSeen, Fault>> + Send {
        self.rule()
    }

    /// Counts a slot's healthy targets for the way back, in the same manner.
    fn healthy_at_once(&self, role: Role) -> impl Future<Output = Result<u32, Fault>> + Send {
        async move { self.fleet().await.map(|fleet| fleet.of(role).healthy) }
    }

    /// The rollout goes back, and waits for the forward write in flight: it ends as soon as it can. One that is not
    /// sent yet is not sent any more, and says so with a transient fault; of one that is, only its own answer is
    /// waited for, and its outcome is unknown. Said only while a write is in flight, and meant for that one alone.
    fn make_way(&self) {}

    /// Reads tasks and targets of both slots.
    fn fleet(&self) -> impl Future<Output = Result<Fleet, Fault>> + Send;

    /// Reads what the given gates ask, in as few calls as there are kinds; one reading a gate, in
    /// their order. Data before `since` do not matter.
    fn readings(&self, gates: &[&Gate], since: Timestamp) -> impl Future<Output = Vec<Reading>> + Send;

    /// Asks the given gates, by their indices, that somebody outside of AWS answers ([`Gate::is_outside`]), and
    /// hands out the answers that have come. Who has not answered is absent, and not asked again before; the
    /// answer comes out when the gate is named again. Waits a second at most.
    fn said(&self, gates: &[(usize, &Gate)], since: Timestamp) -> impl Future<Output = Vec<(usize, Reading)>> + Send {
        let _ = (gates, since);
        std::future::ready(Vec::new())
    }

    /// Counts a slot's requests in the last `periods` minutes before `now` that are proven published, and since. Among
    /// those, minutes that the load balancer did not report are minutes without requests.
    fn requests(&self, role: Role, periods: u32, now: Timestamp)
    -> impl Future<Output = Result<Counted, Fault>> + Send;

    /// What leads to a slot's tasks beside the rollout's rule, in words. What only tests come by is left out.
    fn entrances(&self, role: Role) -> impl Future<Output = Result<Vec<String>, Fault>> + Send {
        let _ = role;
        std::future::ready(Ok(Vec::new()))
    }

    /// The candidate's share of the requests that the two slots got in the last minute that has any;
    /// `None` when the last few minutes had none.
    fn observed(&self, now: Timestamp) -> impl Future<Output = Result<Option<Share>, Fault>> + Send;

    /// Counts what a slot served from the first of these moments until `now`, and in the whole minutes after the second.
    fn served(
        &self,
        role: Role,
        since: (Timestamp, Option<Timestamp>),
        now: Timestamp,
    ) -> impl Future<Output = Result<Served, Fault>> + Send;

    /// Sends one probe.
    fn probe(&self, rule: &ProbeRule, now: Timestamp) -> impl Future<Output = ProbeReading> + Send;
}

/// What tells a rollout's own deployment from everybody else's. Nothing more is remembered of it, so that every
/// process that knows the plan knows the deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    /// When the rollout was planned: a deployment that was over by then is another's.
    pub since: Timestamp,
    /// The task definition that served before, as an ARN.
    pub stable: String,
    /// What it deploys.
    pub release: ReleaseKnown,
    /// How ECS deployed the service before, as it tells that in JSON, where that was recorded.
    pub configuration: Option<String>,
}

/// How a release is known again among task definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReleaseKnown {
    /// It is not.
    #[default]
    Unknown,
    /// By its ARN or `family:revision`.
    Named(String),
    /// By the fingerprint in the tag of the revision that was registered for it.
    Tagged(String),
}

/// One write of the rule's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteOrder {
    /// The candidate's share.
    pub share: Share,
    /// What the rule must say before; `None` writes over anything.
    pub expected: Option<Share>,
    /// Whether stickiness is turned on or off; `None` leaves it.
    pub sticky: Option<bool>,
    /// The last moment at which it may leave, where it rests on a read, which is old then.
    pub by: Option<Timestamp>,
}

/// What became of a write of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// It is written, and read back as this.
    Written(RuleSeen),
    /// The same, and one more attempt of this very write may still land.
    Unsettled(RuleSeen),
    /// AWS moves the weights, and has been told to or does so by itself; the rule does not show it yet.
    Moving(RuleSeen),
    /// Nothing is written: the rule was found like this.
    Foreign(RuleSeen),
}

/// What became of arming the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arming {
    /// It fires at the given time.
    Armed,
    /// It is not there: it has fired, or somebody removed it.
    Gone,
}

/// What a survey is asked to find, as the spec names it.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyRequest {
    /// The cluster, by name or ARN.
    pub cluster: String,
    /// The rule's ARN, or where it stands.
    pub rule: RuleRequest,
    /// Service and target group of the blue slot, by name or ARN.
    pub blue: (String, String),
    /// The same of the green slot.
    pub green: (String, String),
    /// What is said of CodeDeploy, where it moves the weights.
    pub code_deploy: Option<CodeDeployNamed>,
    /// Names of the alarms that gates ask about.
    pub alarms: Vec<String>,
    /// The gate that compares with the stable slot's past, if there is one.
    pub compare: Option<CompareRule>,
}

/// The application and the deployment group that deploy a service; what is `None` is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeDeployNamed {
    /// The application's name.
    pub application: Option<String>,
    /// The deployment group's name.
    pub group: Option<String>,
}

/// Which rule is surveyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleRequest {
    /// By its ARN.
    Arn(String),
    /// By load balancer (name or ARN), port and priority.
    Place(String, u16, u32),
}

/// Why a survey found no target to plan for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SurveyError {
    /// AWS refused a read.
    #[error("{0}")]
    Fault(Fault),
    /// Something the spec names is not there, or is there twice; one line each, with what is there instead.
    #[error("{}", .0.join("; "))]
    NotFound(Vec<String>),
}

/// Reads the live account for a plan.
pub trait Surveyor: Send + Sync {
    /// Takes the survey.
    fn survey(&self, request: &SurveyRequest) -> impl Future<Output = Result<Survey, SurveyError>> + Send;
}
