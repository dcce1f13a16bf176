//! `tidegate resume`: goes on with a rollout whose runner is gone; and the same for a rollback.

use std::path::Path;

use super::context::{Context, Found};
use super::drive::{Drive, claim, drive};
use super::people::whoami;
use super::status::fold;
use super::{Exit, Failure, release, target, terminal};
use crate::clock::Timestamp;
use crate::cloud::alb::ReleaseDocument;
use crate::cloud::aws::Aws;
use crate::engine::{Ending, TapeWriter};
use crate::journal::{self, Journal, JournalError, Tape, TapeEnd};
use crate::machine::{Event, Machine, Outcome, Word};
use crate::plan::{Action, ReleasePlan};

/// Go on with a rollout whose runner is gone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate resume
  tidegate resume web-20261123-140509-0a1b")]
pub(super) struct Args {
    /// The rollout: its id, the beginning of one, or a spec's name for the newest [default: the newest
    /// that is not over].
    rollout: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let stores = context.stores()?;
    let found = stores.find(args.rollout.as_deref())?;
    if let Some(exit) = already_over(context, &found)? {
        return Ok(exit);
    }
    let ending = take_over(context, &found, None).await?;
    Ok(Exit::of_ending(&ending))
}

/// How a rollout that is over ended, told once more: there is nothing to go on with.
fn already_over(context: &Context, found: &Found<'_>) -> Result<Option<Exit>, Failure> {
    let tape = journal::read(&found.entry.tape())?;
    let (machine, summary) = fold(&tape);
    let Some(outcome) = machine.outcome() else { return Ok(None) };
    let id = found.entry.id.as_str();
    if context.json() {
        terminal::print_json(&summary.json(id, machine.plan()))?;
    } else {
        terminal::say(&format!("rollout {id} is over: there is nothing to go on with"));
        terminal::print(&summary.text(id, machine.plan(), terminal::page_style(context)))?;
    }
    Ok(Some(Exit::of(outcome)))
}

/// Takes a rollout over that nobody drives, and drives it to its end: forward, or, with a word, back.
pub(super) async fn take_over(
    context: &Context,
    found: &Found<'_>,
    word: Option<(Word, Option<String>)>,
) -> Result<Ending, Failure> {
    refuse_gone_lab(found)?;
    let id = &found.entry.id;
    let plan = journal::read(&found.entry.tape())?.header.plan;
    let clock = context.clock();
    // Only who holds the target touches the tape: what looks torn may be a line that is being written.
    let held = claim(context, found.store, &plan, (id, &clock))?;
    let Opened { tape, writer } = open(found, word.is_some())?;
    let machine = journal::replay(plan.clone(), &tape.records);
    if let Some(outcome) = over(&machine, word.is_some()) {
        return Ok(Ending { outcome: Some(outcome), handed_over: None });
    }
    let aws = Aws::connect(&context.settings(Some(&plan.target.region))).await;
    let document = if word.is_some() { None } else { document(context, &aws, (&tape, &machine)).await? };
    let cloud = target::driver(context, (&aws, &clock), (&plan, id, epoch(&tape)), document, context.connect_to());
    let (first, then) = events(context, &machine, &tape, word);
    let drive_it =
        Drive { store: found.store, id, machine, first, then, records: tape.records, tape: writer, cloud, clock };
    let ending = drive(context, drive_it).await?;
    drop(held);
    Ok(ending)
}

/// A lab that ran inside a runner went with it: there is nothing left to go on with.
fn refuse_gone_lab(found: &Found<'_>) -> Result<(), Failure> {
    if !found.is_lab {
        return Ok(());
    }
    let wrong = format!("rollout {} ran in a lab inside its runner, which is gone", found.entry.id);
    Err(Failure::new(Exit::Refused, wrong).hint("`tidegate lab` serves a lab that outlives a runner"))
}

fn over(machine: &Machine, goes_back: bool) -> Option<Outcome> {
    let outcome = machine.outcome()?;
    let again = goes_back && matches!(outcome, Outcome::Stranded { .. });
    (!again).then(|| outcome.clone())
}

