//! The machine as data in, effect and notices out: what one rollout does, move by move.

mod back;
mod deployment;
mod differs;
mod expired;
mod first_read;
mod forward;
mod given_up;
mod outer;
mod people;
mod ramp;
mod safeguard;
mod slots;
mod tables;
mod takeover;
mod watch;
mod window;

use std::time::Duration;

use super::*;
use crate::domain::count::{Bin, Counts};
use crate::domain::driver::{Deployment, DeploymentState, Driver};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Capacity, Counted, Fleet, Place, Role, RuleSeen, Served, Slot, Target};
use crate::domain::name::RolloutName;
use crate::domain::safeguard::{Beacon, DeadMan, SWITCH_LANDS_WITHIN, Scaling};
use crate::domain::traffic::Share;
use crate::domain::window::CalendarSeen;
use crate::gate::{
    Bound, Check, CloudWatchMetric, Evidence, Gate, MetricReading, MetricRule, MetricSource, MissingData, Point,
    ProbeReading, ProbeRule, Reading, TasksRule,
};
use crate::plan::{Action, Before, ReleasePlan, Step};
use crate::spec::{Limits, Policies};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const RELEASE: &str = "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:2";
const BEFORE: &str = "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:1";
const FULL: u32 = 4;
/// Requests a second to both slots, where they are counted.
const RATE: f64 = 200.0;
/// More moves than any rollout here makes.
const MOVES: usize = 5_000;

/// Index of the probe among the plan's gates.
const PROBE: usize = 2;
const TENTH: Action = Action::Shift(tenth());
const HOLD: Action = Action::Hold(Duration::from_secs(120));

const fn tenth() -> Share {
    match Share::from_permille(100) {
        Some(share) => share,
        None => Share::NONE,
    }
}

/// A whole canary: a tenth, everything, commit.
fn canary() -> Plan {
    plan(&[Action::Prepare(FULL), TENTH, HOLD, Action::Shift(Share::ALL), HOLD, Action::Commit, Action::Retire])
}

/// A plan of these steps, five minutes each, that goes back whatever happens.
fn plan(actions: &[Action]) -> Plan {
    let within = |action: &Action| if *action == Action::Retire { MINUTE * 30 } else { MINUTE * 5 };
    let steps = actions.iter().map(|action| Step { action: action.clone(), within: within(action) }).collect();
    Plan {
        name: RolloutName::parse("web").unwrap(),
        driver: Driver::Pair,
        target: target(),
        before: Before {
            at: START,
            weights: vec![("arn:tg/blue".into(), 1), ("arn:tg/green".into(), 0)],
            stickiness: None,
            sticky_groups: Vec::new(),
            priority: None,
            shape: "ours".into(),
            actions_json: "[]".into(),
            stable_desired: FULL,
            candidate_desired: 1,
            stable_task_definition: BEFORE.into(),
            candidate_task_definition: BEFORE.into(),
            scaling: Vec::new(),
            test_rules: Vec::new(),
            deployment_configuration: None,
        },
        release: ReleasePlan::Registered(RELEASE.into()),
        steps,
        gates: gates(),
        policies: Policies::default(),
        limits: Limits { pause: MINUTE * 60, ..Limits::default() },
        dead_man: None,
        notify: Vec::new(),
        windows: None,
        writer_role: None,
        undoes: None,
        images: Vec::new(),
        rules: crate::plan::RULES,
        warnings: Vec::new(),
    }
}

fn gates() -> Vec<Gate> {
    let errors = MetricRule {
        source: MetricSource::CloudWatch(CloudWatchMetric {
            expression: Some("100 * e / r".into()),
            ..CloudWatchMetric::default()
        }),
        bound: Bound::Above(1.0),
        period: MINUTE,
        breaching: 1,
        of: 1,
        missing_data: MissingData::Inconclusive,
    };
    let probe = ProbeRule {
        url: "http://{load_balancer}:8080/".into(),
        headers: Vec::new(),
        status: 200,
        contains: None,
        times: 3,
        timeout: MINUTE,
        within: MINUTE * 5,
    };
    let gate = |name: &str, check| Gate { name: name.into(), check, watch: false };
    let tasks = TasksRule { start_within: MINUTE * 10, ..TasksRule::default() };
    vec![gate("errors", Check::Metric(errors)), gate("tasks", Check::Tasks(tasks)), gate("home", Check::Probe(probe))]
}

