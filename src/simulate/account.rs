//! An account in virtual time, as one rollout meets it: everything works, weights land, requests are counted
//! by bins and published with the delay of their feed.

use std::time::Duration;

use super::condition::{Condition, times};
use super::meter::Meter;
use super::source::Source;
use super::survey::TASKS;
use super::world::{Marks, START};
use crate::domain::clock::Timestamp;
use crate::domain::count::{Bin, Counts};
use crate::domain::fleet::{AlarmState, Capacity, Fleet, RuleSeen, Served};
use crate::domain::traffic::Share;
use crate::gate::compare::Feed;
use crate::gate::{
    AlarmData, AlarmReading, BurnReading, BurnRule, Burnt, Check, Gate, Outcome, ProbeReading, Reading, SaidReading,
    Watched,
};
use crate::machine::{Answer, Effect, Look, Observation};
use crate::plan::Plan;

/// How long a call takes.
pub(super) const CALL: Duration = Duration::from_millis(300);
/// How long after a write was accepted the load balancer's nodes follow it.
const FOLLOWED: Duration = Duration::from_secs(5);
/// How long tasks take to be healthy.
const START_UP: Duration = Duration::from_secs(30);
/// The length of the load balancer's own datapoints.
const MINUTE: Duration = Duration::from_secs(60);

/// The account and its traffic.
pub(super) struct Account<'a> {
    plan: &'a Plan,
    source: Source<'a>,
    span: Duration,
    marks: Marks,
    meters: Vec<Option<Meter>>,
    /// What the rule says, and what the load balancer's nodes follow since when.
    share: Share,
    followed: Vec<(Timestamp, Share)>,
    tasks: u32,
    asked: Timestamp,
    release: String,
    drawn: Vec<(Bin, [Condition; 2])>,
    harmed: f64,
}

impl<'a> Account<'a> {
    /// The account of `plan` with the requests of `source`, and a meter for each gate that reads the load
    /// balancer's metrics.
    pub(super) fn new(plan: &'a Plan, source: Source<'a>, marks: Marks, meters: Vec<Option<Meter>>) -> Self {
        Self {
            plan,
            span: source.span(),
            source,
            marks,
            meters,
            share: Share::NONE,
            followed: vec![(START, Share::NONE)],
            tasks: 0,
            asked: START,
            release: String::new(),
            drawn: Vec::new(),
            harmed: 0.0,
        }
    }

    /// When the candidate first got requests.
    pub(super) fn exposed(&self) -> Option<Timestamp> {
        self.followed.iter().find(|(_, share)| *share > Share::NONE).map(|(at, _)| *at)
    }

    /// When the candidate first got at least `share` of them.
    pub(super) fn reached(&self, least: Share) -> Option<Timestamp> {
        self.followed.iter().find(|(_, share)| *share >= least).map(|(at, _)| *at)
    }

    /// How many requests were harmed until `end`, if the weights stay as they are.
    pub(super) fn harmed_until(mut self, end: Timestamp) -> f64 {
        self.marks = Marks::default();
        self.draw(end + self.span);
        self.harmed
    }

    /// What the world answers to an effect at `now`.
    pub(super) fn answer(&mut self, effect: &Effect, now: Timestamp) -> Answer {
        match effect {
            Effect::Register { .. } => Answer::Registered("release:2".to_owned()),
            Effect::Scale { count, task_definition, .. } => {
                (self.tasks, self.asked) = (*count, now);
                self.release = task_definition.clone().unwrap_or_default();
                Answer::Scaled
            }
            Effect::Route(route) => {
                self.share = route.share;
                self.followed.push((now + FOLLOWED, route.share));
                Answer::Routed(self.rule())
            }
            Effect::Mark(_) => Answer::Marked,
            Effect::HoldScaling => Answer::ScalingHeld,
            Effect::FreeScaling => Answer::ScalingFreed,
            Effect::Arm { .. } => Answer::Armed,
            Effect::Disarm => Answer::Disarmed,
            Effect::IntendCommit => Answer::CommitIntended,
            Effect::Conclude => Answer::Concluded,
            Effect::Look(look) => Answer::Seen(Box::new(self.look(look, now))),
            Effect::Probe(_) => Answer::Probed(ProbeReading { at: now, right: true, text: "right".to_owned() }),
            Effect::Count { .. } => Answer::Counted(Served::default()),
        }
    }

    fn rule(&self) -> RuleSeen {
        let shape = self.plan.before.shape.clone();
        RuleSeen {
            share: Some(self.share),
            sticky: false,
            brief: false,
            instead: None,
            shape,
            text: format!("candidate {}", self.share),
        }
    }

    fn look(&mut self, look: &Look, now: Timestamp) -> Observation {
        self.draw(now);
        let readings = look.gates.iter().map(|index| (*index, self.reading(*index, look.since, now))).collect();
        Observation {
            calendar: None,
            deployment: None,
            rule: Some(self.rule()),
            readings,
            fleet: look.fleet.then(|| self.fleet(now)),
            stable: look.first_read.map(|_| TASKS),
            requests: look.quiet.map(|_| 0),
            published: None,
            reached: None,
            observed: None,
            faults: Vec::new(),
        }
    }

