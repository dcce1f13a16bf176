//! What a look at the world means for the way forward: foreign writes, breaches, silence.

pub(in crate::machine) mod behind;
pub(in crate::machine) mod expired;
pub(in crate::machine) mod given_up;
pub(in crate::machine) mod poll;
pub(in crate::machine) mod slots;

use std::time::Duration;

use super::effect::Observation;
use super::limits::{LOOKS_WITHIN, STALE_WITHIN, UNSEEN_LIMIT, WATCHED_WITHIN};
use super::memory::Steady;
use super::notice::{Notice, Outcome};
use super::observe::expired::is_expired;
use super::state::State;
use super::undone::{Kept, Undone};
use super::why::{Cause, Foreign, Overdue, PausedFor, Reason, Stranding};
use super::{Machine, Reaction};
use crate::domain::clock::Timestamp;
use crate::domain::count::{Bin, Counts};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::RuleSeen;
use crate::domain::traffic::Share;
use crate::gate::{Check, Outcome as GateOutcome, Reading, Verdict, Window};
use crate::plan::{QUIET_LEAST, QUIET_PERIODS};
use crate::spec::OnTrouble;

/// What the observed share is counted over.
const MINUTE: Duration = Duration::from_secs(60);

impl Machine {
    /// Takes in what a look saw. False when the rollout left the way forward over it.
    pub(super) fn examine(&mut self, seen: &Observation, asked: Timestamp, out: &mut Reaction) -> bool {
        if self.switch_is_up(out) {
            return false;
        }
        self.examine_faults(seen, out);
        self.examine_deployment(seen, out);
        if let Some(rule) = &seen.rule {
            self.examine_rule(rule, out);
        }
        if let Some(fleet) = &seen.fleet {
            self.examine_fleet(fleet, asked, out);
        }
        self.memory.judged.observed = seen.observed.or(self.memory.judged.observed);
        for (index, reading) in &seen.readings {
            self.examine_counts(reading, asked);
            // The gates of one feed share its reading.
            for gate in 0..self.plan.gates.len() {
                if self.counted_for(gate) == *index {
                    self.examine_reading(gate, reading, out);
                }
            }
        }
        self.examine_windows(seen, asked, out);
        self.examine_pause(out);
        self.examine_journal(out);
        self.is_forward()
    }

    pub(super) fn is_forward(&self) -> bool {
        matches!(self.state, State::Forward { .. })
    }

    fn examine_faults(&mut self, seen: &Observation, out: &mut Reaction) {
        if seen.rule.is_some() {
            self.let_in();
            self.memory.pauses.blind_since = None;
        }
        let Some(fault) = seen.faults.first() else {
            self.memory.told.fault = None;
            self.memory.pauses.blind_since = None;
            return;
        };
        self.tell_fault(fault, out);
        if seen.rule.is_some() {
            return;
        }
        let gone = seen.faults.iter().find(|fault| fault.kind == FaultKind::Missing);
        match gone {
            Some(fault) => self.foreign(Foreign::Rule, fault.to_string(), out),
            None if seen.faults.iter().any(is_expired) => self.expired(out),
            None => self.blind(fault, out),
        }
    }

    /// The rule cannot be read. For a while that is nothing; then it is a reason to go back.
    pub(super) fn blind(&mut self, fault: &Fault, out: &mut Reaction) {
        let since = *self.memory.pauses.blind_since.get_or_insert(self.memory.now);
        let too_long = self.memory.now.since(since) > self.plan.limits.blind;
        if too_long && !self.memory.committed && self.is_forward() {
            self.retreat(Reason::Blind(fault.clone()), out);
        }
    }

    fn examine_rule(&mut self, rule: &RuleSeen, out: &mut Reaction) {
        if !self.is_forward() {
            // It went back because of this look, which settles nothing of what the way back waits for.
            return self.saw(rule);
        }
        let known = self.recognise(rule) || self.may_be_stale(rule);
        if known {
            self.memory.rule.drifts = 0;
        } else if !self.is_moved_by_aws(rule, out) {
            self.not_ours(rule, out);
        }
    }

    /// The rule is not as we left it: the dead-man's switch wrote it, or somebody else.
    pub(super) fn not_ours(&mut self, rule: &RuleSeen, out: &mut Reaction) {
        if !self.switch_wrote(rule, out) {
            self.foreign(Foreign::Rule, rule.text.clone(), out);
        }
    }

    /// Whether the rule is as we left it, or as a write of ours with an unknown outcome left it:
    /// that write is then settled.
    pub(super) fn recognise(&mut self, rule: &RuleSeen) -> bool {
        self.saw(rule);
        let Some(share) = rule.share.filter(|_| rule.shape == self.plan.before.shape) else { return false };
        match self.memory.rule.unsettled {
            Some(unsettled) if is_close(share, unsettled.share) => {
                self.memory.rule.unsettled = None;
                self.accept(share);
                true
            }
            Some(unsettled) => {
                if self.memory.now >= unsettled.until {
                    self.memory.rule.unsettled = None;
                }
                is_close(share, self.memory.rule.accepted)
            }
            None => is_close(share, self.memory.rule.accepted),
        }
    }