fn target() -> Target {
    let place = |slot| Place {
        slot,
        service: format!("web-{slot}"),
        target_group: format!("arn:tg/{slot}"),
        target_group_name: format!("web-{slot}"),
        target_group_dimension: format!("targetgroup/web-{slot}/1"),
    };
    Target {
        region: "eu-west-1".into(),
        account: "000000000000".into(),
        cluster: "prod".into(),
        rule: "arn:rule".into(),
        load_balancer_dimension: "app/web/1".into(),
        dns_name: "web.example.com".into(),
        stable: place(Slot::Blue),
        candidate: place(Slot::Green),
    }
}

/// A rollout, and a world that does what it is asked until a test changes it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Run {
    machine: Machine,
    now: Timestamp,
    /// All that was told.
    notices: Vec<Notice>,
    /// All that was asked.
    asked: Vec<Effect>,
    share: Share,
    /// Every share it had, and since when.
    shares: Vec<(Timestamp, Share)>,
    shape: &'static str,
    sticky: bool,
    /// Whether the rule binds clients for a second.
    brief: bool,
    /// The ARN of the rule that stands in the place of the rollout's.
    instead: Option<String>,
    stable: Capacity,
    candidate: Capacity,
    /// The candidate's error rate in percent; `None` is silence.
    errors: Option<f64>,
    probe_is_right: bool,
    beacon: Beacon,
    /// Whether autoscaling is held.
    held: bool,
    /// When the dead-man's switch fires, while there is one.
    fires: Option<Timestamp>,
    /// Why the rule cannot be read.
    rule_fault: Option<Fault>,
    /// What else leads to the slot that is about to lose its tasks.
    entrances: Vec<String>,
    /// How late CloudWatch publishes a minute.
    late: Duration,
    /// Whether counts cannot be read.
    counts_fail: bool,
    /// What AWS's own deployment says, where there is one.
    deployment: Option<DeploymentState>,
    /// The hook of the service's own that it waits at.
    held_by: Option<String>,
    /// What AWS is about to give the candidate, and when.
    moves: Option<(Timestamp, Share)>,
    /// What the change calendars say; `None` when they cannot be read.
    calendar: Option<CalendarSeen>,
}

/// How long AWS takes to move the weights once it is told to.
const MOVES_WITHIN: Duration = Duration::from_secs(20);

fn capacity(count: u32, task_definition: &str) -> Capacity {
    let task_definition = task_definition.to_owned();
    Capacity { desired: count, running: count, healthy: count, task_definition, settled: true, ..Capacity::default() }
}

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "Call", "no")
}

impl Run {
    fn of(plan: Plan) -> Self {
        let mut run = Self::not_begun(plan);
        run.feed(Event::Started { by: "ann".into() });
        run
    }

    fn not_begun(plan: Plan) -> Self {
        let sticky = plan.before.stickiness.is_some();
        Self {
            machine: Machine::new(plan),
            now: START,
            notices: Vec::new(),
            asked: Vec::new(),
            share: Share::NONE,
            shares: Vec::new(),
            shape: "ours",
            sticky,
            brief: false,
            instead: None,
            stable: capacity(FULL, BEFORE),
            candidate: capacity(1, BEFORE),
            errors: Some(0.1),
            probe_is_right: true,
            beacon: Beacon::Absent,
            held: false,
            fires: None,
            rule_fault: None,
            entrances: Vec::new(),
            late: Duration::ZERO,
            counts_fail: false,
            deployment: None,
            held_by: None,
            moves: None,
            calendar: None,
        }
    }

