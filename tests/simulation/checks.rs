//! The safety invariants, checked against the world's truth at every event.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::driver::Driver;
use tidegate::domain::fault::FaultKind;
use tidegate::domain::fleet::{Fleet, Role};
use tidegate::domain::traffic::Share;
use tidegate::gate::compare::PATIENT;
use tidegate::gate::{Check, Reading};
use tidegate::lease::SEND_WITHIN;
use tidegate::machine::{Answer, Effect, Event, FRESH, Issued, Machine, Notice, Outcome, Reason, Route};
use tidegate::plan::{Action, Plan, QUIET_PERIODS, Step};

use super::deployment::Deployment;
use super::mishaps::Candidate;
use super::points::Point;
use super::world::{BEFORE, FULL, World};

/// How long a foreign write may be unseen: a slow answer to an old read.
const UNSEEN_WITHIN: Duration = Duration::from_secs(20);

/// What was seen so far.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Checks {
    /// When the last fleet was asked for, and what it showed.
    fleet: Option<(Timestamp, Fleet)>,
    retreating: bool,
    committed: bool,
    /// The newest metric point seen, and the start of the step it was seen in.
    newest_point: Option<Timestamp>,
    holds: Vec<bool>,
    step_began: Timestamp,
    /// Whether the credentials had ended at the last look, and nothing has worked since.
    expired: bool,
    /// Whether the dead-man's switch was ever known to be armed.
    armed: bool,
}

impl Checks {
    pub fn new(plan: &Plan) -> Self {
        let is_series = |check: &Check| matches!(check, Check::Metric(_) | Check::Alarm(_) | Check::Burn(_));
        let series = plan.gates.iter().any(|gate| is_series(&gate.check));
        let judged = |n: usize, step: &Step| match step.action {
            // With everything on the candidate there is nothing to compare with.
            Action::Hold(_) => series || plan.share_after(n) < Share::ALL,
            Action::Ramp { .. } | Action::Watch(_) => true,
            _ => false,
        };
        let holds = plan.steps.iter().enumerate().map(|(n, step)| judged(n, step)).collect();
        Self {
            fleet: None,
            retreating: false,
            committed: false,
            newest_point: None,
            holds,
            step_began: Timestamp::default(),
            expired: false,
            armed: false,
        }
    }

