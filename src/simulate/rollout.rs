//! One rollout in virtual time: the machine of a real one, in an account where only requests are left to chance.

use std::time::Duration;

use super::account::{Account, CALL};
use super::condition::{Apart, Condition};
use super::meter::Meter;
use super::scenario::{Fault, Scenario};
use super::series::Series;
use super::source::Source;
use super::survey::survey;
use super::world::{Marks, START, Service, World};
use crate::domain::approval::Approval;
use crate::domain::clock::Timestamp;
use crate::domain::count::{Mark, Past};
use crate::domain::driver::Waits;
use crate::domain::traffic::Share;
use crate::gate::compare::{CompareRule, Feed};
use crate::gate::{Check, Gate, Outcome as GateOutcome};
use crate::machine::{Event, Left, Machine, Notice, OperatorRequest, Outcome, Reason};
use crate::plan::{Adopt, Plan, Refused, ReleasePlan, compile};
use crate::spec::{DriverSpec, Spec};

/// Harm is counted for at least this long after the candidate's first request: a bad release that is promoted
/// goes on harming.
pub const HARM_WITHIN: Duration = Duration::from_secs(3600);
/// More events than any rollout has.
const EVENTS: usize = 200_000;
/// A release counts as promoted to everybody from this share on; a holdback keeps the rest.
const NEARLY_ALL: u16 = 950;
/// How much of the past a gate that compares learns from.
const PAST: Duration = Duration::from_secs(12 * 3600);
/// The length of the past's bins.
const MINUTE: Duration = Duration::from_secs(60);
/// Times that so small or so large a share of answers is slower than tell nothing.
const TELLING: std::ops::Range<f64> = 0.001..0.9;

/// What one rollout meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// Requests a second, both slots together.
    pub rate: f64,
    /// What is wrong with the candidate.
    pub fault: Fault,
    /// What else befalls both slots.
    pub scenario: Scenario,
    /// What the stable slot is like.
    pub service: Service,
}

/// How a simulated rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The candidate serves everything.
    Promoted,
    /// It went back on a verdict.
    RolledBack,
    /// It went back, or waits for a person, because no verdict came in time.
    Undecided,
}

/// What one rollout came to. Spans are from the candidate's first request on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// How it ended.
    pub end: End,
    /// When it was decided to go back, if it was.
    pub detected: Option<Duration>,
    /// When the candidate had at least 95 % of the requests, if it was promoted.
    pub promoted: Option<Duration>,
    /// How many requests the candidate is expected to have harmed: until it was off, and if it was promoted
    /// until [`HARM_WITHIN`], or the end of a recorded series.
    pub harmed: f64,
}

/// A gate that a simulation takes as passing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untried {
    /// Its name.
    pub gate: String,
    /// What is not simulated about it.
    pub why: &'static str,
}

/// A spec made ready to be rolled out as often as one likes.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    spec: Spec,
    meters: Vec<Option<Meter>>,
    compare: Option<CompareRule>,
    hosts: Option<u32>,
}

impl Rehearsal {
    /// Makes `spec` ready.
    ///
    /// # Errors
    /// Every reason for which no account could take this spec.
    pub fn new(spec: &Spec) -> Result<Self, Refused> {
        let meters = spec.gates.iter().map(|gate| match &gate.check {
            Check::Metric(rule) => Meter::new(rule),
            _ => None,
        });
        let compare = spec.gates.iter().find_map(|gate| match &gate.check {
            Check::Compare(rule) => Some((**rule).clone()),
            _ => None,
        });
        let rehearsal = Self { meters: meters.collect(), compare, spec: spec.clone(), hosts: None };
        rehearsal.plan(None).map(|_| rehearsal)
    }

    /// The same for slots of so many hosts; otherwise they are so many that they make up for each other.
    #[must_use]
    pub fn on_hosts(self, hosts: Option<u32>) -> Self {
        Self { hosts, ..self }
    }

    /// The same for recorded series, which count and tell no other figure of response times.
    #[must_use]
    pub fn on_counts(mut self) -> Self {
        self.meters.iter_mut().for_each(|meter| *meter = meter.take().filter(Meter::only_counts));
        self
    }

    /// The gates that are taken as passing.
    pub fn untried(&self) -> Vec<Untried> {
        let untried = |(gate, meter): (&Gate, &Option<Meter>)| {
            let why = match &gate.check {
                Check::Alarm(_) => "alarms are quiet",
                Check::Metric(_) if meter.is_none() => {
                    "only the load balancer's own metrics of the slots are simulated"
                }
                Check::Probe(_) => "probes are answered",
                Check::Tasks(_) => "tasks start and stay healthy",
                Check::Webhook(_) => "webhooks say yes",
                Check::Command(_) => "commands say yes",
                Check::Metric(_) | Check::Compare(_) | Check::Split(_) | Check::Burn(_) => return None,
            };
            Some(Untried { gate: gate.name.clone(), why })
        };
        self.spec.gates.iter().zip(&self.meters).filter_map(untried).collect()
    }

