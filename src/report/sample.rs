//! Notices and progress to test with, and a page to write on.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Style;
use crate::domain::approval::Approval;
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Capacity, Role, Served, Stopped};
use crate::domain::safeguard::Beacon;
use crate::domain::traffic::Share;
use crate::domain::window::{Closed, ClosedBy, Frozen, Interval};
use crate::gate::{Evidence, Outcome as GateOutcome, Verdict};
use crate::machine::{
    Awaited, DeploymentEnd, Doing, EndSeen, Foreign, Glass, HookWait, Kept, KnownBreach, Lack, Leaving, Notice,
    Objection, OperatorRequest, Outcome, Overdue, PausedFor, Progress, Reason, Shortage, StaysOff, Stranding,
    SwitchSeen, Undone,
};
pub(super) use crate::plan::diagram::sample::{START, plan, share};

pub(super) const ID: &str = "web-20261123-140509-0a1b";

pub(super) const ASCII: Style = Style { color: false, unicode: false, width: 80 };
pub(super) const NARROW: Style = Style { color: false, unicode: false, width: 40 };
pub(super) const FINE: Style = Style { color: false, unicode: true, width: 80 };

/// The text every foreign field of [`all`] holds.
pub(super) const FOUL: &str = "a\u{1b}[31m\nb\u{202e}c\u{200b}";

/// Keeps what is written.
#[derive(Clone, Default)]
pub(super) struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn verdict(outcome: GateOutcome, evidence: &str) -> Verdict {
    Verdict { outcome, evidence: Evidence::Said(evidence.to_owned()), data_from: Some(START) }
}

pub(super) fn breach() -> Reason {
    Reason::Breach {
        gate: "candidate-errors".to_owned(),
        evidence: Evidence::Said("19.8 against at most 1 at 14:06:00".to_owned()),
        outcome: GateOutcome::Fail,
    }
}

pub(super) fn stranded() -> Outcome {
    Outcome::Stranded { reason: Some(breach()), why: Stranding::Refused(denied()) }
}

/// Every kind of reason, with `text` wherever text is not ours.
pub(super) fn reasons_of(text: &str) -> Vec<Reason> {
    let foul = || text.to_owned();
    let fault = Fault::new(FaultKind::Denied, text, text);
    vec![
        Reason::Breach { gate: foul(), evidence: Evidence::Said(foul()), outcome: GateOutcome::Inconclusive },
        Reason::Capacity(short()),
        Reason::TimeLimit(Overdue::Step { title: foul(), within: HOUR, lacked: Some(Lack::Release { runs: foul() }) }),
        Reason::TimeLimit(Overdue::Step { title: foul(), within: HOUR, lacked: None }),
        Reason::TimeLimit(Overdue::Pause(HOUR)),
        Reason::TimeLimit(Overdue::Credentials(HOUR)),
        Reason::TimeLimit(Overdue::Hook { hook: foul(), stage: foul(), within: HOUR }),
        Reason::Operator { request: OperatorRequest::Rollback, by: foul(), reason: Some(foul()) },
        Reason::Signal(foul()),
        Reason::ForeignWrite { found: foul() },
        Reason::DeadMan(SwitchSeen::Wrote(foul())),
        Reason::DeadMan(SwitchSeen::Due(START)),
        Reason::DeadMan(SwitchSeen::Gone),
        Reason::Deployment(Box::new(DeploymentEnd {
            seen: EndSeen::Said(foul()),
            last_stop: Some(Stopped { task: foul(), at: START, reason: foul(), task_definition: foul() }),
        })),
        ended(EndSeen::GivenUp { service: foul(), why: foul() }),
        ended(EndSeen::NoTasks { service: foul() }),
        ended(EndSeen::Reverted { service: foul(), runs: foul() }),
        Reason::Refused(fault.clone()),
        Reason::Blind(fault.clone()),
        Reason::Store(fault),
    ]
}

fn ended(seen: EndSeen) -> Reason {
    Reason::Deployment(Box::new(DeploymentEnd { seen, last_stop: None }))
}

pub(super) fn paused_by(by: &str) -> PausedFor {
    PausedFor::Person { by: by.to_owned(), reason: Some(by.to_owned()) }
}

/// That a rollout waits for a gate that says this.
pub(super) fn waits(said: &str) -> Notice {
    Notice::Waiting { on: Awaited::Gate { gate: "g".to_owned(), evidence: Evidence::Said(said.to_owned()) } }
}

const HOUR: Duration = Duration::from_secs(3600);