    /// Another runner, with credentials of its own, goes on at this moment.
    pub fn taken_over(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.expired) {
            self.step_began = now;
        }
    }

    /// An answer is on its way to the machine.
    pub fn answered(&mut self, issued: &Issued, answer: &Answer) {
        self.armed |= *answer == Answer::Armed;
        let Answer::Seen(seen) = answer else {
            // A write that works shows as well as a look that somebody renewed the credentials.
            let is_refused = matches!(answer, Answer::Failed(_));
            if !is_refused && std::mem::take(&mut self.expired) {
                self.step_began = issued.at;
            }
            return;
        };
        if seen.faults.iter().any(|fault| fault.kind == FaultKind::Expired) {
            // What was seen before says nothing of what comes after.
            self.newest_point = None;
            self.expired = true;
        } else if std::mem::take(&mut self.expired) {
            self.step_began = issued.at;
        }
        if let Some(fleet) = &seen.fleet {
            self.fleet = Some((issued.at, fleet.clone()));
        }
        for (_, reading) in &seen.readings {
            match reading {
                Reading::Metric(metric) => {
                    self.newest_point = metric.values.last().map(|point| point.at).or(self.newest_point);
                }
                Reading::Burn(burn) => {
                    let minute = burn.until.before(Duration::from_secs(60));
                    self.newest_point = self.newest_point.max(Some(minute));
                }
                // A gate that compares remembers what earlier looks have brought.
                Reading::Counts(bins) => {
                    let answered = bins.iter().filter(|bin| bin.candidate.is_some());
                    self.newest_point = self.newest_point.max(answered.map(|bin| bin.at).max());
                }
                _ => {}
            }
        }
    }

    /// The machine asks something of the world.
    pub fn asked(&mut self, issued: &Issued, outstanding: Option<&Issued>, machine: &Machine) {
        if let Some(outstanding) = outstanding {
            assert!(!outstanding.effect.is_write(), "a write in flight was dropped: {outstanding:?}");
        }
        match &issued.effect {
            Effect::Route(route) if route.share > Share::NONE => {
                self.weight_is_given(issued, route);
                Self::ramp_is_kept(route, machine);
                Self::is_open(issued, machine);
            }
            Effect::Conclude => assert!(!self.retreating, "AWS is told to end while going back"),
            _ => {}
        }
    }

    /// A write that was asked for meets the world as it truly is.
    pub fn sent(&self, effect: &Effect, plan: &Plan, world: &World) {
        match effect {
            Effect::Route(route) if route.share > Share::NONE => self.weight_is_guarded(plan, world),
            Effect::Scale { role, count, .. } if *count < world.tasks(*role).desired => {
                Self::capacity_is_taken(*role, world);
            }
            Effect::Conclude if world.aws.as_ref().is_some_and(Deployment::would_end) => {
                Self::capacity_is_taken(Role::Stable, world);
            }
            _ => {}
        }
    }

    /// Weight is given, at this moment of the runner's, on a read that is fresh; where AWS moves the weights, on one that
    /// was when it was decided.
    pub fn sent_in_time(&self, now: Timestamp, route: &Route) {
        let within = if route.by.is_some() { FRESH } else { FRESH + SEND_WITHIN };
        let asked = self.fleet.as_ref().map(|(asked, _)| *asked);
        let old = asked.map(|asked| now.since(asked));
        assert!(old.is_some_and(|old| old <= within), "weight is given on a read of {old:?} ago");
    }

    /// Weight only to a slot with enough healthy targets, read at most 10 s ago, and never once going back.
    fn weight_is_given(&self, issued: &Issued, route: &Route) {
        assert!(!self.retreating, "forward while going back");
        let (asked, fleet) = self.fleet.as_ref().expect("weight is given on a read");
        assert!(issued.at.since(*asked) <= FRESH, "weight is given on an old read");
        let (share, healthy) = (route.share, fleet.candidate.healthy);
        let whole = FULL.max(fleet.stable.desired);
        assert!(healthy >= share.need(whole), "weight {share} of {whole} is given to {healthy} healthy targets");
        let (stays, healthy) = (route.expected.expect("forward expects a share").rest(), fleet.stable.healthy);
        assert!(healthy >= stays.need(FULL), "weight is given while {healthy} stable targets carry {stays}");
        let runs = &fleet.stable.task_definition;
        assert_eq!(runs, BEFORE, "weight is given while the stable slot runs what somebody else deployed");
    }

    /// A plan with a switch gives weight only with one that is known to be armed, and never after it fired.
    fn weight_is_guarded(&self, plan: &Plan, world: &World) {
        if plan.dead_man.is_some() {
            assert!(self.armed, "weight is given without a switch");
            world.safeguard.is_armed(world.now);
        }
    }

    /// Nothing is given while the windows are closed, but by CodeDeploy, which nobody can hold.
    fn is_open(issued: &Issued, machine: &Machine) {
        if matches!(machine.plan().driver, Driver::CodeDeploy(_)) {
            return;
        }
        let closed = machine.plan().windows.as_ref().and_then(|windows| windows.closed(issued.at));
        assert!(closed.is_none(), "weight is given while it is closed: {closed:?}");
    }

    /// A ramp goes not above its ceiling, and down only where the gate lets a slow candidate get warm.
    fn ramp_is_kept(route: &Route, machine: &Machine) {
        let step = machine.plan().steps.get(machine.progress().step);
        let Some(Action::Ramp { rule, .. }) = step.map(|step| &step.action) else { return };
        assert!(route.share <= rule.ceiling, "a ramp gives {}, above its ceiling of {}", route.share, rule.ceiling);
        let eases = machine.plan().rules >= PATIENT && route.share >= rule.floor;
        assert!(eases || route.expected.is_some_and(|has| has < route.share), "a ramp goes down: {route:?}");
    }

    /// Capacity is never taken from a slot that has weight, had requests in the last periods, or could
    /// still be given weight by a write that has not landed.
    /// A foreign write that no read could have shown yet is nobody's fault: AWS has no conditional write.
    fn capacity_is_taken(role: Role, world: &World) {
        // What came to lead there since the last look is nobody's fault. Where AWS goes back it takes its tasks anyway.
        let by_aws = role == Role::Candidate && world.aws.is_some();
        // AWS takes the old tasks when it is told to end, which comes after the intent to commit and its mark.
        let unseen_within = if world.aws.is_some() { UNSEEN_WITHIN * 3 } else { UNSEEN_WITHIN };
        let entered = !by_aws && world.is_entered(role, unseen_within);
        assert!(!entered, "capacity is taken from the {role} slot, to which something else leads");
        let changed = world.shares.last().expect("there is a first share").0;
        if world.foreign_rules && world.now.since(changed) <= UNSEEN_WITHIN {
            return;
        }
        assert_eq!(world.gets(role), Share::NONE, "capacity is taken from the {role} slot, which has weight");
        let since = world.now.before(Duration::from_secs(60) * QUIET_PERIODS);
        let unseen = world.meddled.is_some_and(|at| {
            let next = world.shares.iter().find(|(since, _)| *since > at);
            next.is_some_and(|(next, _)| next.since(at) <= UNSEEN_WITHIN)
        });
        assert!(
            unseen || !world.served_since(role, since),
            "capacity is taken from the {role} slot, which had requests"
        );
        let could_land = world.late.iter().any(|(_, share)| match role {
            Role::Stable => share.rest() > Share::NONE,
            Role::Candidate => *share > Share::NONE,
        });
        let switch = role == Role::Stable && world.safeguard.may_give_back();
        assert!(!switch, "the stable slot is taken tasks from, which the switch could give weight");
        assert!(!could_land, "capacity is taken from the {role} slot, which a late write could give weight");
    }

    /// The machine told people something.
    /// Where it happens now, `published` is the newest minute that CloudWatch has.
    pub fn told(&mut self, notices: &[Notice], machine: &Machine, (now, published): (Timestamp, Option<Timestamp>)) {
        for notice in notices {
            match notice {
                Notice::Retreating { reason } => {
                    let locked = matches!(reason, Reason::Blind(fault) | Reason::Refused(fault)
                        if fault.kind == FaultKind::Expired);
                    assert!(!locked, "going back without credentials to go back with");
                    // AWS may go back even after it was told to end.
                    let deployment = matches!(reason, Reason::Deployment(_));
                    assert!(!self.committed || deployment, "going back after the commit");
                    self.committed = false;
                    self.retreating = true;
                }
                Notice::Committed => self.committed = true,
                Notice::StepStarted(_) => self.step_began = now,
                Notice::StepPassed { step, .. } if self.holds[*step] => {
                    self.rests_on_data(machine.plan(), published);
                }
                _ => {}
            }
        }
        assert!(machine.pending().is_none() || machine.wake_at().is_none(), "two things are waited for");
    }

    /// A hold passes only on data that are published, and begin after it did.
    fn rests_on_data(&self, plan: &Plan, published: Option<Timestamp>) {
        let asks = |is: fn(&Check) -> bool| plan.gates.iter().any(|gate| !gate.watch && is(&gate.check));
        if asks(|check| !matches!(check, Check::Alarm(_) | Check::Tasks(_))) {
            let newest = self.newest_point.expect("a hold passes on data");
            assert!(newest >= self.step_began, "a hold passed on data from before it");
        }
        if let (true, Some(newest)) = (asks(|check| matches!(check, Check::Alarm(_))), published) {
            assert!(newest >= self.step_began, "a hold passed on an alarm that could see nothing of it");
        }
    }

    /// It is over: the world must be as the outcome says, and stay so.
    pub fn end(outcome: &Outcome, world: &mut World) {
        if !matches!(outcome, Outcome::Stranded { .. }) {
            assert!(world.late.is_empty(), "a write of ours lands after the end: {:?}", world.late);
        }
        let later = world.now + Duration::from_secs(300);
        world.advance(later);
        match outcome {
            Outcome::Promoted => {
                assert!(world.foreign || world.share() == Share::ALL, "promoted at {}", world.share());
                assert!(!world.safeguard.gave_back, "promoted although the switch had fired");
                // AWS may have moved on before anybody could judge.
                let unjudged = world.hits.of(Point::CarriedOn) > 0;
                let fails = world.mishaps.candidate == Candidate::Failing;
                assert!(!fails || unjudged, "a failing release was promoted");
            }
            Outcome::RolledBack(_) => {
                assert!(world.foreign || world.share() == Share::NONE, "rolled back at {}", world.share());
                let grown = world.hits.of(Point::StableGrew) > 0;
                let least = if grown { FULL * 2 } else { FULL };
                assert!(world.stable.desired >= least, "rolled back to a slot that was scaled down");
            }
            Outcome::Stranded { why, .. } => {
                let long = |(ends, renewed): (Duration, Duration)| renewed > ends + Duration::from_secs(20 * 60);
                let expired = world.mishaps.expired.is_some_and(long);
                let hopeless = world.foreign || world.healthy(Role::Stable) == 0 || expired;
                assert!(hopeless, "stranded without need: {why:?}");
            }
        }
        assert_eq!(world.requests_to_nobody, 0, "traffic went to a slot without tasks");
    }

    /// Replaying the journal gives the machine that is there.
    pub fn journal_replays(recorded: &[(Timestamp, Event)], live: &Machine) {
        let mut replayed = Machine::new(live.plan().clone());
        for (at, event) in recorded {
            let _ = replayed.apply(*at, event.clone());
        }
        assert_eq!(replayed, *live);
    }
}
