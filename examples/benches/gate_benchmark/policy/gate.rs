//! tidegate's own gate: the comparison that rollouts run, on fixed steps and on the harm-budget ramp.
//!
//! A bin closes when two looks agree on it. Both are taken when its delay is over, so that the rule itself runs
//! and figures rest on the feed's delay alone. A runner that finds a bin earlier closes it at its next look.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::traffic::Share;
use tidegate::gate::compare::{CompareRule, Comparison, CustomFeed, Feed, RampRule};
use tidegate::gate::{Outcome, Verdict, Window};
use tidegate::simulate::world::{Marks, START, World};

use super::super::play::{Move, Policy, Seen, Timing};
use super::percent;

/// The load balancer's metrics: readable 60 s after a minute's end. Looks between would find nothing new.
pub const MINUTES: Timing = Timing { span: 60, delay: 60, look: 60 };
/// Metrics of the service's own: readable 10 s after their end.
pub const TENS: Timing = Timing { span: 10, delay: 10, look: 10 };

/// The fixed steps.
const STEPS: [Share; 3] = [percent(5), percent(25), percent(50)];
/// How long a fixed step lasts at most.
const STEP: Duration = Duration::from_secs(600);
/// How long the ramp lasts at most.
const RAMP: Duration = Duration::from_secs(1800);
/// How long the stable slot keeps the holdback.
const BAKE: Duration = Duration::from_secs(600);
/// What the candidate gets while the holdback lasts.
const HELD_BACK: Share = percent(95);
/// How many harmed requests are acceptable.
const BUDGET: f64 = 50.0;
/// How long it takes from a verdict until the weight that answers it is in force, for the ramp's arithmetic.
const ACTUATION: Duration = Duration::from_secs(10);
/// How many bins a look brings. Nothing is late here, so that the last one closes at once.
const REREAD: usize = 2;

/// The rule that a plan would hold, learned from the world's past.
pub fn rule(world: &World) -> CompareRule {
    let feed = if world.span < Duration::from_secs(60) { Feed::Custom(custom(world.span)) } else { Feed::LoadBalancer };
    CompareRule { feed, hosts: world.hosts(), ..CompareRule::default() }.learned(&world.past())
}

fn custom(period: Duration) -> CustomFeed {
    CustomFeed {
        namespace: "service".to_owned(),
        dimensions: Vec::new(),
        requests: "requests".to_owned(),
        errors: "errors".to_owned(),
        latency: Some("latency".to_owned()),
        period,
    }
}

/// A comparison, and the step that it is asked about.
struct Gate {
    rule: CompareRule,
    comparison: Comparison,
    step: Timestamp,
    deadline: Timestamp,
}

impl Gate {
    fn new(world: &World) -> Self {
        Self { rule: rule(world), comparison: Comparison::new(), step: START, deadline: START }
    }

    fn enter(&mut self, now: Timestamp, within: Duration) {
        (self.step, self.deadline) = (now, now + within);
    }

    fn take(&mut self, seen: &Seen<'_>) -> Verdict {
        let window = Window {
            rules: tidegate::plan::RULES,
            rollout: START,
            exposed: Some(START),
            step: self.step,
            deadline: self.deadline,
            course: seen.course,
            unseen: &[],
            now: moment(seen),
        };
        let recent = &seen.bins[seen.bins.len().saturating_sub(REREAD)..];
        self.comparison.take(&self.rule, recent, window);
        self.comparison.take(&self.rule, recent, window)
    }

    /// What the holdback does: back on a breach, on when its time is over.
    fn bake(&self, verdict: &Verdict, now: Timestamp) -> Move {
        match verdict.outcome {
            Outcome::Fail => Move::Back,
            _ if now >= self.step + BAKE => Move::Finish,
            _ => Move::Stay,
        }
    }
}

fn moment(seen: &Seen<'_>) -> Timestamp {
    START + Duration::from_secs(seen.now)
}

/// A rollout in fixed steps.
pub struct Steps {
    gate: Gate,
    step: usize,
}

impl Steps {
    pub fn new(world: &World) -> Self {
        Self { gate: Gate::new(world), step: 0 }
    }

    /// Enters the step that `self.step` says, and gives its share.
    fn enter(&mut self, now: Timestamp) -> Move {
        let Some(share) = STEPS.get(self.step) else {
            self.gate.enter(now, BAKE);
            return Move::Shift(HELD_BACK);
        };
        self.gate.enter(now, STEP);
        Move::Shift(*share)
    }
}

impl Policy for Steps {
    fn marks(&self) -> Marks {
        Marks::of(&self.gate.rule.baseline.thresholds)
    }

    fn look(&mut self, seen: &Seen<'_>) -> Move {
        let now = moment(seen);
        if seen.now == 0 {
            return self.enter(now);
        }
        let verdict = self.gate.take(seen);
        if self.step >= STEPS.len() {
            return self.gate.bake(&verdict, now);
        }
        if verdict.outcome == Outcome::Fail {
            return Move::Back;
        }
        if !verdict.passes(self.gate.step) {
            return Move::Stay;
        }
        self.step += 1;
        self.enter(now)
    }
}

/// A rollout on the harm-budget ramp.
pub struct Ramp {
    gate: Gate,
    rule: RampRule,
    proven: bool,
}

impl Ramp {
    pub fn new(world: &World) -> Self {
        let mut gate = Gate::new(world);
        gate.rule.budget = Some(BUDGET);
        let feed = &gate.rule.feed;
        let blind = feed.span() + feed.delay() + ACTUATION;
        let floor = Share::from_permille(1).unwrap_or(Share::ALL);
        let rule = RampRule { budget: BUDGET, floor, ceiling: percent(50), blind };
        Self { gate, rule, proven: false }
    }
}

impl Policy for Ramp {
    fn marks(&self) -> Marks {
        Marks::of(&self.gate.rule.baseline.thresholds)
    }

    fn look(&mut self, seen: &Seen<'_>) -> Move {
        let now = moment(seen);
        let gate = &mut self.gate;
        if seen.now == 0 {
            gate.enter(now, RAMP);
            return Move::Shift(gate.comparison.next_share(&gate.rule, &self.rule, seen.course, now));
        }
        let verdict = gate.take(seen);
        if self.proven {
            return gate.bake(&verdict, now);
        }
        if verdict.outcome == Outcome::Fail {
            return Move::Back;
        }
        let over = now >= gate.deadline && verdict.passes(gate.step);
        self.proven = gate.comparison.is_proven(&gate.rule) || over;
        if self.proven {
            gate.enter(now, BAKE);
            return Move::Shift(HELD_BACK);
        }
        Move::Shift(gate.comparison.next_share(&gate.rule, &self.rule, seen.course, now))
    }
}
