//! `rollback --to`: the way back after a promotion, which is a rollout of an earlier release. It is as short as can be:
//! its tasks healthy first, then all traffic in one step.

use serde_json::json;

use super::args::{Args, ask};
use super::spare;
use crate::cli::context::{Context, Found};
use crate::cli::exit::CommandAim;
use crate::cli::present::fold;
use crate::cli::request::ended;
use crate::cli::run::{Start, Where, refuse_held, roll_out};
use crate::cli::target::{self, Compiled};
use crate::cli::{Exit, Failure, pipeline, terminal};
use crate::domain::clock::span;
use crate::domain::fleet::{Slot, SlotView, Survey};
use crate::domain::name::{last_part, same_definition};
use crate::domain::text::escape;
use crate::journal;
use crate::machine::{Machine, Outcome};
use crate::plan::{Action, Adopt, Plan, Step, Undoes, stable_slot, undoing};

/// The word for the release that was replaced.
const PREVIOUS: &str = "previous";

/// What `--to` of a rollout comes to.
pub(super) enum To {
    /// An ordinary way back: the rollout is not over, or went back itself.
    WayBack,
    /// It was done, or said.
    Done(Exit),
}

/// Goes back to the release that `to` names, where the rollout is over; one that is not over is taken back as ever.
pub(super) async fn run(context: &Context, found: &Found, args: &Args, to: &str) -> Result<To, Failure> {
    let recorded = journal::read(&found.store, &found.id).await?;
    let (machine, _) = fold(&recorded);
    let before = machine.plan();
    found.introduce(context, before);
    // Who says it twice wants to be on the release before, and not on the one that was left.
    let goes_on = to == PREVIOUS && before.undoes.is_some();
    let release = if goes_on { before.release.called().to_owned() } else { release(before, to)? };
    let Some(outcome) = machine.outcome() else {
        if !is_committed_over(&machine, &release) || found.is_lab {
            return unfinished(found, before, &release);
        }
        if !args.dry_run {
            ask(context, args, &format!("{} --to {to}", found.id))?;
        }
        if spare::run(context, found, &machine, args).await? {
            return Box::pin(run(context, found, &Args { yes: true, ..args.clone() }, to)).await;
        }
        return Ok(To::Done(Exit::Done));
    };
    found.refuse_gone_lab()?;
    if to == PREVIOUS && !goes_on && *outcome != Outcome::Promoted {
        return Ok(To::WayBack);
    }
    let aws = context.aws(Some(&before.target.region)).await;
    let clock = context.clock();
    refuse_held(&found.store, &before.target.rule, &clock).await?;
    let spec = undoing(before, release.clone());
    let mut survey = target::surveyed(context, (&aws, &clock), &spec).await?;
    let serving = serving(&survey)?.clone();
    if to == PREVIOUS && !goes_on {
        refuse_others(found, &machine, &serving)?;
    }
    if same_definition(&serving.task_definition, &release) {
        let how = format!("rollout {} is over: {}", found.id, ended(outcome));
        found.answer(
            context,
            before,
            &format!("already on {}: {} has all traffic ({how})", last_part(&release), serving.place.service),
        )?;
        return Ok(To::Done(Exit::Done));
    }
    let folder = std::path::Path::new(".");
    // What else leads to the slots does not keep the traffic where it is: only the tasks behind it are kept. Nor does
    // it matter what exactly runs in the slot that is left.
    (survey.blue.unproven, survey.green.unproven) = (None, None);
    survey.entrances.iter_mut().for_each(|one| one.tolerated = true);
    let Compiled { mut plan, document } = target::compiled(&aws, (&spec, folder), survey, Adopt::Never).await?;
    plan.undoes = Some(Undoes { rollout: found.id.to_string(), reason: args.reason.clone() });
    show(context, found, (&plan, &serving), args)?;
    if args.dry_run {
        return Ok(To::Done(Exit::Done));
    }
    ask(context, args, &format!("{} --to {to}", found.id))?;
    let start = Start {
        store: &found.store,
        aws: &aws,
        clock,
        connect_to: context.connect_to(),
        plan,
        document,
        spec: recorded.header.spec.clone(),
        digest: None,
    };
    let (id, ending) = roll_out(context, start, Where::Account(context.store_url(None)), None).await?;
    let exit = Exit::of_ending(&ending, CommandAim::Release);
    pipeline::last_line(context, id.as_str(), &ending, exit);
    Ok(To::Done(exit))
}

