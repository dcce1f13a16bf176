//! Why a rollout goes back, waits, is paused, or cannot do what a person asks: in words for people, and in words and
//! numbers for programs.

use serde_json::{Value, json};

use super::evidence::{evidence, measured};
use super::fields::{fault_fields, moment, percent, seconds, verdict_word};
use super::rescue::quote;
use crate::domain::approval::Approval;
use crate::domain::clock::span;
use crate::domain::fleet::{Role, Stopped};
use crate::domain::window::{Closed, ClosedBy};
use crate::gate::Outcome as GateOutcome;
use crate::machine::{
    Awaited, BEHIND_WITHIN, DeploymentEnd, EndSeen, Foreign, HookWait, KnownBreach, Lack, Leaving, Objection, Overdue,
    PausedFor, Reason, Shortage, Stranding, SwitchSeen,
};

/// Why a rollout goes back, with foreign text as it came.
pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Breach { gate, evidence: found, outcome: GateOutcome::Inconclusive } => {
            format!("gate {gate} did not pass in time ({})", evidence(found))
        }
        Reason::Breach { gate, evidence: found, .. } => format!("gate {gate} failed ({})", evidence(found)),
        Reason::Capacity(shortage) => format!("the candidate lost capacity: {}", lost(*shortage)),
        Reason::TimeLimit(overdue) => format!("time limit: {}", overdue_words(overdue)),
        Reason::Operator { request, by, reason } => {
            let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            format!("{} by {by}{reason}", request.as_str())
        }
        Reason::Signal(signal) => stopped_by(signal),
        Reason::ForeignWrite { found } => format!("somebody else changed the target: {found}"),
        Reason::DeadMan(seen) => format!("the dead-man's switch gave the traffic back ({})", switch_seen(seen)),
        Reason::Deployment(end) => format!("AWS's own deployment went back ({})", deployment_end(end)),
        Reason::Refused(fault) => format!("AWS refused what the plan needs ({fault})"),
        Reason::Store(fault) => format!("the journal could not be written ({fault})"),
        Reason::Blind(fault) => format!("the rule could not be read for too long ({fault})"),
    }
}

/// What the candidate lost.
pub(super) fn lost(Shortage { healthy, need, share }: Shortage) -> String {
    format!("{healthy} healthy candidate tasks, {need} needed for {share}")
}

fn stopped_by(signal: &str) -> String {
    format!("the runner was stopped by {signal}")
}

fn overdue_words(overdue: &Overdue) -> String {
    match overdue {
        Overdue::Step { title, within, lacked } => {
            let lacked = lacked.as_ref().map_or(String::new(), |lack| format!("; it lacked {}", lacks(lack)));
            format!("{title} was not done within {}{lacked}", span(*within))
        }
        Overdue::Hook { hook, stage, within } => {
            format!("nobody answered hook {hook} of the service's own in {stage} within {}", span(*within))
        }
        Overdue::Pause(within) => format!("nobody said how to go on within {}", span(*within)),
        Overdue::Credentials(within) => format!("nobody renewed the credentials within {}", span(*within)),
    }
}

fn switch_seen(seen: &SwitchSeen) -> String {
    match seen {
        SwitchSeen::Due(at) => format!("nobody pushed it on before {}", at.time_of_day()),
        SwitchSeen::Gone => "its schedule is gone".to_owned(),
        SwitchSeen::Wrote(found) => found.clone(),
    }
}

fn deployment_end(DeploymentEnd { seen, last_stop }: &DeploymentEnd) -> String {
    let seen = match seen {
        EndSeen::Said(why) => why.clone(),
        EndSeen::GivenUp { service, why } => format!("ECS gave up the release on {service}: {why}"),
        EndSeen::NoTasks { service } => {
            format!("{service} has no tasks of the release any more, and nobody here took them")
        }
        EndSeen::Reverted { service, runs } => format!(
            "{service} is back on {runs}, where nobody here sent it: its circuit breaker, an alarm or a person ended \
             the deployment of the release"
        ),
    };
    match last_stop {
        Some(Stopped { task, reason, .. }) => format!("{seen}; its task {task} stopped: {reason}"),
        None => seen,
    }
}

/// How AWS's own deployment ended, for programs.
fn deployment_fields(end: &DeploymentEnd) -> Value {
    let mut fields = match &end.seen {
        EndSeen::Said(said) => json!({"seen": "said", "said": said}),
        EndSeen::GivenUp { service, why } => json!({"seen": "given_up", "service": service, "said": why}),
        EndSeen::NoTasks { service } => json!({"seen": "no_tasks", "service": service}),
        EndSeen::Reverted { service, runs } => json!({"seen": "reverted", "service": service, "runs": runs}),
    };
    let stop = |stop: &Stopped| json!({"task": stop.task, "at": moment(stop.at), "said": stop.reason});
    fields["last_stop"] = json!(end.last_stop.as_ref().map(stop));
    fields["why"] = json!(deployment_end(end));
    fields
}

