//! One event in, one reaction out: the machine is a pure function of the journal.
//!
//! Nothing in here waits, reads a clock or fails. Time arrives with each event; an event that makes
//! no sense now changes nothing. `forward` is the way forward, with a file for each kind of step; `observe` is what is
//! asked of the world and what it means; `back` is the way back; `safeguard.rs` keeps it open; `commands.rs` is what
//! people and signals say.

mod back;
mod commands;
mod effect;
mod event;
mod forward;
mod limits;
mod memory;
mod notice;
mod notify_on;
mod observe;
mod progress;
mod safeguard;
mod state;
#[cfg(test)]
mod tests;
mod undone;
mod why;

pub use back::phase::Phase;
pub use effect::{Answer, Effect, EffectId, Issued, Look, Observation, Route, Stickiness};
pub use event::{Event, Left, OperatorRequest};
pub use limits::{
    ATTEMPTS, BEHIND_WITHIN, FAST_POLL, FIRST_READ_WITHIN, FRESH, LAST_CALL, POLL, PUSH_EVERY, REASSERTIONS,
    WRITE_LANDS_WITHIN,
};
pub use notice::{Doing, Glass, Notice, Outcome, Progress};
pub use notify_on::occasion;
pub use undone::{Kept, StaysOff, Undone};
pub use why::{
    Awaited, DeploymentEnd, EndSeen, Foreign, HookWait, KnownBreach, Lack, Leaving, Objection, Overdue, PausedFor,
    Reason, Shortage, Stranding, SwitchSeen,
};

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::traffic::Share;
use crate::lease::QUARANTINE;
use crate::plan::Plan;
use crate::spec::OnTrouble;
use limits::LOOKS_WITHIN;
use memory::{Memory, Unsettled};
use state::{State, Wait};
use why::Cause;

/// What one event led to.
#[must_use = "effects must be performed and notices told"]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reaction {
    /// What to ask of the world now. It takes the place of an outstanding read; an outstanding
    /// write is always answered first.
    pub effect: Option<Issued>,
    /// What to tell people.
    pub notices: Vec<Notice>,
}

/// A rollout in progress. One verb, [`Machine::apply`], and questions about where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    plan: Plan,
    state: State,
    wait: Wait,
    memory: Memory,
    issued: EffectId,
}

impl Machine {
    /// A rollout that has not begun.
    pub fn new(plan: Plan) -> Self {
        let memory = Memory::new(&plan.gates);
        Self { plan, state: State::Ready, wait: Wait::Nothing, memory, issued: 0 }
    }

    /// Takes in one event. Never fails, never waits: what makes no sense now changes nothing.
    /// Time never goes back: an event stamped before the last one counts as happening with it.
    pub fn apply(&mut self, at: Timestamp, event: Event) -> Reaction {
        let before = self.memory.now;
        self.memory.now = at.max(before);
        self.slept_since(before);
        let mut reaction = Reaction::default();
        match event {
            Event::Started { by } => self.start(by, &mut reaction),
            Event::Answered { id, answer } => self.answered(id, answer, &mut reaction),
            Event::Woken => self.woken(&mut reaction),
            Event::Requested { request, by, reason, left } => {
                let approves = left.and_then(|left| left.approves);
                self.told((request, approves), by, reason, &mut reaction);
            }
            Event::Interrupted { signal } => self.interrupted(signal, &mut reaction),
            Event::JournalBehind { fault } => self.falls_behind(fault, &mut reaction),
            Event::JournalCaughtUp => self.caught_up(&mut reaction),
            Event::Recovered { by, epoch } => self.recovered((by, epoch), before, &mut reaction),
        }
        let undone = |notice: &Notice| matches!(notice, Notice::LeftUndone { .. } | Notice::StickinessOff { .. });
        self.memory.left |= reaction.notices.iter().any(undone);
        reaction
    }

    /// The effect whose answer is outstanding.
    pub fn pending(&self) -> Option<&Issued> {
        match &self.wait {
            Wait::Answer(issued) => Some(issued),
            Wait::Nothing | Wait::Until(..) => None,
        }
    }