/// A write that AWS refused.
pub(super) fn denied() -> Fault {
    Fault::new(FaultKind::Denied, "ModifyRule", "AccessDenied")
}

/// Everything that can be left undone, with `text` wherever text is not ours.
pub(super) fn undone_of(text: &str) -> Vec<Undone> {
    let fault = || Fault::new(FaultKind::Denied, text, text);
    vec![
        Undone::OldSlot(Kept::Unanswered(HOUR)),
        Undone::OldSlot(Kept::Unproven),
        Undone::OldSlot(Kept::Entrances(vec![text.to_owned()])),
        Undone::OldSlot(Kept::EntrancesUnread),
        Undone::OldSlot(Kept::Refused(fault())),
        Undone::OldSlot(Kept::SparedFor(text.to_owned())),
        Undone::Candidate(Kept::Cookies(at(600))),
        Undone::Candidate(Kept::RunnerStopped),
        Undone::CandidateLate,
        Undone::StableTasks(fault()),
        Undone::Revision { service: text.to_owned(), refused: text.to_owned(), fault: fault() },
        Undone::Deployment("ECS"),
        Undone::Switch { fires: Some(at(600)), fault: None },
        Undone::Switch { fires: None, fault: Some(fault()) },
        Undone::Scaling(None),
        Undone::Scaling(Some(fault())),
        Undone::Beacon(Beacon::Active, Some(fault())),
        Undone::Beacon(Beacon::Aborting, None),
        Undone::Beacon(Beacon::Committed, None),
        Undone::Beacon(Beacon::Absent, None),
        Undone::Rest,
    ]
}

/// Every reason for which stickiness stays off, with `text` wherever text is not ours.
pub(super) fn stays_off_of(text: &str) -> Vec<StaysOff> {
    vec![
        StaysOff::Cookies(at(600)),
        StaysOff::Foreign { found: text.to_owned() },
        StaysOff::Refused(Fault::new(FaultKind::Denied, text, text)),
        StaysOff::Switch,
        StaysOff::NoTime,
    ]
}

/// Every reason for which a runner leaves, with `text` wherever text is not ours.
pub(super) fn leaving_of(text: &str) -> Vec<Leaving> {
    let signal = || text.to_owned();
    vec![
        Leaving::TakenOver { by: text.to_owned() },
        Leaving::StoppedAfterCommit(signal()),
        Leaving::Stopped { signal: signal(), share: share(25), fires: Some(at(600)) },
        Leaving::Stopped { signal: signal(), share: share(25), fires: None },
        Leaving::Journal(text.to_owned()),
    ]
}

/// Every reason for which a person is needed, with `text` wherever text is not ours.
pub(super) fn stranding_of(text: &str) -> Vec<Stranding> {
    let found = || text.to_owned();
    let fault = || Fault::new(FaultKind::Denied, text, text);
    vec![
        Stranding::ChangedAfterCommit { found: found() },
        Stranding::Late { last: Some(fault()) },
        Stranding::Late { last: None },
        Stranding::Refused(fault()),
        Stranding::Replaced { by: found(), found: found() },
        Stranding::Overwritten { found: found() },
    ]
}

fn short() -> Shortage {
    Shortage { healthy: 1, need: 2, share: share(50) }
}

/// Everything that is waited for, with `text` wherever text is not ours.
pub(super) fn awaited_of(text: &str) -> Vec<Awaited> {
    let foul = || text.to_owned();
    vec![
        Awaited::Gate { gate: foul(), evidence: Evidence::Said(foul()) },
        Awaited::Lack(Lack::Release { runs: foul() }),
        Awaited::Lack(Lack::SecondLook { runs: foul() }),
        Awaited::Lack(Lack::Tasks(Role::Candidate, short())),
        Awaited::Lack(Lack::Tasks(Role::Stable, short())),
        Awaited::Journal(share(25)),
        Awaited::Credentials { share: share(25), fires: Some(at(300)) },
        Awaited::Credentials { share: share(25), fires: None },
        Awaited::StableTarget { running: 1, wanted: 4 },
        Awaited::Lack(Lack::Grown { stable: 10, shortage: short() }),
        Awaited::OldSlotQuiet,
        Awaited::OldSlotAlone { entrances: vec![foul()] },
        Awaited::Switch,
        Awaited::Hook(HookWait { deployment: foul(), stage: foul(), hook: foul(), region: foul() }),
        Awaited::SwitchLanded,
    ]
}

fn closed(text: &str) -> Closed {
    let when = Interval { from: at(0), to: at(300) };
    Closed { by: ClosedBy::Freeze(Frozen { when, reason: text.to_owned() }), opens: Some(at(600)) }
}