    /// Applies an event now, and gives what it told.
    fn feed(&mut self, event: Event) -> Vec<Notice> {
        let reaction = self.machine.apply(self.now, event);
        self.notices.extend(reaction.notices.iter().cloned());
        self.asked.extend(reaction.effect.map(|issued| issued.effect));
        reaction.notices
    }

    fn told(&mut self, request: OperatorRequest) -> Vec<Notice> {
        self.say(request, None)
    }

    fn say(&mut self, request: OperatorRequest, reason: Option<&str>) -> Vec<Notice> {
        self.feed(Event::Requested { request, by: "bob".into(), reason: reason.map(str::to_owned), left: None })
    }

    fn interrupted(&mut self) -> Vec<Notice> {
        self.feed(Event::Interrupted { signal: "SIGTERM".into() })
    }

    /// Somebody takes over, by a clock that is not behind: never in the same moment.
    fn recovered(&mut self) -> Vec<Notice> {
        self.now = self.now + Duration::from_millis(1);
        self.feed(Event::Recovered { by: "eve".into(), epoch: 2 })
    }

    /// The effect that is outstanding.
    fn pending(&self) -> Option<&Effect> {
        self.machine.pending().map(|issued| &issued.effect)
    }

    /// Answers the outstanding effect.
    fn answer(&mut self, answer: Answer) -> Vec<Notice> {
        let id = self.machine.pending().unwrap().id;
        self.feed(Event::Answered { id, answer })
    }

    /// One move: the outstanding effect is done, or the next moment to wake comes.
    fn go(&mut self) -> Vec<Notice> {
        if let Some(effect) = self.pending().cloned() {
            let answer = self.perform(&effect);
            return self.answer(answer);
        }
        self.now = self.machine.wake_at().unwrap();
        self.fire();
        self.feed(Event::Woken)
    }

    /// A switch whose time has come gives everything to the stable slot and is gone.
    fn fire(&mut self) {
        if let Some((_, share)) = self.moves.take_if(|(at, _)| *at <= self.now) {
            self.share = share;
            self.shares.push((self.now, share));
        }
        if self.fires.is_some_and(|at| at <= self.now) {
            (self.share, self.sticky, self.fires) = (Share::NONE, false, None);
            self.shares.push((self.now, Share::NONE));
        }
    }

    /// Nobody runs it for this long, then somebody takes over.
    fn dead_for(&mut self, span: Duration) -> Vec<Notice> {
        self.now = self.now + span;
        self.fire();
        self.recovered()
    }

    /// Moves on until `there`.
    fn until(&mut self, there: impl Fn(&Self) -> bool) {
        for _ in 0..MOVES {
            if there(self) {
                return;
            }
            assert_eq!(self.machine.outcome(), None, "it ended on the way: {:#?}", self.notices);
            self.go();
        }
        panic!("it never came: {:?}", self.machine.progress());
    }

    /// Moves on until something like this is outstanding.
    fn until_asked(&mut self, what: impl Fn(&Effect) -> bool) {
        self.until(|run| run.pending().is_some_and(&what));
    }

    /// Moves on to the end.
    fn end(&mut self) -> Outcome {
        self.until(|run| run.machine.outcome().is_some());
        self.machine.outcome().unwrap().clone()
    }

    /// Moves on for at least this long.
    fn pass(&mut self, span: Duration) {
        let then = self.now + span;
        self.until(|run| run.now >= then);
    }

    /// Moves on into the step with this index.
    fn until_step(&mut self, step: usize) {
        self.until(|run| run.notices.contains(&Notice::StepStarted(step)));
    }