    /// The rule may give the candidate weight.
    pub(super) fn saw(&mut self, rule: &RuleSeen) {
        let (before, now) = (self.memory.rule.seen, self.memory.now);
        if self.plan.rules > 0 && self.memory.rule.exposed.is_some() && now.since(before) > LOOKS_WITHIN {
            self.memory.rule.unseen.push((before, now));
            let kept = self.memory.rule.unseen.len().saturating_sub(UNSEEN_LIMIT);
            self.memory.rule.unseen.drain(..kept);
        }
        self.memory.rule.seen = now;
        let weighted = rule.share != Some(Share::NONE);
        self.memory.rule.carried |= weighted;
        self.memory.rule.weighted |= weighted;
        self.memory.rule.brief = rule.brief;
        self.memory.rule.binds = rule.sticky || rule.brief;
        let differs = rule.shape != self.plan.before.shape || rule.instead.is_some();
        self.memory.rule.differs = differs.then(|| (rule.text.clone(), rule.instead.clone()));
        let now = self.memory.now;
        let goes_on = |steady: &Steady| rule.share == Some(steady.share) && now.since(steady.seen) <= WATCHED_WITHIN;
        let since = self.memory.rule.steady.filter(goes_on).map_or(now, |steady| steady.since);
        self.memory.rule.steady = rule.share.map(|share| Steady { share, since, seen: now });
    }

    /// Whether closed minutes can prove that a slot is quiet to which this share gives nothing: they lie within the
    /// time in which nothing else was seen. Who gave it weight before does not matter.
    pub(super) fn is_ripe(&self, share: Share, now: Timestamp) -> bool {
        let steady = self.memory.rule.steady.filter(|steady| steady.share == share);
        steady.is_some_and(|steady| now.since(steady.since) >= QUIET_LEAST)
    }

    /// Whether a slot to which this share gives nothing had no requests in closed minutes that are proven published
    /// and lie wholly within the time in which nothing else was seen.
    pub(super) fn is_quiet(&self, share: Share, seen: &Observation) -> bool {
        let steady = self.memory.rule.steady.filter(|steady| steady.share == share);
        let lies_within = |steady: Steady| match seen.published {
            Some(until) => until.before(MINUTE * QUIET_PERIODS) >= steady.since + MINUTE,
            None => self.is_ripe(share, self.memory.now),
        };
        seen.requests == Some(0) && steady.is_some_and(lies_within)
    }

    /// What leads to the quiet slot beside the rollout's rule; `None` when that was not read. A journal of before it was
    /// read goes on without.
    pub(super) fn entrances(seen: &Observation) -> Option<&[String]> {
        let unknown = if seen.published.is_none() { Some(&[][..]) } else { None };
        seen.reached.as_deref().or(unknown)
    }

    /// The candidate's share is now known to be this.
    pub(super) fn accept(&mut self, share: Share) {
        let now = self.memory.now;
        if share != self.memory.rule.accepted {
            self.memory.rule.previous = self.memory.rule.accepted;
            self.memory.rule.accepted = share;
            self.memory.rule.accepted_at = now;
            self.memory.judged.course.push((now, share));
        }
        if share > Share::NONE && self.memory.rule.exposed.is_none() {
            self.memory.rule.exposed = Some(now);
        }
    }

    /// A read may show the rule as it was before our last write, for a while.
    pub(super) fn may_be_stale(&self, rule: &RuleSeen) -> bool {
        let recent = self.memory.now.since(self.memory.rule.accepted_at) <= STALE_WITHIN;
        let before = rule.share.is_some_and(|share| is_close(share, self.memory.rule.previous));
        recent && before && rule.shape == self.plan.before.shape
    }

    /// Somebody else wrote the rule or a service. A pause for that has told so already; no other pause hides it.
    pub(super) fn foreign(&mut self, to: Foreign, found: String, out: &mut Reaction) {
        if self.is_paused_for(&[Cause::ForeignWrite]) || !self.is_forward() {
            return;
        }
        out.notices.push(Notice::ForeignWrite { to, found: found.clone(), expected: self.memory.rule.accepted });
        if self.memory.committed {
            let why = Stranding::ChangedAfterCommit { found };
            return self.finish(Outcome::Stranded { reason: None, why }, out);
        }
        match self.plan.policies.on_foreign_write {
            OnTrouble::Rollback => self.retreat(Reason::ForeignWrite { found }, out),
            OnTrouble::Hold => {
                self.pause(PausedFor::ForeignWrite { to, found }, out);
            }
        }
    }

