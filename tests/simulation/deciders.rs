//! Several processes that would each decide one rollout, in one world, over one journal and one control document, in
//! virtual time: what happens when, to whom.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::traffic::Share;
use tidegate::lease::{Phase, Watch};
use tidegate::machine::{Answer, Event, Issued, OperatorRequest};
use tidegate::plan::Plan;

use super::contest::Options;
use super::die::Die;
use super::invariants::Invariants;
use super::mishaps::Mishaps;
use super::points::{Hits, Point};
use super::process::{Doing, How, Kind, Process};
use super::store::{Call, Reply, Store};
use super::world::World;

/// More happenings than any contested rollout has.
const HAPPENINGS: usize = 120_000;
/// How long after faults end somebody has tried again what ended with a call for a person.
const RESCUED_WITHIN: Duration = Duration::from_secs(600);
/// Between two looks of a guard, as `tidegate guard` has it.
const GUARD_POLL: Duration = Duration::from_secs(5);
/// Between two looks, once faults have ended, whether somebody is needed.
const TENDED_EVERY: Duration = Duration::from_secs(120);
/// Between two looks of one who watches an owner.
const WATCH_POLL: Duration = Duration::from_secs(3);

/// Which of a process's calls an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Of those that take lease and journal.
    Taker,
    /// The lease keeper's, by its turn.
    LeaseKeeper(u64),
    JournalWriter,
}

/// What happens next.
#[derive(Debug)]
pub enum What {
    /// A call reaches the store.
    Arrives {
        who: usize,
        channel: Channel,
        call: Call,
        back: Duration,
        lost: bool,
    },
    Heard {
        who: usize,
        channel: Channel,
        reply: Reply,
    },
    Beat {
        who: usize,
    },
    Look {
        who: usize,
    },
    Send {
        who: usize,
        issued: Issued,
    },
    Answered {
        who: usize,
        issued: Issued,
        answer: Answer,
    },
    Alarm {
        who: usize,
        token: u64,
    },
    Said {
        who: usize,
        event: Event,
    },
    /// A line is written again.
    Scribble {
        who: usize,
    },
    /// An event has waited for the journal for long enough.
    Slow {
        who: usize,
        token: u64,
    },
    /// The first write of a rollback, or of one that is blind: read first, then written.
    First {
        who: usize,
        step: First,
    },
    Moves(Move),
}

/// How far a first write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Read,
    Write,
    Done,
}

/// What the seed does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Enter(Kind),
    Meddle,
    Deploy,
    /// Faults end here.
    Heal,
    /// Somebody sees whether somebody is needed.
    Tend,
}

impl What {
    /// Whose it is, if it waits for a frozen process to thaw.
    fn of(&self) -> Option<usize> {
        match self {
            What::Arrives { .. } | What::Moves(_) => None,
            What::Heard { who, .. }
            | What::Beat { who }
            | What::Look { who }
            | What::Send { who, .. }
            | What::Answered { who, .. }
            | What::Alarm { who, .. }
            | What::Said { who, .. }
            | What::Scribble { who }
            | What::Slow { who, .. }
            | What::First { who, .. } => Some(*who),
        }
    }

    /// What comes first of what is due at one moment, as the engine's loop has it.
    fn rank(&self) -> u8 {
        match self {
            What::Heard { channel: Channel::LeaseKeeper(_), .. } => 0,
            What::Heard { .. } => 1,
            What::Said { .. } => 2,
            What::Alarm { .. } => 4,
            _ => 3,
        }
    }
}

struct Due {
    key: (Timestamp, u8, u64),
    what: What,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// A contested rollout.
pub struct Contest<'a> {
    pub plan: Plan,
    pub options: Options,
    pub world: World,
    pub store: Store,
    pub processes: Vec<Process>,
    pub invariants: Invariants,
    pub hits: Hits,
    pub die: &'a mut Die,
    pub history: Option<Vec<String>>,
    queue: BinaryHeap<Reverse<Due>>,
    pushed: u64,
    pub nonce: u64,
    pub healed: Option<Timestamp>,
}