    /// When [`Event::Woken`] is due.
    pub fn wake_at(&self) -> Option<Timestamp> {
        match self.wait {
            Wait::Until(moment, _) => Some(moment),
            Wait::Nothing | Wait::Answer(_) => None,
        }
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The plan it follows.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When it started; the epoch before it has.
    pub fn started(&self) -> Timestamp {
        self.memory.started
    }

    /// The time of its last event.
    pub fn now(&self) -> Timestamp {
        self.memory.now
    }

    /// Whether it is on its way back.
    pub fn is_retreating(&self) -> bool {
        self.state.back().is_some()
    }

    /// Whether it is on its way back and the traffic is not: nothing is waited for that can come later.
    pub fn is_urgent(&self) -> bool {
        self.state.back().is_some_and(|back| back.at.is_none())
    }

    /// Whether it waits for the answer to a forward write before it goes back.
    pub fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining(_))
    }

    /// Until when a cookie can lead a client to the candidate.
    pub fn cookies_last_until(&self) -> Timestamp {
        self.bound_until()
    }

    /// Since when its journal does not hold everything, if that is so.
    pub fn behind_since(&self) -> Option<Timestamp> {
        self.memory.pauses.behind.as_ref().map(|behind| behind.since)
    }

    /// Whether it is past the point of return.
    pub fn is_committed(&self) -> bool {
        self.memory.committed
    }

    /// Whether a signal now leads back.
    pub fn goes_back_when_interrupted(&self) -> bool {
        let forward = matches!(self.state, State::Ready | State::Forward { .. }) && !self.memory.committed;
        forward && self.plan.policies.on_interrupt == OnTrouble::Rollback
    }

    fn start(&mut self, by: String, out: &mut Reaction) {
        if self.state != State::Ready {
            return;
        }
        let now = self.memory.now;
        self.memory.started = now;
        self.memory.judged.from = now;
        self.memory.judged.step_since = now;
        self.memory.rule.accepted_at = now;
        out.notices.push(Notice::Started { by });
        self.enter_step(0, out);
    }

    fn answered(&mut self, id: EffectId, answer: Answer, out: &mut Reaction) {
        let Wait::Answer(issued) = &self.wait else { return };
        if issued.id != id {
            return;
        }
        let issued = issued.clone();
        self.wait = Wait::Nothing;
        self.learn(&issued, &answer, out);
        match &self.state {
            State::Forward { .. } => self.forward(&issued, answer, out),
            State::Draining(_) => self.drained(&issued, &answer, out),
            State::Retreat { .. } => self.back(&issued, answer, out),
            State::Ready | State::Finished(_) => {}
        }
    }

    fn woken(&mut self, out: &mut Reaction) {
        let Wait::Until(moment, effect) = &self.wait else { return };
        if *moment > self.memory.now {
            return;
        }
        let effect = effect.clone();
        self.ask(effect, out);
    }

    /// Another runner goes on; `before` is the last moment of the one before, on a clock of its own.
    fn recovered(&mut self, (by, epoch): (String, u64), before: Timestamp, out: &mut Reaction) {
        if self.is_paused_for(&[Cause::Interrupt]) {
            self.memory.pauses.paused = None;
            self.restart_limit();
        }
        self.take_over();
        // A clock that is behind the journal's cannot tell how long nobody looked.
        let gap = self.memory.now.since(before);
        self.memory.rule.unwatched |= gap.is_zero() || gap > LOOKS_WITHIN;
        // Its lines are what was written: whoever goes on from them could write.
        self.memory.pauses.behind = None;
        if let State::Ready = self.state {
            return self.start(by, out);
        }
        out.notices.push(Notice::Recovered { by, epoch });
        if let Some(back) = self.state.back_mut() {
            (back.hurry, back.revived) = (false, false);
        }
        if self.has_left() {
            return self.tidy(out);
        }
        self.let_in();
        self.inherit();
        let all = !self.state.tidies();
        let has = (all && !self.plan.before.scaling.is_empty(), all && self.plan.dead_man.is_some());
        self.memory.safeguard.inherit(before, self.memory.now, has);
        match self.state.clone() {
            State::Ready | State::Finished(_) => {}
            State::Forward { .. } if self.switch_is_up(out) => {}
            State::Forward { .. } => self.reenter(out),
            State::Retreat { .. } if self.state.tidies() => self.tidy(out),
            State::Draining(mut back) | State::Retreat { mut back, .. } => {
                let waited = self.memory.now.since(back.decided);
                if waited.saturating_sub(back.slept) > self.plan.limits.retreat {
                    // It may be able to do what the one before was not, and has all of the limit.
                    back.slept = waited;
                }
                self.begin_back(back, out);
            }
        }
    }

    /// What happened to the rule before is not known.
    fn take_over(&mut self) {
        self.memory.taken_over = Some(self.memory.now);
        self.memory.rule.steady = None;
    }

    /// Nobody knows what a write did: a route may still land.
    fn unsettle(&mut self, issued: &Issued) {
        self.memory.safeguard.unsettle(issued, self.memory.now);
        let Effect::Route(route) = &issued.effect else { return };
        if self.is_retreating() && route.share == Share::NONE {
            return self.outlive(issued.at);
        }
        self.memory.rule.unsettled = Some(Unsettled { share: route.share, until: issued.at + WRITE_LANDS_WITHIN });
    }

    /// What the runner before asked for may still come about, measured by the clock of the one after.
    fn inherit(&mut self) {
        let outstanding = std::mem::replace(&mut self.wait, Wait::Nothing);
        if let Wait::Answer(issued) = &outstanding {
            self.unsettle(issued);
        }
        if let Some(unsettled) = &mut self.memory.rule.unsettled {
            unsettled.until = unsettled.until.max(self.memory.now + QUARANTINE);
        }
    }

    fn has_pending_write(&self) -> bool {
        self.pending().is_some_and(|issued| issued.effect.is_write())
    }

    /// Asks something of the world, in place of whatever was waited for. Before a read the dead-man's switch is
    /// pushed on, when that is due.
    fn ask(&mut self, effect: Effect, out: &mut Reaction) {
        if effect.is_write() || !self.is_push_due() {
            return self.issue(effect, out);
        }
        let push = self.memory.safeguard.push_before(effect);
        self.issue(push, out);
    }

    fn issue(&mut self, mut effect: Effect, out: &mut Reaction) {
        match &mut effect {
            Effect::Arm { at, .. } => *at = self.fires_next(),
            Effect::Route(route) => {
                self.memory.rule.carried |= route.share > Share::NONE;
                if route.expected.is_none() {
                    // What it is written over is not known.
                    self.memory.rule.steady = None;
                }
                // Whatever becomes of the write: one whose answer is lost may have turned it off.
                self.memory.rule.sticky_suspended |= route.stickiness == Stickiness::Suspend;
            }
            Effect::Look(look) => look.gates.retain(|index| self.is_due(*index)),
            _ => {}
        }
        self.issued += 1;
        let issued = Issued { id: self.issued, at: self.memory.now, effect };
        self.wait = Wait::Answer(issued.clone());
        out.effect = Some(issued);
    }

    /// Asks something once `span` has passed.
    fn ask_after(&mut self, span: Duration, effect: Effect) {
        self.wait = Wait::Until(self.memory.now + span, effect);
    }

    /// Whether a gate has a part in a look now: somebody else is asked only so often, and not once nothing
    /// would follow.
    fn is_due(&self, index: usize) -> bool {
        let memory = &self.memory;
        let Some((gate, standing)) = self.plan.gates.get(index).zip(memory.judged.standings.get(index)) else {
            return false;
        };
        let vain = memory.committed && gate.is_outside();
        !vain && standing.is_due(gate, memory.judged.step_since, memory.now)
    }

    fn finish(&mut self, outcome: Outcome, out: &mut Reaction) {
        self.tell_left(out);
        self.wait = Wait::Nothing;
        out.effect = None;
        self.memory.pauses.paused = None;
        out.notices.push(Notice::Finished(outcome.clone()));
        self.state = State::Finished(outcome);
    }

    /// Tells of a fault once, however often it comes in a row.
    fn tell_fault(&mut self, fault: &crate::domain::fault::Fault, out: &mut Reaction) {
        if self.memory.told.fault.as_ref() != Some(fault) {
            self.memory.told.fault = Some(fault.clone());
            out.notices.push(Notice::Trouble(fault.clone()));
        }
    }
}
