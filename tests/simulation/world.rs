//! A world in virtual time: a rule, two slots, minutes of metrics. It answers effects as AWS would,
//! mishaps included, and remembers the truth for the checkers.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::fault::{Fault, FaultKind};
use tidegate::domain::fleet::{Role, RuleSeen, Served};
use tidegate::domain::traffic::Share;
use tidegate::gate::{Gate, ProbeReading, Reading};
use tidegate::machine::{Answer, Effect, Observation, Route};
use tidegate::plan::Plan;

use super::deployment::Deployment;
use super::die::Die;
use super::measures::Alarm;
use super::mishaps::{Candidate, Mishaps};
use super::points::{Hits, Point};
use super::safeguard::Safeguard;
use super::traffic;

pub const RELEASE: &str = "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:2";
pub const BEFORE: &str = "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:1";
pub const THEIRS: &str = "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:9";
pub const FULL: u32 = 4;
/// The least time a task takes to be healthy.
pub const START_UP: Duration = Duration::from_secs(20);
/// How long a late write takes to land at most, after it was sent.
const LATE: Duration = Duration::from_secs(25);
pub const MINUTE: Duration = Duration::from_secs(60);

/// One slot's tasks.
#[derive(Clone, Debug)]
pub struct Tasks {
    pub desired: u32,
    pub task_definition: String,
    pub since: Timestamp,
    pub lost: u32,
}

/// The world.
pub struct World {
    pub now: Timestamp,
    pub mishaps: Mishaps,
    pub stable: Tasks,
    pub candidate: Tasks,
    /// Every share the rule ever had, and since when.
    pub shares: Vec<(Timestamp, Share)>,
    /// Writes of ours that will land later.
    pub late: Vec<(Timestamp, Share)>,
    /// Whether somebody else ever wrote the rule, and whether theirs is the last word.
    pub foreign: bool,
    pub foreign_rules: bool,
    /// When somebody else last wrote the rule.
    pub meddled: Option<Timestamp>,
    /// Since when the stable slot runs what somebody else deployed.
    pub deployed: Option<Timestamp>,
    pub requests_to_nobody: u64,
    /// What the looks' gates are.
    pub gates: Vec<Gate>,
    /// Requests a second to both slots.
    pub rate: f64,
    /// Whether ECS has taken the release back that it was told to bring last.
    pub given_up: bool,
    /// What keeps the way back open.
    pub safeguard: Safeguard,
    /// What CloudWatch evaluates.
    pub alarm: Alarm,
    /// AWS's own deployment, where it moves the weights.
    pub aws: Option<Deployment>,
    /// How long after it was sent a late write lands at most.
    pub late_for: Duration,
    /// When the write that was asked for last lands, if that is later.
    pub lands: Option<Timestamp>,
    /// What happened, for the count of what ever does.
    pub hits: Hits,
}

impl World {
    pub fn new(now: Timestamp, mishaps: Mishaps, plan: &Plan) -> Self {
        let gates = plan.gates.clone();
        let aws = Deployment::of(plan, mishaps.aws);
        let tasks = |desired, task_definition: &str| Tasks {
            desired,
            task_definition: task_definition.to_owned(),
            since: now.before(MINUTE * 60),
            lost: 0,
        };
        Self {
            now,
            mishaps,
            stable: tasks(FULL, BEFORE),
            candidate: tasks(0, BEFORE),
            shares: vec![(now, Share::NONE)],
            late: Vec::new(),
            foreign: false,
            foreign_rules: false,
            meddled: None,
            deployed: None,
            requests_to_nobody: 0,
            rate: traffic::rate(&gates),
            given_up: false,
            safeguard: Safeguard::new(plan),
            alarm: Alarm::new(now),
            aws,
            late_for: LATE,
            lands: None,
            hits: Hits::default(),
            gates,
        }
    }

    pub fn share(&self) -> Share {
        self.shares.last().expect("there is a first share").1
    }

