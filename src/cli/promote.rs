//! Shows and asks what `tidegate promote` needs before it leaves its request, and follows the result.

use super::context::{Context, Found};
use super::{Exit, Failure, terminal};
use crate::domain::text::escape;
use crate::gate::Outcome as GateOutcome;
use crate::machine::{Machine, Notice};
use crate::report::{objection, verdict_line};

/// One screen of what it will do, and one question. Refuses at once what the runner would refuse.
pub(super) fn confirm(
    context: &Context,
    (found, machine): (&Found, &Machine),
    (driver, reason, yes): (&str, Option<&str>, bool),
) -> Result<(), Failure> {
    let reasoned = reason.is_some_and(|reason| !reason.trim().is_empty());
    if let Some(why) = machine.objection_to_promote(reasoned) {
        return Err(Failure::new(Exit::Refused, format!("rollout {} is not promoted: {}", found.id, objection(&why))));
    }
    if yes {
        return Ok(());
    }
    if context.json() || !terminal::can_ask() {
        let failure = Failure::new(Exit::Usage, "cannot ask for confirmation: no terminal");
        return Err(failure.hint(format!("say so in advance: `tidegate promote {} --yes`", found.id)));
    }
    for line in screen(machine, found.id.as_str(), driver) {
        terminal::say(&line);
    }
    if terminal::confirm("Promote it?") {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "nothing was done"))
}

fn screen(machine: &Machine, id: &str, driver: &str) -> Vec<String> {
    let (plan, progress) = (machine.plan(), machine.progress());
    let titles = |steps: Vec<usize>| {
        let titles = steps.into_iter().filter_map(|step| plan.steps.get(step)).map(|step| step.title(&plan.gates));
        titles.collect::<Vec<_>>().join(", ")
    };
    let has = progress.configured.map_or("unknown".to_owned(), |share| share.to_string());
    let skipped = machine.skippable();
    let mut lines = vec![
        format!("rollout    {id}, driven by {}", escape(driver)),
        format!("now        the candidate ({}) has {has}", plan.target.candidate.service),
        format!("skipped    {}", if skipped.is_empty() { "nothing".to_owned() } else { escape(&titles(skipped)) }),
    ];
    let gates = plan.gates.iter().zip(&progress.verdicts).filter(|(gate, _)| gate.is_continuous());
    let doubts = gates.filter(|(_, verdict)| verdict.as_ref().is_none_or(|v| v.outcome != GateOutcome::Pass));
    lines.extend(doubts.map(|(gate, verdict)| format!("no pass    {}", escape(&verdict_line(gate, verdict.as_ref())))));
    lines.push("kept       healthy tasks for every share, probes, and the gates until the commit".to_owned());
    lines.push(format!(
        "after      {} has everything, committed: going back is a new rollout then",
        plan.target.candidate.service
    ));
    lines
}

/// Whether what comes of the word is still to be waited for.
pub(super) fn is_under_way(machine: &Machine) -> bool {
    machine.outcome().is_none() && !machine.is_committed() && machine.progress().paused.is_none()
}

/// Whether a notice ends the wait for what comes of the word.
pub(super) fn is_settled(notice: &Notice) -> bool {
    matches!(notice, Notice::Committed | Notice::Finished(_) | Notice::Paused { .. })
}

/// How the command ends: a rollout that went back all the same is no success.
pub(super) fn exit(machine: &Machine) -> Exit {
    match machine.outcome() {
        Some(outcome) => Exit::of(outcome),
        None if machine.is_committed() => Exit::Done,
        None => Exit::HandedOver,
    }
}