/// Why a rollout that needs a person does not end, with foreign text as it came.
pub fn stranding(why: &Stranding) -> String {
    match why {
        Stranding::ChangedAfterCommit { found } => {
            format!("the target was changed after the commit ({found}); the old stable slot keeps its tasks")
        }
        Stranding::Late { last } => {
            let last = last.as_ref().map_or(String::new(), |fault| format!("; the last answer was {fault}"));
            format!("the traffic could not be taken back within the limit{last}")
        }
        Stranding::Refused(fault) => fault.to_string(),
        Stranding::Replaced { by, found } => {
            format!("the rule was deleted, and {by}, which is somebody else's, stands in its place: {found}")
        }
        Stranding::Overwritten { found } => format!("somebody else keeps writing the rule: {found}"),
    }
}

/// Why a runner leaves a rollout that is not finished, with foreign text as it came.
pub fn leaving(why: &Leaving) -> String {
    match why {
        Leaving::TakenOver { by } => format!("{by} took over"),
        Leaving::StoppedAfterCommit(signal) => format!("{signal}; all traffic is on the candidate"),
        Leaving::Stopped { signal, share, fires } => {
            let until = fires.map_or(String::new(), |at| {
                format!(" until the dead-man's switch fires at {}, unless somebody takes over", at.time_of_day())
            });
            format!("{signal}; the candidate keeps {share}{until}")
        }
        Leaving::Journal(said) => format!("the journal cannot be written: {said}"),
    }
}

/// Why a runner leaves, for programs.
pub(super) fn leaving_fields(of: &Leaving) -> Value {
    let (kind, mut fields) = match of {
        Leaving::TakenOver { by } => ("taken_over", json!({"to": by})),
        Leaving::StoppedAfterCommit(signal) => ("signal", json!({"signal": signal, "share_percent": 100})),
        Leaving::Stopped { signal, share, fires } => {
            ("signal", json!({"signal": signal, "share_percent": percent(*share), "fires": fires.map(moment)}))
        }
        Leaving::Journal(_) => ("journal", json!({})),
    };
    fields["kind"] = json!(kind);
    fields["why"] = json!(leaving(of));
    fields
}

/// What a rollout waits for, with foreign text as it came.
pub(super) fn awaited(awaited: &Awaited) -> String {
    match awaited {
        Awaited::Gate { gate, evidence: found } => format!("gate {gate}: {}", evidence(found)),
        Awaited::Lack(lack) => lacks(lack),
        Awaited::Journal(share) => format!(
            "the journal cannot be written; the candidate keeps {share} until it can, for {} at most",
            span(BEHIND_WITHIN)
        ),
        Awaited::Credentials { share, fires } => {
            let unless = fires.map_or(String::new(), |at| {
                format!(", unless the dead-man's switch takes it back at {}", at.time_of_day())
            });
            format!("the credentials have ended; the candidate keeps {share} until they are renewed{unless}")
        }
        Awaited::StableTarget { running, wanted } => {
            format!("the stable slot has no healthy target ({running} of {wanted} tasks running)")
        }
        Awaited::OldSlotQuiet => "the proof that the old stable slot has no requests left".to_owned(),
        Awaited::OldSlotAlone { entrances } => {
            format!("the end of what else leads to the old stable slot: {}", entrances.join("; "))
        }
        Awaited::Switch => "the dead-man's switch, which could fire before the write".to_owned(),
        Awaited::SwitchLanded => "the moment from which on the dead-man's switch can write no more".to_owned(),
        Awaited::Hook(HookWait { deployment, stage, hook, region }) => format!(
            "ECS waits in {stage} at hook {hook} of the service's own, for whoever says `aws ecs \
             continue-service-deployment --region {region} --service-deployment-arn {deployment} --hook-id {hook} \
             --action CONTINUE`"
        ),
    }
}

fn lacks(lack: &Lack) -> String {
    match lack {
        Lack::Release { runs } => format!("the release on the candidate's service, which runs {runs}"),
        Lack::SecondLook { runs } => format!("a second look at the stable slot, whose service runs {runs}"),
        Lack::Tasks(Role::Candidate, Shortage { healthy, need, .. }) => {
            format!("{need} healthy candidate tasks, {healthy} seen")
        }
        Lack::Tasks(Role::Stable, shortage) => stable_lacks(*shortage),
        Lack::Grown { stable, shortage: Shortage { healthy, need, .. } } => {
            format!("{need} healthy candidate tasks (the stable slot has {stable} by now), {healthy} seen")
        }
    }
}