    fn perform(&mut self, effect: &Effect) -> Answer {
        match effect {
            Effect::Register { .. } => Answer::Registered(RELEASE.into()),
            Effect::Scale { role, count, task_definition } => {
                let slot = if *role == Role::Stable { &mut self.stable } else { &mut self.candidate };
                let task_definition = task_definition.clone().unwrap_or_else(|| slot.task_definition.clone());
                *slot = capacity(*count, &task_definition);
                Answer::Scaled
            }
            Effect::Route(route) => self.route(route),
            Effect::Mark(beacon) => {
                self.beacon = *beacon;
                Answer::Marked
            }
            Effect::HoldScaling => {
                self.held = true;
                Answer::ScalingHeld
            }
            Effect::FreeScaling => {
                self.held = false;
                Answer::ScalingFreed
            }
            Effect::Arm { create: false, .. } if self.fires.is_none() => Answer::Gone,
            Effect::Arm { at, .. } => {
                self.fires = Some(*at);
                Answer::Armed
            }
            Effect::Disarm => {
                self.fires = None;
                Answer::Disarmed
            }
            Effect::IntendCommit => Answer::CommitIntended,
            Effect::Conclude => {
                self.deployment = Some(DeploymentState::Done);
                Answer::Concluded
            }
            Effect::Look(look) => Answer::Seen(Box::new(self.seen(look))),
            Effect::Probe(_) => {
                Answer::Probed(ProbeReading { at: self.now, right: self.probe_is_right, text: "200".into() })
            }
            Effect::Count { .. } => Answer::Counted(Served { requests: 100, failed: 3, since_full: None }),
        }
    }

    fn route(&mut self, route: &Route) -> Answer {
        let found = route.expected.is_none_or(|expected| expected == self.share && self.shape == "ours");
        if !found || self.instead.is_some() {
            return Answer::Foreign(self.rule());
        }
        if self.deployment.is_some() && self.share != route.share {
            self.moves = self.moves.or(Some((self.now + MOVES_WITHIN, route.share)));
            return Answer::Moving(self.rule());
        }
        self.share = route.share;
        self.shares.push((self.now, route.share));
        match route.stickiness {
            Stickiness::Keep => {}
            Stickiness::Suspend => {
                self.sticky = false;
                self.brief = !self.machine.plan().before.sticky_groups.is_empty();
            }
            Stickiness::Restore => (self.sticky, self.brief) = (true, false),
        }
        Answer::Routed(self.rule())
    }

    fn rule(&self) -> RuleSeen {
        RuleSeen {
            share: Some(self.share),
            sticky: self.sticky,
            brief: self.brief,
            instead: self.instead.clone(),
            shape: self.shape.into(),
            text: format!("green {}", self.share),
        }
    }

    fn seen(&self, look: &Look) -> Observation {
        let requests = |role| self.requests(role);
        Observation {
            rule: self.rule_fault.is_none().then(|| self.rule()),
            fleet: look.fleet.then(|| Fleet { stable: self.stable.clone(), candidate: self.candidate.clone() }),
            stable: look.first_read.map(|_| self.stable.healthy),

            deployment: self.deployment.clone().filter(|_| look.deployment).map(|state| Deployment {
                id: "arn:deployment".into(),
                state,
                stage: "PRE_PRODUCTION_TRAFFIC_SHIFT".into(),
                held_by: self.held_by.clone(),
            }),
            calendar: self.calendar.filter(|_| look.calendar),
            readings: look.gates.iter().map(|gate| (*gate, self.reading(*gate, look))).collect(),
            requests: look.quiet.map(|role| requests(role).requests),
            published: look.quiet.map(|role| requests(role).until),
            reached: look.reached.then(|| self.entrances.clone()),
            observed: None,
            faults: self.rule_fault.iter().cloned().collect(),
        }
    }

    /// What a slot's last published minutes count, and the newest of them, which proves the others.
    fn requests(&self, role: Role) -> Counted {
        let newest = self.now.before(self.late + MINUTE).as_millis() / 60_000;
        let until = Timestamp::from_millis(newest * 60_000);
        let from = until.before(MINUTE * crate::plan::QUIET_PERIODS);
        let ends = self.shares.iter().skip(1).map(|(at, _)| *at).chain([self.now]);
        let within = self.shares.iter().zip(ends).filter(|((_, _), end)| *end > from);
        let within = within.filter(|((start, _), _)| *start < until + MINUTE).map(|((_, share), _)| *share);
        let gets = |share: Share| if role == Role::Candidate { share } else { share.rest() };
        Counted { requests: within.map(|share| u64::from(gets(share).permille())).sum(), until }
    }