    /// What the spec's driver does otherwise: every driver is simulated as `pair`.
    pub fn otherwise(&self) -> Option<&'static str> {
        match self.spec.driver.kind().can().waits {
            Waits::Limits => None,
            Waits::Pause => Some(
                "the weights are moved as tidegate would; ECS waits for a verdict as long as `pause`, and then goes back",
            ),
            Waits::Never => Some(
                "the weights are moved as tidegate would; CodeDeploy moves them on while a gate is undecided, so a bad \
                 release can harm more requests than here",
            ),
        }
    }

    /// Rolls out once. The same seed gives the same course.
    pub fn run(&self, case: Case, seed: u64) -> Course {
        let span = self.span();
        let world =
            World { seed, rate: case.rate, span, service: case.service, scenario: case.scenario, fault: case.fault };
        let past = self.compare.as_ref().map(|rule| past(rule, &world));
        let Ok(plan) = self.plan(past.as_ref()) else {
            return Course { end: End::Undecided, detected: None, promoted: None, harmed: 0.0 };
        };
        self.play(&plan, Source::of(world), seed, HARM_WITHIN)
    }

    /// Rolls out once, on a recorded series, whose bins are as long as [`Rehearsal::span`]. Harm is counted until
    /// its end.
    ///
    /// # Errors
    /// Every reason for which no account could take this spec.
    pub fn replay(&self, series: &Series) -> Result<Course, Refused> {
        let plan = self.plan(self.compare.is_some().then_some(&series.past))?;
        Ok(self.play(&plan, Source::Recorded(series.replay()), series.seed, series.length()))
    }

    fn play(&self, plan: &Plan, source: Source<'_>, seed: u64, harm_within: Duration) -> Course {
        let marks = plan.gates.iter().find_map(|gate| match &gate.check {
            Check::Compare(rule) => Some(Marks::of(&rule.baseline.thresholds)),
            _ => None,
        });
        let meters = self.meters.iter().zip(0..).map(|(meter, n)| meter.as_ref().map(|meter| meter.seeded(seed ^ n)));
        let account = Account::new(plan, source, marks.unwrap_or_default(), meters.collect());
        let machine = Machine::new(plan.clone());
        Run { machine, account, now: start(seed), decided: None, held: false, harm_within }.end()
    }

    fn plan(&self, past: Option<&Past>) -> Result<Plan, Refused> {
        // The shares and the gates are what is tried, and those are the same whoever moves the weights.
        let spec = Spec { driver: DriverSpec::Pair, windows: None, ..self.spec.clone() };
        let release = ReleasePlan::Registered("release:2".to_owned());
        let mut plan = compile(&spec, &survey(&spec, START, past.cloned()), release, Adopt::Never)?;
        for gate in &mut plan.gates {
            if let Check::Compare(rule) = &mut gate.check {
                rule.hosts = self.hosts;
                if let Some(past) = past {
                    **rule = rule.learned(past);
                }
            }
        }
        Ok(plan)
    }

    /// The longest span that every gate's bins are a multiple of.
    pub fn span(&self) -> Duration {
        let spans = self.spec.gates.iter().zip(&self.meters).filter_map(|(gate, meter)| match &gate.check {
            Check::Compare(rule) => Some(rule.feed.span()),
            Check::Split(rule) => Some(rule.feed.span()),
            Check::Metric(rule) if meter.is_some() => Some(rule.period),
            _ => None,
        });
        let common = spans.map(|span| span.as_secs()).fold(MINUTE.as_secs(), divisor);
        Duration::from_secs(common.max(1))
    }
}

/// The greatest common divisor.
fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { divisor(other, one % other) }
}

/// Rollouts start at any second of a minute.
fn start(seed: u64) -> Timestamp {
    START + Duration::from_secs(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 60)
}

