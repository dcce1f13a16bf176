//! Every notice and every reason in plain words, with the sign that goes before it.

use anstyle::{AnsiColor, Effects};

use super::evidence::evidence;
use super::undone::{undone, unstuck};
use super::{Style, reasons};
use crate::domain::clock::{Timestamp, span};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Capacity, Role, Served};
use crate::domain::name::Arn;
use crate::domain::text::{count, many};
use crate::domain::traffic::Share;
use crate::gate::{Outcome as GateOutcome, Verdict};
use crate::machine::{Foreign, Glass, Notice, Outcome, Progress};
use crate::plan::Plan;

/// The mark before a line. The line's words say the same, for readers who cannot see or colour it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It is as it should be.
    Good,
    /// It is not.
    Bad,
    /// It goes on.
    Step,
    /// It goes back.
    Back,
    /// A person is waited for.
    Wait,
    /// Something to know.
    Heed,
}

impl Sign {
    /// The sign itself, and how many columns it takes.
    pub(super) fn glyph(self, unicode: bool) -> &'static str {
        let (fine, ascii) = match self {
            Sign::Good => ("✔", "ok"),
            Sign::Bad => ("✖", "x "),
            Sign::Step => ("●", "* "),
            Sign::Back => ("↩", "<-"),
            Sign::Wait => ("⏸", "||"),
            Sign::Heed => ("!", "! "),
        };
        if unicode { fine } else { ascii }
    }

    /// The sign in its colour, when there are colours.
    pub(super) fn paint(self, style: Style) -> String {
        let glyph = self.glyph(style.unicode);
        if !style.color {
            return glyph.to_owned();
        }
        let color = match self {
            Sign::Good => AnsiColor::Green,
            Sign::Bad => AnsiColor::Red,
            Sign::Step => AnsiColor::Cyan,
            Sign::Back | Sign::Wait | Sign::Heed => AnsiColor::Yellow,
        };
        let style = color.on_default() | Effects::BOLD;
        format!("{style}{glyph}{style:#}")
    }

    /// The sign of a verdict; nothing follows from one that `watch`es.
    pub(super) fn of(verdict: &Verdict, watch: bool) -> Self {
        match verdict.outcome {
            GateOutcome::Pass if verdict.is_undecided() => Sign::Heed,
            GateOutcome::Pass => Sign::Good,
            GateOutcome::Fail if watch => Sign::Heed,
            GateOutcome::Fail => Sign::Bad,
            GateOutcome::Inconclusive => Sign::Step,
        }
    }
}

/// The sign before a notice.
pub(super) fn sign(notice: &Notice, plan: &Plan) -> Sign {
    match notice {
        Notice::Judged { gate, verdict } => Sign::of(verdict, watches(gate, plan)),
        Notice::Probed { right, .. } => {
            if *right {
                Sign::Good
            } else {
                Sign::Heed
            }
        }
        Notice::StepPassed { undecided, .. } if !undecided.is_empty() => Sign::Heed,
        Notice::Finished(Outcome::Promoted)
        | Notice::StepPassed { .. }
        | Notice::Registered(_)
        | Notice::Shifted { .. }
        | Notice::Approved { .. }
        | Notice::Promoting { .. }
        | Notice::TrafficBack { .. }
        | Notice::Quiet { .. }
        | Notice::Scaled { .. }
        | Notice::ScalingHeld
        | Notice::ScalingFreed
        | Notice::Armed { .. }
        | Notice::Disarmed
        | Notice::Committed => Sign::Good,
        Notice::Finished(Outcome::Stranded { .. }) | Notice::BackDenied { .. } => Sign::Bad,
        Notice::Started { .. }
        | Notice::Recovered { .. }
        | Notice::StepStarted(_)
        | Notice::CapacityChanged { .. }
        | Notice::Waiting { .. }
        | Notice::Continued { .. }
        | Notice::Counted(_) => Sign::Step,
        Notice::Finished(Outcome::RolledBack(_)) | Notice::Retreating { .. } => Sign::Back,
        Notice::AwaitingApproval { .. } | Notice::Paused { .. } | Notice::HandedOver { .. } => Sign::Wait,
        Notice::CarriedOn { .. }
        | Notice::Skipped { .. }
        | Notice::BrokeGlass(_)
        | Notice::Refused { .. }
        | Notice::ForeignWrite { .. }
        | Notice::Trouble(_)
        | Notice::StillLed { .. }
        | Notice::RuleDiffers { .. }
        | Notice::StickinessOff { .. }
        | Notice::LeftUndone { .. } => Sign::Heed,
    }
}