    /// Counts say how much of the traffic the candidate really gets.
    fn examine_counts(&mut self, reading: &Reading, asked: Timestamp) {
        let Reading::Counts(bins) = reading else { return };
        self.memory.judged.counted_at = [self.memory.judged.counted_at[1], Some(asked)];
        self.memory.judged.observed = observed(bins).or(self.memory.judged.observed);
    }

    pub(super) fn examine_reading(&mut self, index: usize, reading: &Reading, out: &mut Reaction) {
        let deadline = self.last_call();
        let Some(gate) = self.plan.gates.get(index) else { return };
        let memory = &mut self.memory;
        let window = Window {
            rules: self.plan.rules,
            rollout: memory.judged.from,
            exposed: memory.rule.exposed.map(|exposed| exposed.max(memory.judged.from)),
            step: memory.judged.step_since,
            deadline,
            course: &memory.judged.course,
            unseen: &memory.rule.unseen,
            now: memory.now,
        };
        let verdict = match (&mut memory.judged.drift, &gate.check, reading) {
            (Some(drift), Check::Compare(_), Reading::Counts(bins)) => drift.take(bins, window),
            _ => memory.judged.standings[index].judge(gate, reading, window),
        };
        let (name, watch) = (gate.name.clone(), gate.watch);
        if self.is_news(index, &verdict) {
            out.notices.push(Notice::Judged { gate: name.clone(), verdict: verdict.clone() });
        }
        let fails = verdict.outcome == GateOutcome::Fail && !watch;
        let evidence = verdict.evidence.clone();
        self.memory.judged.verdicts[index] = Some(verdict);
        if fails && self.is_forward() {
            self.breach(Reason::Breach { gate: name, evidence, outcome: GateOutcome::Fail }, out);
        }
    }

    /// A verdict is news when it says something else than the last one that said something; that a
    /// new step has no data yet is none.
    fn is_news(&self, index: usize, verdict: &Verdict) -> bool {
        match (&self.memory.judged.verdicts[index], verdict.outcome) {
            (Some(before), GateOutcome::Inconclusive) => before.outcome == GateOutcome::Fail,
            (Some(before), outcome) => before.outcome != outcome,
            (None, outcome) => outcome != GateOutcome::Inconclusive,
        }
    }

    /// A gate failed, or capacity is lost: back, or a person is asked. Gates stay on while a person
    /// keeps the rollout paused; a rule that somebody else wrote is left alone.
    pub(super) fn breach(&mut self, reason: Reason, out: &mut Reaction) {
        if self.memory.committed || self.is_paused_for(&[Cause::Breach, Cause::ForeignWrite]) {
            return;
        }
        match self.plan.policies.on_breach {
            OnTrouble::Rollback => self.retreat(reason, out),
            OnTrouble::Hold => {
                self.pause(PausedFor::Breach(Box::new(reason)), out);
                self.keep_looking();
            }
        }
    }

    /// A person may keep a rollout paused only so long: then it goes back, or past the commit ends
    /// with the old stable slot as it is.
    pub(super) fn examine_pause(&mut self, out: &mut Reaction) {
        let Some(paused) = &self.memory.pauses.paused else { return };
        let limit = self.plan.limits.pause;
        if self.memory.now.since(paused.since) <= limit || !self.is_forward() {
            return;
        }
        if self.memory.committed {
            self.memory.pauses.paused = None;
            out.notices.push(Notice::LeftUndone { what: Undone::OldSlot(Kept::Unanswered(limit)) });
            return self.leave_step(out);
        }
        self.retreat(Reason::TimeLimit(Overdue::Pause(limit)), out);
    }

    pub(super) fn is_paused_for(&self, causes: &[Cause]) -> bool {
        self.memory.pauses.paused.as_ref().is_some_and(|paused| causes.contains(&paused.why.cause()))
    }
}

/// The candidate's share of the requests in the last minute that had any.
fn observed(bins: &[Bin]) -> Option<Share> {
    let requests = |counts: &Option<Counts>| counts.as_ref().map_or(0.0, |counts| counts.requests.max(0.0));
    let all = |bin: &Bin| requests(&bin.stable) + requests(&bin.candidate);
    let last = bins.iter().filter(|bin| all(bin) > 0.0).map(|bin| bin.at).max()?;
    let recent = || bins.iter().filter(|bin| bin.at + MINUTE > last);
    let (of, all): (f64, f64) = (recent().map(|bin| requests(&bin.candidate)).sum(), recent().map(all).sum());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, and no less than zero")]
    Share::of(of.round() as u64, all.round() as u64)
}

/// Shares read back may differ by the rounding of weights, but nothing and everything are exact.
pub(super) fn is_close(one: Share, other: Share) -> bool {
    let exact = |share: Share| share == Share::NONE || share == Share::ALL;
    one == other || (!exact(one) && !exact(other) && one.permille().abs_diff(other.permille()) <= 1)
}