/// The task definition that is meant: the one that the rollout replaced; a revision of its family; or any, by its ARN or
/// as `family:revision`.
fn release(plan: &Plan, to: &str) -> Result<String, Failure> {
    let replaced = &plan.before.stable_task_definition;
    if to == PREVIOUS {
        return Ok(replaced.clone());
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(to) {
        let family = replaced.rsplit_once(':').map_or(replaced.as_str(), |(family, _)| family);
        return Ok(format!("{family}:{to}"));
    }
    let revision = to.rsplit_once(':').map(|(_, revision)| revision);
    if revision.is_some_and(is_number) {
        return Ok(to.to_owned());
    }
    let failure = Failure::new(Exit::Usage, format!("`--to {}` names no release", escape(to)));
    Err(failure.hint("`previous`; or a revision, such as 41, web:41 or a task definition's ARN"))
}

/// Whether the rollout was promoted over this release and only clears up: its own way back is closed.
fn is_committed_over(machine: &Machine, release: &str) -> bool {
    machine.is_committed() && same_definition(&machine.plan().before.stable_task_definition, release)
}

/// A rollout that is not over goes back to what it replaces, and to nothing else.
fn unfinished(found: &Found, plan: &Plan, release: &str) -> Result<To, Failure> {
    let id = &found.id;
    if plan.undoes.is_some() && same_definition(plan.release.called(), release) {
        let failure = Failure::new(Exit::Held, format!("rollout {id} goes back to {} already", last_part(release)));
        return Err(
            failure.hint(format!("`tidegate status {id}` shows it; `tidegate resume {id}` if nobody drives it"))
        );
    }
    if same_definition(&plan.before.stable_task_definition, release) {
        return Ok(To::WayBack);
    }
    let wrong =
        format!("rollout {id} is not over: it goes back to {} only", last_part(&plan.before.stable_task_definition));
    Err(Failure::new(Exit::Refused, wrong).hint(format!("first `tidegate rollback {id}`, then this again")))
}

/// The slot that has all the traffic at this moment.
fn serving(survey: &Survey) -> Result<&SlotView, Failure> {
    match stable_slot(survey) {
        Some(Slot::Blue) => Ok(&survey.blue),
        Some(Slot::Green) => Ok(&survey.green),
        None => {
            let wrong = format!("neither slot has all traffic of {}", survey.rule.arn);
            Err(Failure::new(Exit::Refused, wrong).hint("`tidegate doctor SPEC` shows where it is"))
        }
    }
}

/// "Previous" is what the rollout replaced, as long as what it released is what serves.
fn refuse_others(found: &Found, machine: &Machine, serving: &SlotView) -> Result<(), Failure> {
    let is_ours = serving.place.slot == machine.plan().target.candidate.slot;
    if is_ours && machine.runs_release(&serving.task_definition) {
        return Ok(());
    }
    let wrong = format!(
        "{} ({}) has all traffic, which rollout {} did not give it",
        serving.place.service,
        last_part(&serving.task_definition),
        found.id
    );
    Err(Failure::new(Exit::Refused, wrong).hint("say which release is meant: `--to REVISION`"))
}

/// What it will do, in one screen.
fn show(context: &Context, found: &Found, (plan, serving): (&Plan, &SlotView), args: &Args) -> Result<(), Failure> {
    let (least, most) = until_back(plan);
    let candidate = &plan.target.candidate;
    let titles = || plan.steps.iter().map(|step| step.title(&plan.gates));
    if context.json() {
        if !args.dry_run {
            return Ok(());
        }
        return terminal::print_json(&json!({
            "type": "way_back", "rollout": found.id.as_str(), "from": serving.task_definition,
            "to": plan.release.called(), "least_seconds": least.as_secs(), "most_seconds": most.as_secs(),
            "steps": titles().collect::<Vec<_>>(),
        }));
    }
    let target = &plan.target;
    let at_once = if least.is_zero() { "at once".to_owned() } else { span(least) };
    terminal::say(&format!("rollout    a new one, which goes back from {}", found.id));
    terminal::say(&format!("where      account {}, {}, cluster {}", target.account, target.region, target.cluster));
    terminal::say(&format!(
        "now        {} has everything: {}",
        serving.place.service,
        last_part(&serving.task_definition)
    ));
    terminal::say(&format!("after      {} has everything: {}", candidate.service, last_part(plan.release.called())));
    terminal::say(&format!("takes      {at_once} once its tasks are healthy, {} at most", span(most)));
    for (index, title) in titles().enumerate() {
        let label = if index == 0 { "steps" } else { "" };
        terminal::say(&format!("{label:<11}{:>2}. {title}", index + 1));
    }
    Ok(())
}

/// The least and the most time until all traffic is back.
fn until_back(plan: &Plan) -> (std::time::Duration, std::time::Duration) {
    let is_before = |step: &&Step| !matches!(step.action, Action::Hold(_));
    let steps: Vec<&Step> = plan.steps.iter().take_while(is_before).collect();
    (steps.iter().map(|step| plan.least(step)).sum(), steps.iter().map(|step| step.within).sum())
}