/// A notice in plain words. They hold foreign text as it came: [`crate::domain::text::escape`] is for the caller.
pub(super) fn words(notice: &Notice, plan: &Plan) -> String {
    match notice {
        Notice::Started { by } => started(by, plan),
        Notice::Recovered { by, epoch } => format!("{by} takes over as runner {epoch}"),
        Notice::StepStarted(step) => place(*step, plan),
        Notice::StepPassed { step, took, undecided } => {
            let passed = format!("step {} of {} passed after {}", step + 1, plan.steps.len(), span(*took));
            if undecided.is_empty() { passed } else { format!("{passed}, undecided by {}", undecided.join(", ")) }
        }
        Notice::Registered(arn) => format!("task definition {} is registered", task_definition(arn)),
        Notice::CapacityChanged { role, seen, wanted } => capacity(*role, seen, *wanted),
        Notice::Shifted { share, took } => format!("{share} on the candidate, read back after {}", span(*took)),
        Notice::CarriedOn { share } => {
            format!("{} went on to {share} without being told to: it did not wait", plan.driver.mover())
        }
        Notice::Judged { gate, verdict } => judged(gate, verdict, watches(gate, plan)),
        Notice::Probed { gate, right: true, text } => format!("probe {gate} is answered right: {text}"),
        Notice::Probed { gate, right: false, text } => format!("probe {gate} is answered wrong: {text}"),
        Notice::Waiting { on } => format!("still waiting: {}", reasons::awaited(on)),
        Notice::AwaitingApproval { message, until } => {
            format!("waiting for approval until {}, then going back: {message}", until.time_of_day())
        }
        Notice::Approved { by } => format!("approved by {by}"),
        Notice::Promoting { by, reason } => format!("{}: nothing more is waited for", promoted(by, reason.as_deref())),
        Notice::Skipped { step, by } => format!("{} is skipped, on {by}'s word", place(*step, plan)),
        Notice::Paused { why, until } => {
            format!("paused: {}; goes back at {} unless told to continue", reasons::paused(why), until.time_of_day())
        }
        Notice::Continued { by } => format!("continued by {by}"),
        Notice::BrokeGlass(glass) => format!("{}: windows count no more", broke_glass(glass)),
        Notice::Refused { request, by, why } => {
            format!("`{}` from {by} changes nothing: {}", request.as_str(), reasons::objection(why))
        }
        Notice::ForeignWrite { to: Foreign::Rule, found, expected } => {
            format!("somebody else wrote the rule: found {found}, expected {expected} on the candidate")
        }
        Notice::ForeignWrite { to: Foreign::Service(_), found, .. } => format!("somebody else deployed: {found}"),
        Notice::Trouble(fault) => trouble(fault),
        Notice::Retreating { reason } => format!("going back: {}", reasons::reason(reason)),
        Notice::TrafficBack { took } => {
            format!("all traffic is on {}, read back after {}", slot(Role::Stable, plan), span(*took))
        }
        Notice::Quiet { role } => format!("no requests are left on {}", slot(*role, plan)),
        Notice::Scaled { role, count } => {
            format!("{} is set to {}", slot(*role, plan), many(u64::from(*count), "task"))
        }
        Notice::ScalingHeld => "autoscaling is held: no scale-in, no scheduled scaling".to_owned(),
        Notice::ScalingFreed => "autoscaling is as it was".to_owned(),
        Notice::Armed { at } => format!(
            "the dead-man's switch is armed: AWS gives the traffic back at {} unless it is pushed on",
            at.time_of_day()
        ),
        Notice::Disarmed => "the dead-man's switch is gone".to_owned(),
        Notice::Committed => "committed: from here on going back is a new rollout".to_owned(),
        Notice::Counted(served) => format!("the candidate served {}", served_words(*served)),
        Notice::LeftUndone { what } => format!("left undone: {}", undone(what)),
        Notice::StillLed { until } => still_led(*until, plan),
        Notice::BackDenied { fault, until } => format!(
            "the traffic can not be taken back, because that is denied ({fault}): allow it, or do it by hand; it is tried \
             again until {}",
            until.time_of_day()
        ),
        Notice::RuleDiffers { found, instead } => rule_differs(found, instead.as_deref()),
        Notice::StickinessOff { why } => format!("left undone: {}", unstuck(why)),
        Notice::HandedOver { why } => {
            format!("the runner leaves, the rollout is not finished: {}", reasons::leaving(why))
        }
        Notice::Finished(outcome) => finished(outcome, plan),
    }
}

fn rule_differs(found: &str, instead: Option<&str>) -> String {
    match instead {
        None => format!("the rule is not what it was before beside its weights, and is kept as it was found: {found}"),
        Some(arn) => format!("the rule was deleted; {arn} stands in its place, and is not written: {found}"),
    }
}