/// Every reason for a pause, with `text` wherever text is not ours.
pub(super) fn pauses_of(text: &str) -> Vec<PausedFor> {
    let foul = || text.to_owned();
    vec![
        paused_by(text),
        PausedFor::Person { by: foul(), reason: None },
        PausedFor::Signal(foul()),
        PausedFor::Breach(Box::new(Reason::DeadMan(SwitchSeen::Wrote(foul())))),
        PausedFor::ForeignWrite { to: Foreign::Rule, found: foul() },
        PausedFor::ForeignWrite { to: Foreign::Service(Role::Stable), found: foul() },
        PausedFor::Capacity { candidate: short(), stable: short() },
        PausedFor::Window(closed(text)),
    ]
}

/// Every reason for which a request changes nothing, with `text` wherever text is not ours.
pub(super) fn objections_of(text: &str) -> Vec<Objection> {
    let foul = || text.to_owned();
    let approval = |step| Approval { step, release: foul(), undecided: Vec::new() };
    vec![
        Objection::NotBegun,
        Objection::GoesBack,
        Objection::Committed,
        Objection::BackAfterCommit,
        Objection::Over,
        Objection::NotForward,
        Objection::NotPaused,
        Objection::Paused(paused_by(text)),
        Objection::Closed(closed(text)),
        Objection::NothingToApprove,
        Objection::Undecided(vec![(foul(), Evidence::NoReading)]),
        Objection::OtherApproval { approves: approval(0), waits: approval(1) },
        Objection::NoReason,
        Objection::NoWindows,
        Objection::GlassBroken(foul()),
        Objection::NothingClosed,
        Objection::Promoted(foul()),
        Objection::Breach(KnownBreach::Held(paused_by(text))),
        Objection::Breach(KnownBreach::Gate { gate: foul(), evidence: Evidence::Said(foul()) }),
        Objection::NothingToSkip,
        Objection::NothingToSpare,
        Objection::NotCommitted,
        Objection::TakesTasks,
        Objection::TasksNotOurs,
    ]
}

/// Every kind of notice, with foul text wherever text is not ours.
pub(super) fn all() -> Vec<Notice> {
    all_of(FOUL)
}

/// Every kind of notice, with `text` wherever text is not ours.
pub(super) fn all_of(text: &str) -> Vec<Notice> {
    let foul = || text.to_owned();
    let stopped = vec![Stopped { task: foul(), at: START, reason: foul(), task_definition: foul() }];
    let seen = Capacity { desired: 4, running: 3, healthy: 2, failed: 1, stopped, ..Capacity::default() };
    let fault = |kind| Notice::Trouble(Fault::new(kind, text, text));
    let judged = |outcome| Notice::Judged { gate: foul(), verdict: verdict(outcome, text) };
    let mut all = vec![
        Notice::Started { by: foul() },
        Notice::Recovered { by: foul(), epoch: 2 },
        Notice::StepStarted(3),
        Notice::StepStarted(99),
        Notice::StepPassed { step: 3, took: millis(1_500), undecided: Vec::new() },
        Notice::StepPassed { step: 3, took: millis(1_500), undecided: vec![foul()] },
        Notice::Registered(foul()),
        Notice::CapacityChanged { role: Role::Candidate, seen, wanted: 4 },
        Notice::Shifted { share: share(25), took: millis(400) },
        judged(GateOutcome::Pass),
        judged(GateOutcome::Fail),
        judged(GateOutcome::Inconclusive),
        Notice::Probed { gate: foul(), right: true, text: foul() },
        Notice::Probed { gate: foul(), right: false, text: foul() },
        Notice::AwaitingApproval { message: foul(), until: at(600) },
        Notice::Approved { by: foul() },
        Notice::Promoting { by: foul(), reason: Some(foul()) },
        Notice::BrokeGlass(Glass { by: foul(), reason: foul() }),
        Notice::Skipped { step: 4, by: foul() },
        Notice::Continued { by: foul() },
        Notice::ForeignWrite { to: Foreign::Rule, found: foul(), expected: share(25) },
        Notice::ForeignWrite { to: Foreign::Service(Role::Stable), found: foul(), expected: share(25) },
        fault(FaultKind::Transient),
        fault(FaultKind::Unknown),
        fault(FaultKind::Missing),
        fault(FaultKind::Denied),
        fault(FaultKind::Expired),
        fault(FaultKind::Permanent),
        Notice::TrafficBack { took: millis(600) },
        Notice::Quiet { role: Role::Stable },
        Notice::Scaled { role: Role::Candidate, count: 1 },
        Notice::ScalingHeld,
        Notice::ScalingFreed,
        Notice::Armed { at: at(300) },
        Notice::Disarmed,
        Notice::Committed,
        Notice::Counted(Served { requests: 1_204, failed: 238, since_full: None }),
        Notice::StillLed { until: at(1) },
        Notice::BackDenied { fault: Fault::new(FaultKind::Denied, "ModifyRule", foul()), until: at(600) },
        Notice::RuleDiffers { found: foul(), instead: None },
        Notice::RuleDiffers { found: foul(), instead: Some(foul()) },
        Notice::CarriedOn { share: share(25) },
        Notice::Finished(Outcome::Promoted),
    ];
    all.extend(undone_of(text).into_iter().map(|what| Notice::LeftUndone { what }));
    all.extend(stays_off_of(text).into_iter().map(|why| Notice::StickinessOff { why }));
    all.extend(leaving_of(text).into_iter().map(|why| Notice::HandedOver { why }));
    let stranded = |why| Notice::Finished(Outcome::Stranded { reason: None, why });
    all.extend(stranding_of(text).into_iter().map(stranded));
    all.extend(awaited_of(text).into_iter().map(|on| Notice::Waiting { on }));
    all.extend(pauses_of(text).into_iter().map(|why| Notice::Paused { why, until: at(600) }));
    let refused = |why| Notice::Refused { request: OperatorRequest::Approve, by: foul(), why };
    all.extend(objections_of(text).into_iter().map(refused));
    all.extend(reasons_of(text).into_iter().map(|reason| Notice::Retreating { reason }));
    all.extend(reasons_of(text).into_iter().map(|reason| Notice::Finished(Outcome::RolledBack(reason))));
    all
}

