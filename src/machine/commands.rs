//! Requests of people, and signals: to go back, to wait, to go on.

use super::event::OperatorRequest;
use super::memory::Paused;
use super::notice::{Notice, Outcome};
use super::state::{Back, State};
use super::why::{Cause, Leaving, Objection, PausedFor, Reason};
use super::{Machine, Reaction};
use crate::domain::approval::Approval;
use crate::gate::Standing;
use crate::spec::OnTrouble;

impl Machine {
    pub(super) fn told(
        &mut self,
        (request, approves): (OperatorRequest, Option<Approval>),
        by: String,
        reason: Option<String>,
        out: &mut Reaction,
    ) {
        let refusal = match request {
            OperatorRequest::Rollback | OperatorRequest::Abort => self.told_to_go_back(request, &by, reason, out),
            OperatorRequest::Pause => self.told_to_pause(&by, reason, out),
            OperatorRequest::Continue => self.told_to_continue(&by, out),
            OperatorRequest::Approve => self.told_to_pass(&by, approves, out),
            OperatorRequest::Promote => self.told_to_promote(&by, reason, out),
            OperatorRequest::BreakGlass => self.told_to_break_glass(&by, reason, out),
            OperatorRequest::Spare => self.told_to_spare(by.clone(), out),
        };
        if let Some(why) = refusal {
            out.notices.push(Notice::Refused { request, by, why });
        }
    }

    fn told_to_go_back(
        &mut self,
        request: OperatorRequest,
        by: &str,
        reason: Option<String>,
        out: &mut Reaction,
    ) -> Option<Objection> {
        let stranded = matches!(self.state, State::Finished(Outcome::Stranded { .. }));
        match &self.state {
            _ if self.memory.committed => Some(Objection::BackAfterCommit),
            State::Draining(_) | State::Retreat { .. } => Some(Objection::GoesBack),
            State::Finished(_) if !stranded => Some(Objection::Over),
            State::Ready | State::Forward { .. } | State::Finished(_) => {
                if self.state == State::Ready {
                    self.memory.started = self.memory.now;
                }
                if !matches!(self.state, State::Forward { .. }) {
                    // Only one who takes it over says this of a rollout that has not begun, or is over.
                    self.take_over();
                }
                self.retreat(Reason::Operator { request, by: by.to_owned(), reason }, out);
                None
            }
        }
    }

    fn told_to_pause(&mut self, by: &str, reason: Option<String>, out: &mut Reaction) -> Option<Objection> {
        if !matches!(self.state, State::Forward { .. }) {
            return Some(Objection::NotForward);
        }
        if let Some(paused) = &self.memory.pauses.paused {
            return Some(Objection::Paused(paused.why.clone()));
        }
        self.pause(PausedFor::Person { by: by.to_owned(), reason }, out);
        None
    }

    fn told_to_continue(&mut self, by: &str, out: &mut Reaction) -> Option<Objection> {
        if let Some(shut) = self.shut_for() {
            return Some(shut);
        }
        let Some(paused) = self.memory.pauses.paused.take() else { return Some(Objection::NotPaused) };
        self.unpause(paused.why.cause());
        out.notices.push(Notice::Continued { by: by.to_owned() });
        None
    }

    /// The step's limit begins anew after a pause.
    pub(super) fn restart_limit(&mut self) {
        let now = self.memory.now;
        if let State::Forward { began, .. } = &mut self.state {
            *began = now;
        }
    }

    /// What was breached before a person's request to go on is overruled: gates begin anew. Where nothing was
    /// breached, what they have learned stays.
    pub(super) fn unpause(&mut self, cause: Cause) {
        let now = self.memory.now;
        if matches!(cause, Cause::Breach | Cause::ForeignWrite) {
            self.memory.judged.from = now;
            self.memory.judged.standings = self.plan.gates.iter().map(Standing::new).collect();
        }
        self.begin_step_anew();
    }

    /// The step has all of its time again, and passes on data from now on only.
    pub(super) fn begin_step_anew(&mut self) {
        self.restart_limit();
        self.memory.judged.step_since = self.memory.now;
        self.memory.slots.short_since = None;
        self.memory.slots.stable_drifts = 0;
        self.memory.slots.candidate_drifts = 0;
        // Whoever overrules that ECS ended the release's deployment wants it tried again.
        (self.memory.slots.brought, self.memory.slots.setbacks) = (false, 0);
        self.memory.judged.verdicts.fill(None);
    }

    /// Takes no step from here on. A pause that is on already gets another cause, and no more time.
    pub(super) fn pause(&mut self, why: PausedFor, out: &mut Reaction) {
        let since = self.memory.pauses.paused.as_ref().map_or(self.memory.now, |paused| paused.since);
        if why.cause().is_trouble() {
            // Whoever promoted it did not know of this.
            self.memory.pauses.promoted_by = None;
        }
        out.notices.push(Notice::Paused { why: why.clone(), until: since + self.plan.limits.pause });
        self.memory.pauses.paused = Some(Paused { why, since });
    }

    pub(super) fn interrupted(&mut self, signal: String, out: &mut Reaction) {
        let hold = self.plan.policies.on_interrupt == OnTrouble::Hold;
        match &mut self.state {
            State::Finished(_) => {}
            State::Draining(back) | State::Retreat { back, .. } => {
                back.hurry = true;
                if back.at.is_some() && !self.has_pending_write() {
                    self.leave_in_a_hurry(out);
                }
            }
            State::Forward { .. } if self.memory.committed => {
                out.notices.push(Notice::HandedOver { why: Leaving::StoppedAfterCommit(signal) });
            }
            State::Ready | State::Forward { .. } if hold => {
                if self.memory.pauses.paused.is_none() {
                    self.pause(PausedFor::Signal(signal.clone()), out);
                }
                let (share, fires) = (self.memory.rule.accepted, self.memory.safeguard.fires());
                out.notices.push(Notice::HandedOver { why: Leaving::Stopped { signal, share, fires } });
            }
            State::Ready | State::Forward { .. } => {
                self.turn_back(Back { hurry: true, ..Back::new(Reason::Signal(signal), self.memory.now) }, out);
            }
        }
    }
}
