//! One rollout in virtual time: machine, journal and world, a runner that may die, people who may speak.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::traffic::Share;
use tidegate::gate::{
    Bound, Check, CloudWatchMetric, Gate, MetricRule, MetricSource, MissingData, SplitRule, TasksRule,
};
use tidegate::lease::LEASE;
use tidegate::machine::{Answer, Event, Issued, Machine, Notice, OperatorRequest, Outcome, Reaction};
use tidegate::plan::Plan;

use super::checks::Checks;
use super::die::Die;
use super::mishaps::{Candidate, Mishaps};
use super::points::Point;
use super::traffic::learned;
use super::world::World;

/// More events than any rollout has; one that needs more never ends.
const EVENTS: usize = 40_000;

/// A rollout that ended.
pub struct Ended {
    pub outcome: Outcome,
    pub world: World,
    pub recorded: Vec<(Timestamp, Event)>,
    pub notices: Vec<Notice>,
}

struct Runner<'a> {
    machine: Machine,
    /// What the journal gives up to the last takeover, and how long it was then.
    replayed: (Machine, usize),
    recorded: Vec<(Timestamp, Event)>,
    notices: Vec<Notice>,
    in_flight: Option<(Timestamp, Issued, Answer)>,
    world: World,
    checks: Checks,
    die: &'a mut Die,
    epoch: u64,
}

/// Runs a rollout of `plan` to its end.
pub fn run(plan: &Plan, mishaps: Mishaps, die: &mut Die) -> Ended {
    let start = Timestamp::from_millis(1_800_000_000_000);
    let mut runner = Runner {
        machine: Machine::new(plan.clone()),
        replayed: (Machine::new(plan.clone()), 0),
        recorded: Vec::new(),
        notices: Vec::new(),
        in_flight: None,
        world: World::new(start, mishaps, plan),
        checks: Checks::new(plan),
        die,
        epoch: 1,
    };
    runner.take(Event::Started { by: "sim".into() });
    for _ in 0..EVENTS {
        if let Some(outcome) = runner.machine.outcome().cloned() {
            Checks::end(&outcome, &mut runner.world);
            Checks::journal_replays(&runner.recorded, &runner.machine);
            runner.world.safeguard.is_taken_down(&outcome, &runner.notices);
            return Ended { outcome, world: runner.world, recorded: runner.recorded, notices: runner.notices };
        }
        runner.turn();
    }
    panic!("no end after {EVENTS} events: {:?}", runner.machine.progress());
}