impl<'a> Contest<'a> {
    pub fn new((plan, options, mishaps): (Plan, Options, Mishaps), die: &'a mut Die, tells: bool) -> Self {
        let start = Timestamp::from_millis(1_800_000_000_000);
        let world = World::new(start, mishaps, &plan);
        let store = Store::new(options.store.clone());
        let mut contest = Self {
            plan,
            options,
            world,
            store,
            processes: Vec::new(),
            invariants: Invariants::default(),
            hits: Hits::default(),
            die,
            history: tells.then(Vec::new),
            queue: BinaryHeap::new(),
            pushed: 0,
            nonce: 0,
            healed: None,
        };
        contest.after(Duration::ZERO, What::Moves(Move::Enter(Kind::Runner)));
        for (at, one) in contest.options.moves.clone() {
            contest.after(at, What::Moves(one));
        }
        contest.after(contest.options.heals_after, What::Moves(Move::Heal));
        contest
    }

    pub fn now(&self) -> Timestamp {
        self.world.now
    }

    /// Writes into the history, where there is one.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(history) = &mut self.history {
            history.push(format!("{:>9.3} {}", self.world.now.since(self.world.shares[0].0).as_secs_f64(), text()));
        }
    }

    pub fn after(&mut self, span: Duration, what: What) {
        self.at(self.world.now + span, what);
    }

    pub fn at(&mut self, at: Timestamp, what: What) {
        self.pushed += 1;
        self.queue.push(Reverse(Due { key: (at, what.rank(), self.pushed), what }));
    }

    /// Calls the store.
    pub fn call(&mut self, who: usize, channel: Channel, call: Call) {
        let way = self.store.way(self.world.now, self.die, &mut self.hits);
        if way.arrives {
            self.after(way.there, What::Arrives { who, channel, call, back: way.back, lost: way.answer_lost });
        } else {
            self.after(way.there + way.back, What::Heard { who, channel, reply: Reply::Failed });
        }
    }

    /// Runs to the end.
    pub fn run(&mut self) {
        for _ in 0..HAPPENINGS {
            if self.is_over() {
                return self.end();
            }
            let due = self.queue.peek().map(|Reverse(due)| due.key.0);
            let change = self.world.next_change();
            match (due, change) {
                (Some(due), Some(change)) if change < due => self.world_changes(change),
                (None, Some(change)) => self.world_changes(change),
                (Some(due), _) => {
                    self.world.advance(due.max(self.world.now));
                    let Some(Reverse(Due { what, .. })) = self.queue.pop() else { continue };
                    self.happens(what);
                }
                (None, None) => panic!("nothing happens any more"),
            }
        }
        panic!("no end after {HAPPENINGS} happenings");
    }

    fn world_changes(&mut self, at: Timestamp) {
        let before = self.world.share();
        self.world.advance(at);
        if self.world.share() != before {
            let share = self.world.share();
            self.note(|| format!("the rule gives the candidate {share}"));
        }
    }

    fn happens(&mut self, what: What) {
        if let Some(who) = what.of() {
            let process = &self.processes[who];
            if !process.alive {
                return;
            }
            if process.frozen_until > self.world.now {
                return self.at(process.frozen_until, what);
            }
            if self.is_struck(who) {
                return self.after(Duration::ZERO, what);
            }
        }
        match what {
            What::Arrives { who, channel, call, back, lost } => self.arrives(who, channel, call, (back, lost)),
            What::Heard { who, channel, reply } => match channel {
                Channel::Taker => self.taker_heard(who, reply),
                Channel::LeaseKeeper(turn) => self.keeper_heard(who, turn, &reply),
                Channel::JournalWriter => self.scribe_heard(who, &reply),
            },
            What::Beat { who } => self.beats(who),
            What::Look { who } => self.looks(who),
            What::Send { who, issued } => self.sends(who, issued),
            What::Answered { who, issued, answer } => self.answered(who, &issued, answer),
            What::Alarm { who, token } => self.rings(who, token),
            What::Said { who, event } => self.said(who, event),
            What::Scribble { who } => self.scribbles_again(who),
            What::Slow { who, token } => self.is_slow(who, token),
            What::First { who, step } => self.first_write(who, step),
            What::Moves(one) => self.moves(one),
        }
        Invariants::hold(&self.world, &self.processes);
    }

    fn arrives(&mut self, who: usize, channel: Channel, call: Call, (back, lost): (Duration, bool)) {
        let is_swap = matches!(call, Call::Swap { .. });
        let reply = self.store.serve(call, who);
        if let (true, Some(control)) = (is_swap && matches!(reply, Reply::Swapped(_)), self.store.document.clone()) {
            let text = format!("{who} writes the document: epoch {}, {:?}", control.epoch, control.phase);
            let ended =
                self.processes[who].event_loop.as_ref().and_then(|event_loop| event_loop.machine.outcome().cloned());
            if let Some(outcome) = ended.filter(|_| control.phase == Phase::Over) {
                self.invariants.outcome = Some((who, outcome));
            }
            if self.invariants.document(self.world.now, &control) {
                self.note(|| text);
            }
        }
        self.after(back, What::Heard { who, channel, reply: if lost { Reply::Failed } else { reply } });
    }

    /// Whether chance strikes a process before it takes something in.
    fn is_struck(&mut self, who: usize) -> bool {
        if self.healed.is_some() {
            return false;
        }
        if self.die.chance(self.options.kill) {
            self.hits.hit(Point::Killed);
            self.note(|| format!("{who} is killed"));
            self.processes[who].alive = false;
            return true;
        }
        if self.die.chance(self.options.freeze) {
            self.freeze(who, Duration::ZERO);
            return true;
        }
        if !self.processes[who].is_driving() {
            return false;
        }
        if self.die.chance(self.world.mishaps.word) {
            let request = self.die.one_of(&[
                OperatorRequest::Pause,
                OperatorRequest::Continue,
                OperatorRequest::Continue,
                OperatorRequest::Rollback,
            ]);
            self.hits.told(request);
            self.after(
                Duration::ZERO,
                What::Said { who, event: Event::Requested { request, by: "ann".into(), reason: None, left: None } },
            );
        }
        if self.die.chance(self.world.mishaps.signal) {
            self.after(Duration::ZERO, What::Said { who, event: Event::Interrupted { signal: "SIGTERM".into() } });
        }
        false
    }

    /// Freezes a process some time after now, for seconds or many minutes.
    pub fn freeze(&mut self, who: usize, after: Duration) {
        let spans = [(1, 10), (10, 50), (50, 300), (300, 2400)];
        let (low, high) = self.die.one_of(&spans);
        let span = self.die.span(Duration::from_secs(low), Duration::from_secs(high));
        self.hits.hit(if span > tidegate::lease::LEASE { Point::FrozenForLong } else { Point::Frozen });
        let until = self.world.now + after + span;
        self.note(|| format!("{who} is frozen for {span:?}"));
        self.processes[who].frozen_until = until;
        self.calms(who);
    }

    fn moves(&mut self, one: Move) {
        self.note(|| format!("{one:?}"));
        match one {
            Move::Enter(kind) => self.enters(kind),
            Move::Meddle => {
                let some = Share::from_percent(37.0).expect("37 % is a share");
                let share = self.die.one_of(&[some, Share::NONE]);
                self.world.meddle(share);
            }
            Move::Deploy => self.world.deploy(),
            Move::Heal => self.heals(),
            Move::Tend => self.sees_to_it(),
        }
    }

    /// A process begins. What its clock shows is its own.
    fn enters(&mut self, kind: Kind) {
        let hours = |n: i64| n * 3_600_000;
        let skew = if self.die.chance(self.options.skewed) {
            let most = self.die.one_of(&[2_000_u64, 60_000, 7_200_000]);
            i64::try_from(self.die.between(0, 2 * most)).unwrap_or_default() - i64::try_from(most).unwrap_or_default()
        } else {
            0
        };
        if skew > hours(1) {
            self.hits.hit(Point::ClockAhead);
        } else if skew < -hours(1) {
            self.hits.hit(Point::ClockBehind);
        }
        let who = self.processes.len();
        let zero = Timestamp::default();
        let taking = |how| Doing::Taking { how, gone: false, tries: 0, asked: zero, body: None };
        let doing = match kind {
            Kind::Runner => taking(How::Begin),
            Kind::Resumer => taking(How::TakeOver),
            Kind::Operator => taking(How::Preempt),
            Kind::Guard => Doing::Guarding { watch: Watch::default(), asked: zero },
            Kind::Blind => Doing::FirstWrite { has_lease: false },
        };
        self.note(|| {
            format!(
                "{who} is a {kind:?}, its clock {:+.1} s",
                Duration::from_millis(skew.unsigned_abs()).as_secs_f64().copysign(if skew < 0 { -1.0 } else { 1.0 })
            )
        });
        self.processes.push(Process::new(kind, skew, doing));
        match kind {
            Kind::Guard => self.looks(who),
            Kind::Blind => self.after(Duration::from_millis(300), What::First { who, step: First::Read }),
            _ => self.takes(who),
        }
    }

    /// Faults end; who is frozen thaws in its own time. Somebody must be left who can end the rollout.
    fn heals(&mut self) {
        let now = self.world.now;
        self.healed = Some(now);
        let lasted = now.since(self.world.shares[0].0);
        let mishaps = &self.world.mishaps;
        self.world.mishaps = Mishaps {
            denied: mishaps.denied,
            expired: mishaps.expired.map(|(ends, renewed)| (ends, renewed.min(lasted).max(ends))),
            latency: Duration::from_secs(1),
            ..Mishaps::none(mishaps.candidate)
        };
        self.store.trouble = super::store::Trouble::default();
        self.sees_to_it();
    }

    /// Whoever is needed enters: a guard where an owner fell silent, a resumer where one left.
    fn sees_to_it(&mut self) {
        let has_guard = self.processes.iter().any(|one| one.alive && one.kind == Kind::Guard && !one.is_busy());
        if !has_guard {
            self.enters(Kind::Guard);
        }
        self.after(TENDED_EVERY, What::Moves(Move::Tend));
        let left = self
            .store
            .document
            .as_ref()
            .is_some_and(|control| control.owner.is_none() && control.phase == Phase::Active);
        if left && !self.processes.iter().any(|one| one.is_busy() && one.kind == Kind::Resumer) {
            self.enters(Kind::Resumer);
        }
    }

    pub fn guard_looks_later(&mut self, who: usize) {
        self.after(GUARD_POLL, What::Look { who });
    }

    pub fn watch_looks_later(&mut self, who: usize, patience: Duration) {
        self.after(WATCH_POLL.min(patience).max(Duration::from_millis(1)), What::Look { who });
    }

    /// Whether nothing is left to be decided, nor anybody who would.
    fn is_over(&self) -> bool {
        let Some(healed) = self.healed else { return false };
        let busy = self.processes.iter().any(Process::is_busy);
        let stranded = self.world.now.since(healed) > RESCUED_WITHIN;
        let over =
            self.store.document.as_ref().is_none_or(|control| {
                control.phase == Phase::Over || (stranded && self.invariants.is_stranded(control))
            });
        (over && !busy) || self.world.now.since(healed) > Options::bound(&self.plan)
    }
}