    fn fleet(&self, now: Timestamp) -> Fleet {
        let up = now.since(self.asked) >= START_UP;
        let capacity = |tasks, healthy, runs: &str| Capacity {
            desired: tasks,
            running: tasks,
            healthy,
            task_definition: runs.to_owned(),
            settled: true,
            ..Capacity::default()
        };
        let before = &self.plan.before.stable_task_definition;
        let healthy = if up { self.tasks } else { 0 };
        Fleet { stable: capacity(TASKS, TASKS, before), candidate: capacity(self.tasks, healthy, &self.release) }
    }

    fn reading(&mut self, index: usize, since: Timestamp, now: Timestamp) -> Reading {
        let Some(gate) = self.plan.gates.get(index) else { return Reading::Counts(Vec::new()) };
        if let Some(Some(meter)) = self.meters.get_mut(index) {
            let closed = now.before(Feed::LoadBalancer.delay());
            return Reading::Metric(meter.read(&self.drawn, self.span, since, closed));
        }
        match &gate.check {
            Check::Compare(rule) => self.counts(&rule.feed, since, now),
            Check::Split(rule) => self.counts(&rule.feed, since, now),
            Check::Burn(rule) => Reading::Burn(self.burnt(rule, now)),
            _ => passing(gate, since, now),
        }
    }

    /// Published bins from the one on in which `since` lies.
    fn counts(&self, feed: &Feed, since: Timestamp, now: Timestamp) -> Reading {
        let (span, published) = (feed.span(), now.before(feed.delay()));
        let each = times(span, self.span);
        let first = since.since(START).as_millis() / span.as_millis().max(1);
        let first = usize::try_from(first).unwrap_or(usize::MAX).saturating_mul(each).min(self.drawn.len());
        let whole = self.drawn[first..]
            .chunks_exact(each)
            .take_while(|bins| bins.last().is_some_and(|(bin, _)| bin.at + self.span <= published));
        Reading::Counts(whole.map(sum).collect())
    }

    /// What the whole service used of its budget; before the rollout it was as usual.
    fn burnt(&self, rule: &BurnRule, now: Timestamp) -> BurnReading {
        let closed = now.before(Feed::LoadBalancer.delay()).as_millis();
        let until = Timestamp::from_millis(closed - closed % 60_000);
        let over = |window: Duration| {
            let from = until.before(window);
            let (rate, errors) = self.source.usual();
            let usual = rate * START.since(from).min(window).as_secs_f64();
            let mut burnt = Burnt { requests: usual, errors: usual * errors };
            for (bin, _) in self.drawn.iter().filter(|(bin, _)| bin.at >= from && bin.at < until) {
                for counts in [&bin.stable, &bin.candidate].into_iter().flatten() {
                    burnt.requests += counts.requests;
                    burnt.errors += counts.errors;
                }
            }
            burnt
        };
        BurnReading { until, long: over(rule.long), short: over(rule.short) }
    }

    /// Draws the bins that have ended by `now`.
    fn draw(&mut self, now: Timestamp) {
        loop {
            let from = START + self.span * u32::try_from(self.drawn.len()).unwrap_or(u32::MAX);
            if from + self.span > now {
                return;
            }
            let drawn = self.source.next(self.mean_share(from, from + self.span), &self.marks);
            self.harmed += drawn.harm;
            self.drawn.push((drawn.bin, [drawn.stable, drawn.candidate]));
        }
    }

    /// The candidate's share from one moment to another, on average, 0 to 1.
    fn mean_share(&self, from: Timestamp, until: Timestamp) -> f64 {
        let ends = self.followed.iter().skip(1).map(|(at, _)| *at).chain([Timestamp::from_millis(u64::MAX)]);
        let part = |((since, share), end): (&(Timestamp, Share), Timestamp)| {
            let held = end.min(until).since(from.max(*since));
            share.percent() / 100.0 * held.as_secs_f64()
        };
        self.followed.iter().zip(ends).map(part).sum::<f64>() / until.since(from).as_secs_f64()
    }
}

/// Several bins as one.
fn sum(bins: &[(Bin, [Condition; 2])]) -> Bin {
    let slot =
        |of: fn(&Bin) -> &Option<Counts>| bins.iter().filter_map(|(bin, _)| of(bin).as_ref()).cloned().reduce(add);
    let at = bins.first().map(|(bin, _)| bin.at).unwrap_or_default();
    Bin { at, stable: slot(|bin| &bin.stable), candidate: slot(|bin| &bin.candidate) }
}

fn add(mut one: Counts, other: Counts) -> Counts {
    one.requests += other.requests;
    one.errors += other.errors;
    one.refused += other.refused;
    one.timed += other.timed;
    for (slow, more) in one.slower.iter_mut().zip(other.slower) {
        *slow += more;
    }
    one
}

/// What a gate is read as whose world is not simulated.
fn passing(gate: &Gate, since: Timestamp, now: Timestamp) -> Reading {
    match &gate.check {
        Check::Alarm(rule) => {
            let (changed, window, data) =
                (START.before(MINUTE), Duration::ZERO, AlarmData::Read { until: Some(now), broken: None });
            let watched = vec![Watched { alarm: rule.alarm.clone(), window, every: Duration::ZERO, data }];
            Reading::Alarm(AlarmReading {
                state: Some(AlarmState::Ok),
                changed,
                rang: None,
                window,
                read: now,
                watched,
            })
        }
        Check::Metric(rule) => Reading::Metric(Meter::within(rule, since, now.before(Feed::LoadBalancer.delay()))),
        _ => Reading::Said(SaidReading { asked: now, outcome: Outcome::Pass, text: "not simulated".to_owned() }),
    }
}