    fn reading(&self, gate: usize, look: &Look) -> Reading {
        match self.machine.plan().gates[gate].feed() {
            Some(_) if self.counts_fail => Reading::Unreadable(fault(FaultKind::Transient)),
            Some(feed) => Reading::Counts(self.counted(look.since.max(look.counted), feed.span())),
            None => self.metric(look.since),
        }
    }

    /// What both slots counted since then in bins that are closed, at [`RATE`] requests a second.
    fn counted(&self, since: Timestamp, span: Duration) -> Vec<Bin> {
        let length = span.as_secs() * 1000;
        let bins = since.as_millis() / length..self.now.as_millis() / length;
        let bin = |n: u64| {
            let at = Timestamp::from_millis(n * length);
            let share = self.shares.iter().rev().find(|(from, _)| *from <= at).map_or(Share::NONE, |(_, share)| *share);
            let slot = |share: Share, errors: f64| {
                let requests = (RATE * span.as_secs_f64() * share.percent() / 100.0).round();
                let counts = Counts { requests, errors: (requests * errors).round(), ..Counts::default() };
                (requests > 0.0).then_some(counts)
            };
            let candidate = self.errors.and_then(|errors| slot(share, errors / 100.0));
            Bin { at, stable: slot(share.rest(), 0.001), candidate }
        };
        bins.map(bin).collect()
    }

    /// A point for every minute since then that is closed.
    fn metric(&self, since: Timestamp) -> Reading {
        let minutes = since.as_millis().div_ceil(60_000)..self.now.as_millis() / 60_000;
        let point = |minute: u64| Some(Point { at: Timestamp::from_millis(minute * 60_000), value: self.errors? });
        Reading::Metric(MetricReading { values: minutes.filter_map(point).collect(), samples: Vec::new() })
    }

    fn is_told(&self, what: impl Fn(&Notice) -> bool) -> bool {
        self.notices.iter().any(what)
    }

    /// What was left undone.
    fn undone(&self) -> Vec<&Undone> {
        let notices = self.notices.iter();
        notices.filter_map(|notice| if let Notice::LeftUndone { what } = notice { Some(what) } else { None }).collect()
    }

    /// Why stickiness stays off.
    fn unstuck(&self) -> Vec<&StaysOff> {
        let notices = self.notices.iter();
        notices.filter_map(|notice| if let Notice::StickinessOff { why } = notice { Some(why) } else { None }).collect()
    }

    /// Shares that were asked for.
    fn routes(&self) -> Vec<Share> {
        let share = |effect: &Effect| if let Effect::Route(route) = effect { Some(route.share) } else { None };
        self.asked.iter().filter_map(share).collect()
    }
}

fn is_route(effect: &Effect) -> bool {
    matches!(effect, Effect::Route(_))
}

fn is_scale(effect: &Effect) -> bool {
    matches!(effect, Effect::Scale { .. })
}

fn is_look(effect: &Effect) -> bool {
    matches!(effect, Effect::Look(_))
}

/// Why a word was refused, if it was.
fn refusal(notices: &[Notice]) -> Option<Objection> {
    notices.iter().find_map(|notice| if let Notice::Refused { why, .. } = notice { Some(why.clone()) } else { None })
}

/// Why the rollout went back.
fn reason(outcome: Outcome) -> Reason {
    match outcome {
        Outcome::RolledBack(reason) => reason,
        other => panic!("not rolled back: {other:?}"),
    }
}

/// Why a person is needed.
fn stranded(outcome: Outcome) -> Stranding {
    match outcome {
        Outcome::Stranded { why, .. } => why,
        other => panic!("not stranded: {other:?}"),
    }
}