    /// When the world next changes by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        let aws = self.aws.as_ref().and_then(Deployment::next_change);
        self.late.iter().map(|(at, _)| *at).chain(self.safeguard.next_change()).chain(aws).min()
    }

    /// Lets time pass, and what was due happen.
    pub fn advance(&mut self, to: Timestamp) {
        self.now = self.now.max(to);
        self.late.sort();
        while let Some(at) = self.next_change().filter(|at| *at <= self.now) {
            if let Some((_, share)) = self.late.first().copied().filter(|(landed, _)| *landed == at) {
                self.late.remove(0);
                self.hits.hit(Point::WriteLanded);
                self.set_share(at, share);
            } else if self.deployment_happens(at) {
            } else if self.safeguard.happens(at) {
                self.hits.hit(Point::SwitchFired);
                if self.share() > Share::NONE {
                    self.hits.hit(Point::SwitchGaveBack);
                    self.safeguard.gave_back = true;
                }
                self.foreign_rules = false;
                self.set_share(at, Share::NONE);
            }
        }
        self.grows();
        for role in [Role::Stable, Role::Candidate] {
            if !self.foreign_rules && self.gets(role) > Share::NONE && self.tasks(role).desired == 0 {
                self.requests_to_nobody += 1;
            }
        }
    }

    /// Somebody else gives the stable slot more tasks, once. AWS's own deployment gives its revision as many.
    fn grows(&mut self) {
        let since = self.now.since(self.shares[0].0);
        let due = self.mishaps.grows.is_some_and(|after| since >= after);
        if !due || self.stable.desired != FULL {
            return;
        }
        self.mishaps.grows = None;
        self.hits.hit(Point::StableGrew);
        self.stable.desired = FULL * 2;
        if self.aws.is_some() && self.candidate.desired > 0 {
            self.candidate.desired = FULL * 2;
        }
    }

    /// Somebody else writes the rule.
    pub fn meddle(&mut self, share: Share) {
        self.hits.hit(Point::ForeignWrite);
        if self.share() == Share::NONE && share > Share::NONE {
            self.hits.hit(Point::ForeignWeight);
        }
        self.foreign = true;
        self.foreign_rules = true;
        self.meddled = Some(self.now);
        self.set_share(self.now, share);
    }

    /// Somebody else deploys to the stable slot.
    pub fn deploy(&mut self) {
        self.hits.hit(Point::ForeignDeployment);
        THEIRS.clone_into(&mut self.stable.task_definition);
        self.deployed = Some(self.now);
    }

    pub fn set_share(&mut self, at: Timestamp, share: Share) {
        if share != self.share() {
            self.shares.push((at, share));
        }
    }

    pub fn tasks(&self, role: Role) -> &Tasks {
        match role {
            Role::Stable => &self.stable,
            Role::Candidate => &self.candidate,
        }
    }

    /// The share a slot gets.
    pub fn gets(&self, role: Role) -> Share {
        match role {
            Role::Stable => self.share().rest(),
            Role::Candidate => self.share(),
        }
    }

    pub fn healthy(&self, role: Role) -> u32 {
        let tasks = self.tasks(role);
        let age = self.now.since(tasks.since);
        let bad = matches!(self.mishaps.candidate, Candidate::NeverHealthy | Candidate::Crashing);
        let never = role == Role::Candidate && tasks.task_definition == RELEASE && bad;
        if age < START_UP || never { 0 } else { tasks.desired.saturating_sub(tasks.lost) }
    }

    /// Whether a slot had a request at or after `since`, in truth.
    pub fn served_since(&self, role: Role, since: Timestamp) -> bool {
        self.served_between(role, since, self.now + MINUTE)
    }

    pub fn served_between(&self, role: Role, since: Timestamp, until: Timestamp) -> bool {
        let gets = |share: Share| match role {
            Role::Stable => share.rest() > Share::NONE,
            Role::Candidate => share > Share::NONE,
        };
        let ends = self.shares.iter().skip(1).map(|(at, _)| *at).chain([self.now + MINUTE]);
        self.shares.iter().zip(ends).any(|((start, share), end)| gets(*share) && end > since && *start < until)
    }

    /// The answer to an effect that was asked for now, and how long it takes. A write takes effect
    /// here, or later, or never.
    pub fn answer(&mut self, effect: &Effect, die: &mut Die) -> (Duration, Answer) {
        let latency = die.span(Duration::ZERO, self.mishaps.latency);
        if self.is_expired() {
            self.hits.hit(Point::CredentialsExpired);
            return (latency, self.expired(effect));
        }
        let answer = if effect.is_write() { self.write(effect, die) } else { self.read(effect, die) };
        (latency, answer)
    }

    pub fn is_expired(&self) -> bool {
        let since = self.now.since(self.shares[0].0);
        self.mishaps.expired.is_some_and(|(ends, renewed)| (ends..renewed).contains(&since))
    }

    /// Nothing is read and nothing written; a look says so part by part.
    fn expired(&self, effect: &Effect) -> Answer {
        let fault = Fault::new(FaultKind::Expired, "call", "the security token has expired");
        match effect {
            Effect::Look(look) => {
                let unreadable = |gate: &usize| (*gate, Reading::Unreadable(fault.clone()));
                let readings = look.gates.iter().map(unreadable).collect();
                Answer::Seen(Box::new(Observation { readings, faults: vec![fault.clone()], ..Observation::default() }))
            }
            Effect::Probe(_) => Answer::Probed(ProbeReading { at: self.now, right: true, text: "200".into() }),
            _ => Answer::Failed(fault),
        }
    }

    fn write(&mut self, effect: &Effect, die: &mut Die) -> Answer {
        self.lands = None;
        let fault = |kind, words: &str| Answer::Failed(Fault::new(kind, "write", words));
        if let Some(denied) = self.mishaps.denied.filter(|denied| denied.forbids(effect)) {
            self.hits.hit(denied.point());
            return fault(FaultKind::Denied, "not allowed");
        }
        if die.chance(self.mishaps.write_refused) {
            self.hits.hit(Point::WriteThrottled);
            if *effect == Effect::HoldScaling && die.chance(0.5) {
                self.hits.hit(Point::HalfHeld);
                self.safeguard.hold_one();
            }
            return fault(FaultKind::Transient, "throttled");
        }
        if die.chance(self.mishaps.write_lost) {
            self.hits.hit(Point::WriteLost);
            return fault(FaultKind::Unknown, "timed out");
        }
        if die.chance(self.mishaps.write_late) {
            self.hits.hit(Point::WriteLate);
            let lands = self.now + die.span(Duration::from_secs(1), self.late_for);
            self.lands = matches!(effect, Effect::Route(_) | Effect::Conclude).then_some(lands);
            if let Some(aws) = &mut self.aws
                && matches!(effect, Effect::Route(_) | Effect::Conclude)
            {
                aws.lands(lands, effect.clone());
            } else if let Effect::Route(route) = effect {
                self.late.push((lands, route.share));
            } else if effect.is_safeguard() {
                self.safeguard.lands(lands, effect.clone());
            }
            return fault(FaultKind::Unknown, "timed out");
        }
        let answer = self.apply(effect);
        let answer = self.again(answer, effect, die);
        if die.chance(self.mishaps.answer_lost) {
            self.hits.hit(Point::WriteAnswerLost);
            return fault(FaultKind::Unknown, "connection closed");
        }
        answer
    }

    /// A write of the way back is sent again while no answer comes: another attempt may land later, which the
    /// answer tells.
    fn again(&mut self, answer: Answer, effect: &Effect, die: &mut Die) -> Answer {
        let back = matches!(effect, Effect::Route(route) if route.expected.is_none());
        match answer {
            Answer::Routed(seen) if back && die.chance(self.mishaps.write_again) => {
                self.hits.hit(Point::WrittenAgain);
                let lands = self.now + die.span(Duration::from_secs(1), self.late_for);
                self.lands = Some(lands);
                self.late.push((lands, Share::NONE));
                Answer::Unsettled(seen)
            }
            answer => answer,
        }
    }

    /// A write takes effect.
    pub fn apply(&mut self, effect: &Effect) -> Answer {
        if let Some(answer) = self.apply_to_deployment(effect) {
            return answer;
        }
        match effect {
            Effect::Register { .. } => Answer::Registered(RELEASE.to_owned()),
            Effect::Scale { role, count, task_definition } => {
                let now = self.now;
                if *role == Role::Candidate && *count == 0 {
                    assert!(!self.cookie_leads(), "a cookie leads to a slot without tasks");
                }
                let tasks = match role {
                    Role::Stable => &mut self.stable,
                    Role::Candidate => &mut self.candidate,
                };
                let other = task_definition.as_ref().is_some_and(|other| *other != tasks.task_definition);
                if other || *count > tasks.desired {
                    tasks.since = now;
                }
                self.given_up &= *role == Role::Stable;
                tasks.desired = *count;
                tasks.task_definition = task_definition.clone().unwrap_or_else(|| tasks.task_definition.clone());
                Answer::Scaled
            }
            Effect::Route(route) => self.route(route),
            effect if effect.is_safeguard() => self.safeguard.apply(effect, self.now, self.mishaps.fires_after),
            _ => unreachable!("these are reads"),
        }
    }

    fn route(&mut self, route: &Route) -> Answer {
        if route.expected.is_some_and(|expected| expected != self.share()) {
            return Answer::Foreign(self.rule_at(self.now));
        }
        self.set_share(self.now, route.share);
        self.safeguard.stick(route.stickiness);
        self.foreign_rules = false;
        Answer::Routed(self.rule_at(self.now))
    }

    /// Whether a cookie may lead a client to the candidate, which has no weight any more.
    fn cookie_leads(&self) -> bool {
        let gone = self.shares.windows(2).rev().find(|pair| pair[0].1 > Share::NONE).map(|pair| pair[1].0);
        self.safeguard.is_brief() && gone.is_some_and(|gone| self.now.since(gone) < self.safeguard.cookies)
    }

    pub fn rule_at(&self, at: Timestamp) -> RuleSeen {
        let share = self.shares.iter().rev().find(|(since, _)| *since <= at).map_or(Share::NONE, |(_, share)| *share);
        RuleSeen {
            share: Some(share),
            sticky: self.safeguard.sticky,
            brief: self.safeguard.is_brief(),
            instead: None,
            shape: "shape".into(),
            text: format!("candidate {share}"),
        }
    }

    fn read(&mut self, effect: &Effect, die: &mut Die) -> Answer {
        if die.chance(self.mishaps.read_fails) {
            self.hits.hit(Point::ReadThrottled);
            return Answer::Failed(Fault::new(FaultKind::Transient, "read", "throttled"));
        }
        match effect {
            Effect::Look(look) => Answer::Seen(Box::new(self.look(look, die))),
            Effect::Probe(_) => Answer::Probed(ProbeReading { at: self.now, right: true, text: "200".into() }),
            Effect::Count { .. } => Answer::Counted(Served { requests: 100, failed: 3, since_full: None }),
            Effect::IntendCommit => Answer::CommitIntended,
            _ => unreachable!("these are writes"),
        }
    }
}