/// The past as the rule's feed tells it.
fn past(rule: &CompareRule, world: &World) -> Past {
    let marks = match &rule.feed {
        Feed::LoadBalancer => return world.past(),
        Feed::Custom(feed) if feed.latency.is_some() => return world.past(),
        Feed::Prometheus(feed) if feed.slower.is_some() => feed.thresholds.clone(),
        Feed::Custom(_) | Feed::Prometheus(_) => Vec::new(),
    };
    // A server that counts by buckets knows no other times than their edges.
    let calm = World { seed: world.seed.rotate_left(17), span: MINUTE, ..world.with(Fault::NONE) };
    let mut traffic = calm.traffic();
    let Service { errors, median, sigma, .. } = world.service;
    let usual = Condition { errors, refused: 0.0, location: median.ln(), sigma, apart: Apart::default() };
    let telling = |mark: &f64| TELLING.contains(&usual.slower_than(*mark));
    let stable: Vec<f64> = marks.into_iter().filter(telling).collect();
    let marks = stable.iter().map(|seconds| Mark { quantile: None, seconds: *seconds }).collect();
    let asked = Marks { stable, candidate: Vec::new() };
    let minutes = PAST.as_secs() / MINUTE.as_secs();
    let bins = (0..minutes).filter_map(|_| {
        let bin = traffic.next(0.0, &asked).bin;
        Some((bin.at.before(PAST), bin.stable?))
    });
    Past { span: MINUTE, marks, resolves: false, bins: bins.collect() }
}

struct Run<'a> {
    machine: Machine,
    account: Account<'a>,
    now: Timestamp,
    decided: Option<Timestamp>,
    held: bool,
    harm_within: Duration,
}

impl Run<'_> {
    /// People are not simulated: whoever approves passes what is undecided.
    fn passes_all(&self) -> Left {
        let (step, release) = (self.machine.progress().step, self.machine.plan().release.name().to_owned());
        let undecided = self.machine.plan().gates.iter().map(|gate| gate.name.clone()).collect();
        Left { key: String::new(), approves: Some(Approval { step, release, undecided }) }
    }

    fn end(mut self) -> Course {
        let mut event = Some(Event::Started { by: "simulate".to_owned() });
        let mut end = None;
        for _ in 0..EVENTS {
            let Some(next) = event.take() else { break };
            let reaction = self.machine.apply(self.now, next);
            end = reaction.notices.iter().find_map(|notice| self.noticed(notice)).or(end);
            if end.is_some() {
                break;
            }
            let asks = reaction.notices.iter().any(|notice| matches!(notice, Notice::AwaitingApproval { .. }));
            event = match (reaction.effect, self.machine.wake_at()) {
                (Some(issued), _) => {
                    self.now = self.now + CALL;
                    let answer = self.account.answer(&issued.effect, self.now);
                    Some(Event::Answered { id: issued.id, answer })
                }
                _ if asks => Some(Event::Requested {
                    request: OperatorRequest::Approve,
                    by: "simulate".to_owned(),
                    reason: None,
                    left: Some(self.passes_all()),
                }),
                (None, Some(moment)) => {
                    self.now = self.now.max(moment);
                    Some(Event::Woken)
                }
                (None, None) => None,
            };
        }
        self.course(end.unwrap_or(End::Undecided))
    }

    /// How it ended, if this says so.
    fn noticed(&mut self, notice: &Notice) -> Option<End> {
        match notice {
            Notice::Retreating { .. } => {
                self.decided = Some(self.now);
                None
            }
            // Who is asked does not answer here.
            Notice::Paused { .. } => {
                self.held = true;
                Some(End::Undecided)
            }
            Notice::TrafficBack { .. } => Some(self.machine.progress().reason.as_ref().map_or(End::Undecided, end_of)),
            Notice::Committed => Some(End::Promoted),
            Notice::Finished(outcome) => Some(match outcome {
                Outcome::Promoted => End::Promoted,
                Outcome::RolledBack(reason) => end_of(reason),
                Outcome::Stranded { .. } => End::Undecided,
            }),
            _ => None,
        }
    }

    fn course(self, end: End) -> Course {
        let exposed = self.account.exposed();
        let since = |moment: Timestamp| exposed.map(|exposed| moment.since(exposed));
        let everybody = Share::from_permille(NEARLY_ALL).and_then(|share| self.account.reached(share));
        let detected = self.decided.filter(|_| end == End::RolledBack).and_then(since);
        let promoted = everybody.filter(|_| end == End::Promoted).and_then(since);
        let over = end != End::Promoted && !self.held;
        // Nodes follow the last weight a little after it was read back.
        let settled = self.now + Duration::from_secs(30);
        let until = exposed.map_or(settled, |exposed| exposed + self.harm_within);
        let harmed = self.account.harmed_until(if over { settled } else { until.max(settled) });
        Course { end, detected, promoted, harmed }
    }
}

/// Whether going back for this reason is a verdict.
fn end_of(reason: &Reason) -> End {
    match reason {
        Reason::Breach { outcome: GateOutcome::Fail, .. } => End::RolledBack,
        _ => End::Undecided,
    }
}
