//! The short way to the write that gives the traffic back: what is read before it, and what is known without.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::fleet::RuleSeen;
use crate::domain::traffic::Share;
use crate::lease::QUARANTINE;
use crate::machine::effect::{Effect, Look, Observation};
use crate::machine::limits::{
    BRISK_POLL, DENIED_RETRIES, FIRST_READ_WITHIN, FRESH, PROMPT_RETRIES, RETRY, WATCHED_WITHIN, WRITE_LANDS_WITHIN,
};
use crate::machine::memory::Unsettled;
use crate::machine::notice::Notice;
use crate::machine::state::{Back, Phase, State};
use crate::machine::undone::StaysOff;
use crate::machine::why::Awaited;
use crate::machine::{Machine, Reaction};

impl Machine {
    /// Begins the way back, or begins it anew: with a first read, in place of whatever was waited for. It begins with
    /// the write where the write is needed whatever a read shows, and the stable slot's targets were just read.
    pub(in crate::machine) fn begin_back(&mut self, back: Back, out: &mut Reaction) {
        self.state = State::Retreat { back, phase: Phase::Checking, refused: 0 };
        let needed = self.memory.rule.weighted || self.memory.rule.unsettled.is_some();
        self.outlive_others();
        let to = if needed && self.stable_was_just_seen() { Phase::Routing } else { Phase::Checking };
        self.go(to, out);
    }

    fn stable_was_just_seen(&self) -> bool {
        let fresh = |at: Timestamp| self.memory.now.since(at) <= FRESH;
        self.memory.slots.fleet.as_ref().is_some_and(|(at, fleet)| fresh(*at) && fleet.stable.healthy > 0)
    }

    /// Reads the rule and the stable slot's healthy targets, and nothing else.
    pub(in crate::machine) fn first_read() -> Effect {
        Effect::Look(Look { rule: true, first_read: Some(FIRST_READ_WITHIN), ..Look::default() })
    }

    /// What the first read of the way back says of the stable slot. The write goes on unless it has no healthy
    /// target; then the tasks are read too. A read that fails after one that found none does not free the write.
    pub(in crate::machine) fn weigh(&mut self, seen: &Observation, out: &mut Reaction) {
        let healthy = seen.fleet.as_ref().map(|fleet| fleet.stable.healthy).or(seen.stable);
        self.memory.slots.barren = healthy.map_or(self.memory.slots.barren, |healthy| healthy == 0);
        if !self.memory.slots.barren {
            return self.go(Phase::Routing, out);
        }
        match &seen.fleet {
            Some(fleet) => self.revive(fleet.stable.running, fleet.stable.desired, out),
            None if seen.stable.is_some() => self.look(true, None, out),
            None => self.look_back_after(BRISK_POLL),
        }
    }

    fn revive(&mut self, running: u32, desired: u32, out: &mut Reaction) {
        let wanted = self.plan.before.stable_desired;
        self.wait_for(Awaited::StableTarget { running, wanted }, out);
        if desired < wanted && !self.state.is_revived() {
            self.state.note_revived(true);
            return self.go(Phase::Reviving, out);
        }
        self.look_back_after(BRISK_POLL);
    }

    /// Whether the stable slot's tasks are still to be read with all of its traffic on it.
    pub(in crate::machine) fn asks_for_stable(&self) -> bool {
        let read = |back: Timestamp| self.memory.slots.fleet.as_ref().is_some_and(|(at, _)| *at > back);
        !self.state.is_revived() && !self.state.hurries() && self.state.back_at().is_some_and(|back| !read(back))
    }

    /// Whether the stable slot, which has its traffic back, wants fewer tasks than it had for it before.
    pub(in crate::machine) fn is_scaled_down(&self, seen: &Observation) -> bool {
        let fewer = seen.fleet.as_ref().is_some_and(|fleet| fleet.stable.desired < self.plan.before.stable_desired);
        fewer && !self.state.is_revived() && !self.state.hurries()
    }

    fn look_back_after(&mut self, span: Duration) {
        self.ask_after(span, Self::first_read());
    }

    /// Clients bound to the candidate by a cookie come back only when stickiness is off.
    pub(in crate::machine) fn is_sticky(&self, rule: Option<&RuleSeen>) -> bool {
        let ours = self.plan.before.stickiness.is_some() && !self.plan.driver.is_aws();
        self.memory.rule.carried && ours && rule.is_some_and(|rule| rule.sticky)
    }