fn events(
    context: &Context,
    machine: &Machine,
    tape: &Tape,
    word: Option<(Word, Option<String>)>,
) -> (Event, Vec<Event>) {
    let by = whoami(context);
    let recovered = Event::Recovered { by: by.clone(), epoch: epoch(tape) };
    let told = word.map(|(word, reason)| Event::Told { word, by, reason });
    match told {
        // A stranded rollout is over: only the word itself moves it. One that never began must not begin
        // only to go back.
        Some(told) if machine.outcome().is_some() || tape.records.is_empty() => (told, Vec::new()),
        told => (recovered, told.into_iter().collect()),
    }
}

/// Which runner of the rollout the next one is; the first is 1.
fn epoch(tape: &Tape) -> u64 {
    let before = tape.records.iter().filter(|record| matches!(record.event, Event::Recovered { .. })).count();
    before as u64 + 2
}

struct Opened {
    tape: Tape,
    writer: Writer,
}

/// Where the events of a taken-over rollout go: nowhere when a damaged tape cannot be salvaged, because a way
/// back needs no tape.
enum Writer {
    Tape(Journal),
    Nowhere,
}

impl TapeWriter for Writer {
    fn append(&mut self, at: Timestamp, event: &Event) -> Result<(), JournalError> {
        match self {
            Writer::Tape(journal) => journal.append(at, event),
            Writer::Nowhere => Ok(()),
        }
    }
}

fn open(found: &Found<'_>, goes_back: bool) -> Result<Opened, Failure> {
    let path = found.entry.tape();
    match Journal::open(&path) {
        Ok((journal, tape)) => {
            if let TapeEnd::Torn { at, bytes } = &tape.end {
                terminal::say(&format!("the last line of the tape was not whole: {bytes} bytes cut at {at}"));
            }
            let opened = Opened { tape, writer: Writer::Tape(journal) };
            refuse_forward_from_damage(found, &opened.tape, goes_back)?;
            Ok(opened)
        }
        Err(error @ JournalError::Damaged { .. }) if goes_back => {
            terminal::say(&format!("{error}; going back by what was written before it"));
            Ok(salvage(&path)?)
        }
        Err(error @ JournalError::Damaged { .. }) => Err(forward_is_closed(found, error.into())),
        Err(error) => Err(error.into()),
    }
}

fn salvage(path: &Path) -> Result<Opened, JournalError> {
    match Journal::salvage(path) {
        Ok((journal, tape)) => Ok(Opened { tape, writer: Writer::Tape(journal) }),
        Err(error) => {
            terminal::say(&format!("{error}; going back without writing it down"));
            Ok(Opened { tape: journal::read(path)?, writer: Writer::Nowhere })
        }
    }
}

/// What is left of a damaged tape leads back only, whoever comes after the one who began the way back.
fn refuse_forward_from_damage(found: &Found<'_>, tape: &Tape, goes_back: bool) -> Result<(), Failure> {
    if goes_back || !journal::damaged_copy(&found.entry.tape()).exists() {
        return Ok(());
    }
    let machine = journal::replay(tape.header.plan.clone(), &tape.records);
    if machine.is_retreating() || machine.outcome().is_some() {
        return Ok(());
    }
    let wrong = Failure::new(Exit::Refused, format!("the tape of rollout {} was damaged", found.entry.id));
    Err(forward_is_closed(found, wrong))
}

fn forward_is_closed(found: &Found<'_>, wrong: Failure) -> Failure {
    wrong.hint(format!("forward is closed; `tidegate rollback {}` still goes back", found.entry.id))
}

/// The document to register, when that is still to be done: it must be what was planned.
async fn document(
    context: &Context,
    aws: &Aws,
    (tape, machine): (&Tape, &Machine),
) -> Result<Option<ReleaseDocument>, Failure> {
    let plan = &tape.header.plan;
    let ReleasePlan::Register { digest, source } = &plan.release else { return Ok(None) };
    let step = plan.steps.get(machine.progress().step);
    if step.is_none_or(|step| step.action != Action::Register) {
        return Ok(None);
    }
    let path = Path::new(&tape.header.spec);
    let spec = target::spec(context, path).map_err(|failure| {
        let id = &tape.header.id;
        failure.hint(format!(
            "the release is still to be registered, so its spec is needed; `tidegate rollback {id}` needs none"
        ))
    })?;
    let ready = release::prepare(aws, &spec.release, &target::folder(path)).await?;
    match ready.document {
        Some(document) if document.digest() == *digest => Ok(Some(document)),
        _ => Err(Failure::new(Exit::Refused, format!("the release ({source}) is not what was planned any more"))
            .hint("`tidegate rollback` ends this rollout; then run the new one")),
    }
}
