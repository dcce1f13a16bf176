//! One process of a contested rollout, and what can happen to all of it at once: it is killed, or frozen, at any of
//! the points at which it waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate::cloud::Fence;
use tidegate::domain::clock::{Clock, Timestamp};
use tidegate::engine::Inbound;
use tidegate::machine::{Effect, Machine};
use tokio::sync::mpsc;

use super::checks::Checks;
use super::points::Point;
use super::scene::{Scene, Sim};

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Runner,
    Resumer,
    Operator,
    Guard,
    /// A rollback that goes by the rule's beacon alone.
    Blind,
    /// A rollout of the same spec in a lab of its own, which this machine's store of rehearsals keeps.
    Rehearsal,
}

/// What happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    Kill,
    Freeze(Duration),
}

/// A rollout that a process drives, as one who looks over its shoulder knows it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Seat {
    /// The machine that the events so far lead to.
    pub shadow: Machine,
    /// What time it is for that.
    pub clock: Clock,
    pub checks: Checks,
    /// How many lines there were before the first event, and how many events since.
    pub lines: usize,
    pub heard: usize,
    /// Whether its events go into the journal.
    pub is_journaled: bool,
    /// Since when it goes back, can call, and the traffic is not back.
    pub calm_since: Option<Timestamp>,
    /// Since when it goes back.
    pub back_since: Option<Timestamp>,
    /// Whether the event before was taken in before it was in the journal.
    pub was_ahead: bool,
    /// Whether it has committed, and the journal does not say so yet.
    pub commits: bool,
    /// Whether the loop still turns.
    pub turns: bool,
}

/// A process.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Process {
    pub kind: Kind,
    /// Its wall's clock.
    pub clock: Clock,
    pub alive: bool,
    /// Whether it has something to do that is not over: a guard that only watches has not.
    pub busy: bool,
    pub frozen_until: Timestamp,
    /// What happens to it after it has been polled so many more times.
    pub strike: Option<(u32, Strike)>,
    pub seat: Option<Seat>,
    /// The latest epoch that it owned.
    pub epoch: u64,
    pub was_interrupted: bool,
    /// Where signals go while it drives.
    pub signals: Option<mpsc::Sender<Inbound>>,
    /// A write that is decided and not sent yet.
    pub unsent: Option<(Effect, Fence)>,
    /// When it last wrote the rule's document, by its own clock.
    pub renewed: Timestamp,
    /// Whether the store told it that somebody else decides, or writes the journal.
    pub knows_fenced: bool,
    /// Whether it watched an owner before it took the lease.
    pub watched: bool,
    /// Whether it gave the stable slot everything before it opened the journal, or saw that it could not.
    pub wrote_first: bool,
}

impl Process {
    pub fn new(kind: Kind, clock: Clock) -> Self {
        let zero = Timestamp::default();
        Self {
            kind,
            clock,
            alive: true,
            busy: kind != Kind::Guard,
            frozen_until: zero,
            strike: None,
            seat: None,
            epoch: 0,
            was_interrupted: false,
            signals: None,
            unsent: None,
            renewed: zero,
            knows_fenced: false,
            watched: false,
            wrote_first: false,
        }
    }

    /// Whether it is still there and has not ended.
    pub fn is_busy(&self) -> bool {
        self.alive && self.busy
    }

    /// Whether it may decide something yet.
    pub fn is_driving(&self) -> bool {
        self.alive && self.seat.as_ref().is_some_and(|seat| seat.turns)
    }
}

impl Sim {
    /// Freezes a process for seconds or many minutes, from its next wait on.
    pub fn freeze(&mut self, who: usize, polls: u32) {
        let (low, high) = self.die.one_of(&[(1, 10), (10, 50), (50, 300), (300, 2400)]);
        let span = self.die.span(Duration::from_secs(low), Duration::from_secs(high));
        self.processes[who].strike = Some((polls, Strike::Freeze(span)));
    }

    /// What happens to a process that waits now.
    fn strikes(&mut self, who: usize) {
        let process = &mut self.processes[who];
        match &mut process.strike {
            Some((0, _)) => {}
            Some((polls, _)) => return *polls -= 1,
            None => {
                let idle = self.healed.is_none() && !process.is_driving() && process.busy;
                if idle && self.die.chance(self.options.kill) {
                    process.strike = Some((0, Strike::Kill));
                } else if idle && self.die.chance(self.options.freeze) {
                    self.freeze(who, 0);
                }
            }
        }
        let Some((_, strike)) = self.processes[who].strike.take() else { return };
        match strike {
            Strike::Kill => {
                self.hits.hit(Point::Killed);
                self.note(|| format!("{who} is killed"));
                self.processes[who].alive = false;
                self.processes[who].unsent = None;
            }
            Strike::Freeze(span) => {
                self.hits.hit(if span > tidegate::lease::LEASE { Point::FrozenForLong } else { Point::Frozen });
                self.note(|| format!("{who} is frozen for {span:?}"));
                let until = self.now() + span;
                let process = &mut self.processes[who];
                process.frozen_until = until;
                if let Some(seat) = &mut process.seat {
                    seat.calm_since = seat.calm_since.map(|_| until);
                }
            }
        }
    }
}

/// All that a process does. One that is frozen is not polled; one that is killed is dropped where it waits.
pub struct Body {
    pub who: usize,
    pub scene: Arc<Scene>,
    pub work: Option<Pin<Box<dyn Future<Output = ()>>>>,
    pub thaws: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Body {
    pub fn new(who: usize, scene: Arc<Scene>, work: impl Future<Output = ()> + 'static) -> Self {
        Self { who, scene, work: Some(Box::pin(work)), thaws: None }
    }
}

impl Future for Body {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(thaws) = &mut self.thaws {
                if thaws.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.thaws = None;
                self.scene.sim().note(|| format!("{} thaws", self.who));
            }
            let Some(work) = &mut self.work else { return Poll::Ready(()) };
            if work.as_mut().poll(context).is_ready() {
                let mut sim = self.scene.sim();
                sim.processes[self.who].alive = false;
                sim.note(|| format!("{} leaves", self.who));
                return Poll::Ready(());
            }
            let (who, scene) = (self.who, Arc::clone(&self.scene));
            let mut sim = scene.sim();
            sim.strikes(who);
            if !sim.processes[who].alive {
                drop(sim);
                self.work = None;
                return Poll::Ready(());
            }
            let until = sim.processes[who].frozen_until;
            if until <= sim.now() {
                return Poll::Pending;
            }
            let clock = sim.clock.clone();
            drop(sim);
            self.thaws = Some(Box::pin(async move { clock.sleep_until(until).await }));
        }
    }
}