    /// How long a refused write waits that was refused so many times: not long at first, because each wait is
    /// time that requests go to a bad release.
    pub(in crate::machine) fn patience(refused: u32) -> Duration {
        let tried = usize::try_from(refused.saturating_sub(1)).unwrap_or(usize::MAX);
        PROMPT_RETRIES.get(tried).copied().unwrap_or(RETRY)
    }

    /// The same of one that is denied: somebody may allow it while the way back lasts.
    pub(in crate::machine) fn patience_with_denial(refused: u32) -> Duration {
        let after = refused.saturating_sub(u32::try_from(PROMPT_RETRIES.len()).unwrap_or(u32::MAX));
        let [first, most] = DENIED_RETRIES;
        match after.checked_sub(1) {
            None => Self::patience(refused),
            Some(doubled) => first.saturating_mul(2_u32.saturating_pow(doubled)).min(most),
        }
    }

    /// A stable-only write that was asked for at `asked` may still land. While the rollout goes back that is
    /// what is wanted. After it, it is not: the write says that the candidate gets nothing and that stickiness is
    /// off, so it would undo the stickiness that is put back, take the weight from the next rollout on this rule,
    /// whose runner would think of a stranger, or undo what a person does to the rule once they are told that
    /// the rollout is over. So neither stickiness is put back nor the rollout ended before it can land no more:
    /// the last attempt is over 15 s after the order, and AWS gets as long again.
    pub(in crate::machine) fn outlive(&mut self, asked: Timestamp) {
        let until = asked + WRITE_LANDS_WITHIN;
        match &mut self.memory.rule.unsettled {
            // By its share a late write of the way forward is known for ours: that is kept.
            Some(unsettled) => unsettled.until = unsettled.until.max(until),
            None => self.memory.rule.unsettled = Some(Unsettled { share: Share::NONE, until }),
        }
    }

    /// What was taken over lately is given back by other hands too: by a write of the one before that went ahead of
    /// its journal, and by a rollback's first write, which is on no journal.
    fn outlive_others(&mut self) {
        let lands = self.memory.taken_over.map(|at| at + QUARANTINE);
        if let Some(lands) = lands.filter(|lands| *lands > self.memory.now) {
            self.outlive(lands.before(WRITE_LANDS_WITHIN));
        }
    }

    /// Until when clients may hold a cookie that binds them to the candidate: one that it gave them while it had weight,
    /// or could have had some that nobody saw.
    pub(in crate::machine) fn bound_until(&self) -> Timestamp {
        let memory = &self.memory;
        let watched =
            memory.rule.steady.filter(|steady| steady.share == Share::NONE).map_or(memory.now, |steady| steady.since);
        let unseen = memory.rule.unwatched || watched > memory.started + WATCHED_WITHIN;
        let lasts = self.plan.before.stickiness.filter(|_| memory.rule.carried || unseen);
        let since = if unseen { watched.max(memory.rule.accepted_at) } else { memory.rule.accepted_at };
        lasts.map_or(memory.rule.accepted_at, |lasts| since + lasts)
    }

    /// Whether a cookie may still lead a client to a candidate that is to have no tasks any more.
    pub(in crate::machine) fn still_leads(&self) -> bool {
        let emptied = self.plan.before.candidate_desired == 0;
        self.memory.rule.binds && emptied && self.bound_until() > self.memory.now
    }

    /// Whether cookies last longer than other requests may take to end.
    pub(in crate::machine) fn outlasts_patience(&self) -> bool {
        self.bound_until() > self.memory.rule.accepted_at + self.plan.limits.drain
    }

    /// Stickiness that is on again leads clients with a cookie of the candidate back there: to the release that was
    /// taken back, where a runner that must leave could not take its tasks, or to no task at all. So the cookies are
    /// outlived, if that takes no longer than other requests may take to end; else it stays off, which means nothing
    /// to a rule that gives one slot everything.
    pub(in crate::machine) fn mend(&mut self, out: &mut Reaction) {
        let late = self.state.hurries() || self.outlasts_patience();
        if !self.memory.rule.sticky_suspended || !late || self.bound_until() <= self.memory.now {
            return self.go(Phase::Mending, out);
        }
        out.notices.push(Notice::StickinessOff { why: StaysOff::Cookies(self.bound_until()) });
        self.mended(out);
    }

    /// After the last write of the rule: waits until none can land any more.
    pub(in crate::machine) fn mended(&mut self, out: &mut Reaction) {
        self.memory.rule.sticky_suspended = false;
        match self.memory.rule.unsettled {
            Some(unsettled) if unsettled.until > self.memory.now => {
                let left = unsettled.until.since(self.memory.now);
                self.ask_after(left, Effect::Look(self.view(false, None)));
            }
            _ => self.after(Phase::Mending, out),
        }
    }
}