fn stable_lacks(Shortage { healthy, need, share }: Shortage) -> String {
    format!("{need} healthy stable tasks for {share}, {healthy} seen")
}

/// Why a rollout is paused, with foreign text as it came.
pub fn paused(why: &PausedFor) -> String {
    match why {
        PausedFor::Person { by, reason: Some(reason) } => format!("paused by {by}: {reason}"),
        PausedFor::Person { by, reason: None } => format!("paused by {by}"),
        PausedFor::Signal(signal) => stopped_by(signal),
        PausedFor::Breach(breach) => reason(breach),
        PausedFor::ForeignWrite { to: Foreign::Rule, found } => format!("somebody else wrote the rule: {found}"),
        PausedFor::ForeignWrite { to: Foreign::Service(_), found } => {
            format!("somebody else deployed to a slot: {found}")
        }
        PausedFor::Capacity { candidate, stable } => {
            format!("both slots are short of tasks: {}; {}", lost(*candidate), stable_lacks(*stable))
        }
        PausedFor::Window(closed) => closed.text(),
    }
}

/// Why a person's request changes nothing, with foreign text as it came.
pub fn objection(objection: &Objection) -> String {
    let text = match objection {
        Objection::NotBegun => "it has not begun",
        Objection::GoesBack => "it is going back already",
        Objection::Committed => "it is committed",
        Objection::BackAfterCommit => "it is committed: going back is a new rollout",
        Objection::Over => "it is over",
        Objection::NotForward => "it is not on its way forward",
        Objection::NotPaused => "it is not paused",
        Objection::Paused(why) => return format!("it is paused: {}", paused(why)),
        Objection::Closed(closed) => {
            return format!("{}; only `--break-glass REASON` overrules that", closed.text());
        }
        Objection::NothingToApprove => "it does not wait for an approval",
        Objection::OtherApproval { approves, waits } => {
            let words = |Approval { step, release, .. }: &Approval| format!("step {} of release {release}", step + 1);
            return format!("it approves {}, and {} waits", words(approves), words(waits));
        }
        Objection::Undecided(gates) => {
            let said: Vec<String> = gates.iter().map(|(gate, found)| format!("{gate} ({})", evidence(found))).collect();
            let names: Vec<&str> = gates.iter().map(|(gate, _)| gate.as_str()).collect();
            let (said, names) = (said.join(", "), names.join(","));
            return format!("undecided: {said}; to pass it all the same, say `--undecided {}`", quote(&names));
        }
        Objection::NoReason => "it has to say why",
        Objection::NoWindows => "it has no windows",
        Objection::GlassBroken(by) => return format!("{by} has overruled its windows already"),
        Objection::NothingClosed => "it is not on its way forward, and nothing else is ever closed",
        Objection::Promoted(by) => return format!("{by} has promoted it already"),
        Objection::Breach(breach) => {
            let breach = match breach {
                KnownBreach::Held(why) => paused(why),
                KnownBreach::Gate { gate, evidence: found } => format!("gate {gate} fails ({})", evidence(found)),
            };
            return format!("{breach}; only with a reason, by --reason, is that overruled");
        }
        Objection::NothingToSkip => "no step is left that could be skipped",
        Objection::NothingToSpare => "it takes no tasks away now",
        Objection::NotCommitted => "it is not committed: a rollback takes the traffic back",
        Objection::TakesTasks => "it takes the old tasks away already",
        Objection::TasksNotOurs => "the old tasks are not in its hand",
    };
    text.to_owned()
}

/// What a rollout waits for, for programs.
pub(super) fn awaited_fields(on: &Awaited) -> Value {
    let (kind, mut fields) = match on {
        Awaited::Gate { gate, evidence } => ("gate", json!({"gate": gate, "measured": measured(evidence)})),
        Awaited::Lack(Lack::Release { runs }) => ("release", json!({"runs": runs})),
        Awaited::Lack(Lack::SecondLook { runs }) => ("second_look", json!({"runs": runs})),
        Awaited::Lack(Lack::Tasks(role, shortage)) => {
            ("tasks", json!({"role": role.to_string(), "shortage": shortage_fields(*shortage)}))
        }
        Awaited::Lack(Lack::Grown { stable, shortage }) => {
            ("grown", json!({"stable": stable, "shortage": shortage_fields(*shortage)}))
        }
        Awaited::Journal(share) => ("journal", json!({"share_percent": percent(*share)})),
        Awaited::Credentials { share, fires } => {
            ("credentials", json!({"share_percent": percent(*share), "fires": fires.map(moment)}))
        }
        Awaited::StableTarget { running, wanted } => ("stable_target", json!({"running": running, "wanted": wanted})),
        Awaited::OldSlotQuiet => ("quiet", json!({})),
        Awaited::OldSlotAlone { entrances } => ("entrances", json!({"entrances": entrances})),
        Awaited::Switch => ("switch", json!({})),
        Awaited::SwitchLanded => ("switch_landed", json!({})),
        Awaited::Hook(HookWait { deployment, stage, hook, .. }) => {
            ("hook", json!({"deployment": deployment, "stage": stage, "hook": hook}))
        }
    };
    fields["kind"] = json!(kind);
    fields
}