fn started(by: &str, plan: &Plan) -> String {
    let (least, most) = plan.duration();
    let (stable, candidate) = (plan.target.stable.slot, plan.target.candidate.slot);
    let steps = many(plan.steps.len() as u64, "step");
    let time = format!("{} to {}", span(least), span(most));
    format!("{} starts, by {by}: {steps}, {time}; {stable} serves, {candidate} gets the release", plan.name)
}

/// Who promoted a rollout, and why.
pub(super) fn promoted(by: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| format!("promoted by {by}"), |reason| format!("promoted by {by} ({reason})"))
}

/// Who overruled the windows, and why.
pub(super) fn broke_glass(glass: &Glass) -> String {
    format!("windows overruled by {} ({})", glass.by, glass.reason)
}

/// Who is still led to the candidate.
pub(super) fn still_led(until: Timestamp, plan: &Plan) -> String {
    let candidate = &plan.target.candidate.target_group_name;
    format!(
        "clients that hold a cookie of {candidate} are led there at least once more, until {until} at most: AWS does \
         not take the rule's stickiness off while one of its target groups is sticky itself"
    )
}

/// Where a rollout is: `step 3 of 9: shift 25% to the candidate`.
pub(super) fn place(step: usize, plan: &Plan) -> String {
    let of = plan.steps.len();
    match plan.steps.get(step) {
        Some(present) => format!("step {} of {of}: {}", step + 1, present.title(&plan.gates)),
        None => format!("all {of} steps are done"),
    }
}

/// Where a rollout stands: on its way forward the step, on its way back the reason.
pub(super) fn position(progress: &Progress, plan: &Plan) -> String {
    match &progress.reason {
        Some(reason) => reasons::reason(reason),
        None => place(progress.step, plan),
    }
}

fn slot(role: Role, plan: &Plan) -> String {
    format!("the {role} slot ({})", plan.target.place(role).target_group_name)
}

/// A task definition's `family:revision`, when it is an ARN.
pub(super) fn task_definition(arn: &str) -> &str {
    Arn::parse(arn).map_or(arn, |arn| arn.resource.trim_start_matches("task-definition/"))
}

fn capacity(role: Role, seen: &Capacity, wanted: u32) -> String {
    let Capacity { running, healthy, .. } = seen;
    let stop = seen.stopped.first().map_or(String::new(), |stop| format!("; last stop: {}", stop.reason));
    let failed = if seen.failed > 0 { format!(", {} failed", seen.failed) } else { String::new() };
    format!("{role}: {healthy} of {wanted} tasks healthy, {running} running{failed}{stop}")
}

/// Whether the plan's gate of this name only watches.
pub(super) fn watches(gate: &str, plan: &Plan) -> bool {
    plan.gates.iter().any(|known| known.name == gate && known.watch)
}

fn judged(gate: &str, verdict: &Verdict, watch: bool) -> String {
    let says = match verdict.outcome {
        GateOutcome::Pass if verdict.is_undecided() => "lets the step pass undecided",
        GateOutcome::Pass => "passes",
        GateOutcome::Fail => "fails",
        GateOutcome::Inconclusive => "cannot say yet",
    };
    let watch = if watch { ", which only watches," } else { "" };
    format!("gate {gate}{watch} {says}: {}", evidence(&verdict.evidence))
}

fn trouble(fault: &Fault) -> String {
    let meaning = match fault.kind {
        FaultKind::Transient => "it may pass",
        FaultKind::Unknown => "whether it took effect is read back",
        FaultKind::Missing => "it is not there",
        FaultKind::Denied => "not allowed, or credentials are missing",
        FaultKind::Expired => "the credentials have ended",
        FaultKind::Permanent => "asking again would not help",
    };
    format!("{fault} ({meaning})")
}

fn finished(outcome: &Outcome, plan: &Plan) -> String {
    match outcome {
        Outcome::Promoted => format!("promoted: the rule gives {} everything", slot(Role::Candidate, plan)),
        Outcome::RolledBack(reason) => format!("rolled back: {}", reasons::reason(reason)),
        Outcome::Stranded { why, .. } => format!("stranded, a person is needed: {}", reasons::stranding(why)),
    }
}

/// What was served: `1,204 requests, 238 of them failed (19.8%)`.
pub(super) fn served_words(served: Served) -> String {
    let requests = many(served.requests, "request");
    match (served.failed, Share::of(served.failed, served.requests)) {
        (0, _) => format!("{requests}, none of them failed"),
        (failed, Some(share)) => format!("{requests}, {} of them failed ({share})", count(failed)),
        (failed, None) => format!("{requests}, {} failed", count(failed)),
    }
}
