//! What the way back does where something that it asked for failed.

use crate::domain::fault::{Fault, FaultKind};
use crate::domain::name::last_part;
use crate::machine::effect::{Effect, Issued, Observation};
use crate::machine::notice::Notice;
use crate::machine::observe::expired::is_expired;
use crate::machine::state::{ATTEMPTS, BRISK_POLL, Phase, RETRY, State};
use crate::machine::{Machine, Reaction};

impl Machine {
    pub(super) fn failed_back(&mut self, phase: Phase, issued: &Issued, fault: &Fault, out: &mut Reaction) {
        self.tell_fault(fault, out);
        let for_good = fault.kind.is_lasting();
        let State::Retreat { refused, .. } = &mut self.state else { return };
        // What waits for credentials is asked for until the way back has lasted as long as it may.
        *refused += u32::from(self.memory.hurry || !is_expired(fault));
        let tries = *refused;
        if fault.kind == FaultKind::Unknown && matches!(issued.effect, Effect::Route(_)) {
            self.outlive(issued.at);
        }
        match phase {
            Phase::Checking => self.weigh(&Observation::default(), out),
            // The adapter has looked for what stands in its place.
            Phase::Routing if is_gone(fault) => self.strand(fault.to_string(), out),
            Phase::Routing if fault.kind == FaultKind::Denied && !self.memory.hurry => {
                if tries == 1 {
                    out.notices.push(Notice::BackDenied { fault: fault.clone(), until: self.gives_up_at() });
                }
                self.ask_after(Self::patience_with_denial(tries), issued.effect.clone());
            }
            Phase::Routing if for_good && tries >= ATTEMPTS => self.strand(fault.to_string(), out),
            Phase::Routing if is_expired(fault) => self.ask_after(RETRY, issued.effect.clone()),
            Phase::Routing => self.ask_after(Self::patience(tries), issued.effect.clone()),
            Phase::Reviving | Phase::Restoring if fault.kind == FaultKind::Permanent && is_of_a_revision(issued) => {
                self.count_alone(issued, fault, out);
            }
            Phase::Reviving if self.memory.back_at.is_some() => {
                let what = format!("the stable slot, which serves with fewer tasks than before, gets no more: {fault}");
                out.notices.push(Notice::LeftUndone { what });
                self.go(Phase::Verifying, out);
            }
            Phase::Reviving => {
                self.memory.revived = false;
                self.ask_after_phase(Phase::Checking, BRISK_POLL);
            }
            Phase::Verifying | Phase::Quieting => self.ask_after_phase(phase, BRISK_POLL),
            Phase::Marking | Phase::Disarming | Phase::Freeing | Phase::Unmarking => {
                self.not_taken_down(phase, issued, (fault, tries), out);
            }
            Phase::Restoring if self.memory.hurry => self.after(phase, out),
            // Somebody may have given the slot weight since: the proof of quiet is taken again first.
            Phase::Restoring if !for_good => self.ask_after_phase(Phase::Quieting, RETRY),
            Phase::Mending if tries < ATTEMPTS * 3 && !for_good => self.ask_after(RETRY, issued.effect.clone()),
            Phase::Restoring => self.leave_undone(phase, "the candidate slot keeps its tasks", fault, out),
            Phase::Mending => {
                out.notices.push(Notice::StickinessOff { why: fault.to_string() });
                self.mended(out);
            }
            Phase::Counting if tries < ATTEMPTS => self.ask_after(RETRY, issued.effect.clone()),
            Phase::Counting => self.end(out),
        }
    }

    /// The recorded revision is refused: it may be deregistered by now. A count needs none.
    fn count_alone(&mut self, issued: &Issued, fault: &Fault, out: &mut Reaction) {
        let Effect::Scale { role, count, task_definition: Some(refused) } = &issued.effect else { return };
        let service = &self.plan.target.place(*role).service;
        let what =
            format!("{service} keeps the revision that it has, because {} is refused: {fault}", last_part(refused));
        out.notices.push(Notice::LeftUndone { what });
        self.ask(Effect::Scale { role: *role, count: *count, task_definition: None }, out);
    }
}

/// Whether the rule is there no more, and nothing in its place.
pub(super) fn is_gone(fault: &Fault) -> bool {
    fault.kind == FaultKind::Missing && ["DescribeRules", "ModifyRule"].contains(&fault.operation.as_str())
}

fn is_of_a_revision(issued: &Issued) -> bool {
    matches!(issued.effect, Effect::Scale { task_definition: Some(_), .. })
}