/// A shortage, for programs.
pub(super) fn shortage_fields(Shortage { healthy, need, share }: Shortage) -> Value {
    json!({"healthy": healthy, "need": need, "share_percent": percent(share)})
}

/// Why a rollout is paused, for programs.
pub(super) fn paused_fields(why: &PausedFor) -> Value {
    let (kind, mut fields) = match why {
        PausedFor::Person { by, reason } => ("operator", json!({"by": by, "said": reason})),
        PausedFor::Signal(signal) => ("signal", json!({"signal": signal})),
        PausedFor::Breach(reason) => ("breach", json!({"reason": reason_fields(reason)})),
        PausedFor::ForeignWrite { found, .. } => ("foreign_write", json!({"found": found})),
        PausedFor::Capacity { candidate, stable } => {
            ("capacity", json!({"candidate": shortage_fields(*candidate), "stable": shortage_fields(*stable)}))
        }
        PausedFor::Window(closed) => ("window", closed_fields(closed)),
    };
    fields["kind"] = json!(kind);
    fields
}

/// What is closed, for programs.
fn closed_fields(Closed { by, opens }: &Closed) -> Value {
    let mut fields = match by {
        ClosedBy::Freeze(frozen) => {
            json!({"closed_by": "freeze", "frozen_until": moment(frozen.when.to), "freeze": frozen.reason})
        }
        ClosedBy::NoWindow => json!({"closed_by": "no_window"}),
        ClosedBy::Unknown(from) => json!({"closed_by": "unknown", "known_until": moment(*from)}),
        ClosedBy::Calendar => json!({"closed_by": "calendar"}),
        ClosedBy::UnreadCalendar => json!({"closed_by": "unread_calendar"}),
    };
    fields["opens"] = json!(opens.map(moment));
    fields
}

/// The one word programs know a reason by.
pub(super) fn kind(reason: &Reason) -> &'static str {
    match reason {
        Reason::Breach { .. } => "breach",
        Reason::Capacity(_) => "capacity",
        Reason::Deployment(_) => "deployment",
        Reason::TimeLimit(_) => "time_limit",
        Reason::Operator { .. } => "operator",
        Reason::Signal(_) => "signal",
        Reason::ForeignWrite { .. } => "foreign_write",
        Reason::DeadMan(_) => "dead_man",
        Reason::Refused(_) => "refused",
        Reason::Blind(_) => "blind",
        Reason::Store(_) => "store",
    }
}

/// A reason, for programs.
pub(super) fn reason_fields(of: &Reason) -> Value {
    let mut fields = match of {
        Reason::Breach { gate, evidence: found, outcome } => json!({
            "gate": gate,
            "evidence": evidence(found),
            "measured": measured(found),
            "verdict": verdict_word(*outcome),
        }),
        Reason::Capacity(shortage) => json!({"seen": lost(*shortage), "shortage": shortage_fields(*shortage)}),
        Reason::DeadMan(seen) => json!({"seen": switch_seen(seen)}),
        Reason::Deployment(end) => deployment_fields(end),
        Reason::TimeLimit(overdue) => {
            let (Overdue::Step { within, .. }
            | Overdue::Pause(within)
            | Overdue::Credentials(within)
            | Overdue::Hook { within, .. }) = overdue;
            json!({"what": overdue_words(overdue), "limit_seconds": seconds(*within)})
        }
        Reason::Operator { request, by, reason } => json!({"word": request.as_str(), "by": by, "said": reason}),
        Reason::Signal(signal) => json!({"signal": signal}),
        Reason::ForeignWrite { found } => json!({"found": found}),
        Reason::Refused(fault) | Reason::Blind(fault) | Reason::Store(fault) => json!({"fault": fault_fields(fault)}),
    };
    fields["kind"] = json!(kind(of));
    fields["text"] = json!(reason(of));
    fields
}

#[cfg(test)]
mod tests;