/// A rollout that a gate sends back.
pub(super) fn story() -> Vec<(Timestamp, Notice)> {
    let judged = |outcome, evidence: &str| Notice::Judged {
        gate: "candidate-errors".to_owned(),
        verdict: verdict(outcome, evidence),
    };
    let seen = Capacity { desired: 4, running: 4, healthy: 2, ..Capacity::default() };
    vec![
        (at(0), Notice::Started { by: "alice@ci".to_owned() }),
        (at(0), Notice::StepStarted(1)),
        (at(10), Notice::CapacityChanged { role: Role::Candidate, seen, wanted: 4 }),
        (at(21), Notice::StepPassed { step: 1, took: millis(21_300), undecided: Vec::new() }),
        (at(21), Notice::StepStarted(3)),
        (at(22), Notice::Shifted { share: share(25), took: millis(400) }),
        (at(22), Notice::StepStarted(4)),
        (at(82), judged(GateOutcome::Pass, "0.2 against at most 1")),
        (at(142), judged(GateOutcome::Fail, "19.8 against at most 1 at 14:06:00")),
        (at(142), Notice::Retreating { reason: breach() }),
        (at(143), Notice::TrafficBack { took: millis(600) }),
        (at(443), Notice::Quiet { role: Role::Candidate }),
        (at(444), Notice::Counted(Served { requests: 1_204, failed: 238, since_full: None })),
        (at(445), Notice::Scaled { role: Role::Candidate, count: 0 }),
        (at(445), Notice::Finished(Outcome::RolledBack(breach()))),
    ]
}

/// In the middle of the first hold.
pub(super) fn progress() -> Progress {
    Progress {
        registered: None,
        step: 4,
        doing: Doing::Holding,
        wanted: share(25),
        configured: Some(share(25)),
        observed: None,
        until: Some(at(334)),
        verdicts: vec![
            Some(verdict(GateOutcome::Pass, "4 of 4 tasks healthy")),
            Some(verdict(GateOutcome::Inconclusive, "no datapoints yet")),
            Some(verdict(GateOutcome::Pass, "OK since 13:02:11")),
            None,
        ],
        healthy: Some([(4, 4), (4, 4)]),
        unproven: Some(1),
        waiting: None,
        goes_back: Some(at(1_222)),
        paused: None,
        promoted_by: None,
        glass: None,
        reason: None,
        fires: None,
        committed: false,
        served: None,
    }
}

/// After [`story`].
pub(super) fn progress_back() -> Progress {
    let served = Some(Served { requests: 1_204, failed: 238, since_full: None });
    Progress {
        step: plan().steps.len(),
        doing: Doing::RolledBack,
        wanted: Share::NONE,
        configured: Some(Share::NONE),
        until: None,
        unproven: None,
        goes_back: None,
        reason: Some(breach()),
        served,
        ..progress()
    }
}