impl Runner<'_> {
    fn turn(&mut self) {
        if self.die.chance(self.world.mishaps.crash) {
            // The answer in flight, if there is one, is never written down.
            let in_flight = self.in_flight.as_ref();
            if in_flight.is_some_and(|(_, issued, _)| issued.effect.is_write()) {
                self.world.hits.hit(Point::KilledWithWriteInFlight);
            }
            self.world.hits.hit(Point::Killed);
            return self.recover();
        }
        if self.world.mishaps.foreign_writes > 0 && self.die.chance(0.01) {
            self.world.mishaps.foreign_writes -= 1;
            let some = Share::from_percent(37.0).expect("37 % is a share");
            let share = self.die.one_of(&[some, Share::NONE]);
            self.world.meddle(share);
        }
        if self.world.mishaps.deployments > 0 && self.die.chance(0.02) {
            self.world.mishaps.deployments -= 1;
            self.world.deploy();
        }
        if self.die.chance(self.world.mishaps.word) {
            let words = [
                OperatorRequest::Rollback,
                OperatorRequest::Abort,
                OperatorRequest::Pause,
                OperatorRequest::Continue,
                OperatorRequest::Continue,
                OperatorRequest::Promote,
            ];
            // Nobody promotes what they see failing: that it then fails is no news.
            let sane = self.world.mishaps.candidate != Candidate::Failing;
            let mut request = self.die.one_of(if sane { &words } else { &words[..words.len() - 1] });
            if self.machine.is_committed() && self.die.chance(0.5) {
                request = OperatorRequest::Spare;
            }
            self.world.hits.told(request);
            let reason = self.die.chance(0.5).then(|| "it is urgent".to_owned());
            return self.take(Event::Requested { request, by: "ann".into(), reason, left: None });
        }
        if self.die.chance(self.world.mishaps.signal) {
            self.world.hits.hit(Point::Interrupted);
            return self.take(Event::Interrupted { signal: "SIGTERM".into() });
        }
        self.next();
    }

    /// What is due next: the answer in flight, the alarm, or the world's own doing.
    fn next(&mut self) {
        let answer = self.in_flight.as_ref().map(|(at, ..)| *at);
        let due = [answer, self.machine.wake_at()].into_iter().flatten().min();
        let change = self.world.next_change();
        match (due, change) {
            (Some(due), Some(change)) if change < due => self.world.advance(change),
            (Some(due), _) => {
                self.world.advance(due);
                if answer == Some(due) {
                    let (_, issued, answer) = self.in_flight.take().expect("it is due");
                    self.checks.answered(&issued, &answer);
                    self.take(Event::Answered { id: issued.id, answer });
                } else {
                    self.take(Event::Woken);
                }
            }
            (None, _) => panic!("nothing is waited for: {:?}", self.machine.progress()),
        }
    }

    /// Writes the event down, applies it, and performs what it led to.
    fn take(&mut self, event: Event) {
        let now = self.world.now;
        self.recorded.push((now, event.clone()));
        let reaction = self.machine.apply(now, event);
        if self.die.chance(self.world.mishaps.crash / 3.0) {
            self.world.hits.hit(Point::KilledBeforeAsking);
            // The runner dies between the journal and the world: what the event led to is asked of nobody.
            self.checks.told(&reaction.notices, &self.machine, now);
            self.world.heard(&reaction.notices);
            self.notices.extend(reaction.notices);
            return self.recover();
        }
        self.perform(reaction);
    }

    fn perform(&mut self, reaction: Reaction) {
        let handed_over = reaction.notices.iter().any(|notice| matches!(notice, Notice::HandedOver { .. }));
        self.checks.told(&reaction.notices, &self.machine, self.world.now);
        self.world.heard(&reaction.notices);
        self.notices.extend(reaction.notices);
        if let Some(issued) = reaction.effect {
            let outstanding = self.in_flight.as_ref().map(|(_, issued, _)| issued);
            self.checks.asked(&issued, outstanding, &self.machine);
            self.checks.sent(&issued.effect, self.machine.plan(), &self.world);
            let (latency, answer) = self.world.answer(&issued.effect, self.die);
            self.in_flight = Some((self.world.now + latency, issued, answer));
        }
        if handed_over {
            self.world.hits.hit(Point::HandedOver);
            self.recover();
        }
    }

    /// Another runner takes the journal over, after an outage.
    fn recover(&mut self) {
        self.in_flight = None;
        let outage = self.die.span(Duration::from_secs(1), self.world.mishaps.outage.max(Duration::from_secs(1)));
        if outage > LEASE {
            self.world.hits.hit(Point::DeadForLong);
        }
        let back = self.world.now + outage;
        self.world.advance(back);
        // Each takeover reads on where the one before stopped: a journal is long, and a runner dies often.
        let (replayed, read) = &mut self.replayed;
        for (at, event) in &self.recorded[*read..] {
            let _ = replayed.apply(*at, event.clone());
        }
        *read = self.recorded.len();
        assert_eq!(*replayed, self.machine, "replay differs from the live machine");
        self.epoch += 1;
        self.checks.taken_over(self.world.now);
        self.take(Event::Recovered { by: "sim".into(), epoch: self.epoch });
    }
}

/// The gates of simulated rollouts: the candidate's error rate, and its tasks.
pub fn gates() -> Vec<Gate> {
    let errors = MetricRule {
        source: MetricSource::CloudWatch(CloudWatchMetric {
            expression: Some("100 * e / r".into()),
            ..CloudWatchMetric::default()
        }),
        bound: Bound::Above(1.0),
        period: Duration::from_secs(60),
        breaching: 1,
        of: 1,
        missing_data: MissingData::Inconclusive,
    };
    vec![
        Gate { name: "errors".into(), check: Check::Metric(errors), watch: false },
        Gate { name: "tasks".into(), check: Check::Tasks(TasksRule::default()), watch: false },
    ]
}

/// The gates of a spec that names none: the slots compared, tasks, and the split, which only tells.
pub fn comparing(rate: f64) -> Vec<Gate> {
    let gate = |name: &str, check, watch| Gate { name: name.into(), check, watch };
    vec![
        gate("compare", Check::Compare(Box::new(learned(rate))), false),
        gate("tasks", Check::Tasks(TasksRule::default()), false),
        gate("split", Check::Split(SplitRule::default()), true),
    ]
}
