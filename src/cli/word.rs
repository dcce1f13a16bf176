//! `tidegate rollback`, `abort`, `pause`, `continue`, `approve`: a person's word to a rollout.

use std::time::Duration;

use super::context::{Context, Found, is_driven};
use super::follow::{Followed, Follower};
use super::people::whoami;
use super::resume::take_over;
use super::{Exit, Failure, terminal};
use crate::clock::span;
use crate::journal;
use crate::machine::{Machine, Notice, Outcome, Word};
use crate::report::{Lines, Stream};
use crate::store::Told;

/// How long a running runner has to take a word up, in wall time.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// How long a way back is followed, in wall time; the runner goes on with it all the same.
const BACK_WITHIN: Duration = Duration::from_secs(3600);

/// A word to a rollout.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The rollout: its id, the beginning of one, or a spec's name for the newest [default: the newest
    /// that is not over].
    rollout: Option<String>,
    /// Why; it is kept with the rollout.
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(context: &Context, word: Word, args: Args) -> Result<Exit, Failure> {
    let stores = context.stores()?;
    let found = stores.find(args.rollout.as_deref())?;
    let tape = journal::read(&found.entry.tape())?;
    let machine = journal::replay(tape.header.plan.clone(), &tape.records);
    if matches!(word, Word::Rollback | Word::Abort) {
        if let Some(exit) = settled(context, &found, &machine)? {
            return Ok(exit);
        }
        confirm(context, &args, &found, &machine)?;
        if !is_driven(&found) {
            return back_without_runner(context, &found, word, args.reason).await;
        }
    } else if !is_driven(&found) {
        let id = &found.entry.id;
        if let Some(outcome) = machine.outcome() {
            let failure = Failure::new(Exit::Refused, format!("rollout {id} is over: {}", ended(outcome)));
            return Err(failure.hint(format!("`tidegate status {id}` says how it ended")));
        }
        let failure =
            Failure::new(Exit::HandedOver, format!("nobody drives rollout {id}, so nobody hears `{}`", word.as_str()));
        return Err(failure.hint(format!("`tidegate resume {id}` goes on with it")));
    }
    tell_runner(context, &found, word, args.reason).await
}

/// What a rollback of a rollout that is over comes to.
fn settled(context: &Context, found: &Found<'_>, machine: &Machine) -> Result<Option<Exit>, Failure> {
    let id = &found.entry.id;
    match machine.outcome() {
        Some(Outcome::RolledBack(reason)) => {
            let text = format!("already on stable since {}: {reason}", machine.now());
            say(context, &text)?;
            Ok(Some(Exit::Done))
        }
        Some(Outcome::Promoted) => {
            let failure = Failure::new(Exit::Refused, format!("rollout {id} was promoted at {}", machine.now()));
            Err(failure.hint("going back is a new rollout now: run the release before as a new one"))
        }
        Some(Outcome::Stranded { .. }) | None => Ok(None),
    }
}

fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Promoted => "promoted".to_owned(),
        Outcome::RolledBack(reason) => format!("rolled back, {reason}"),
        Outcome::Stranded { why, .. } => format!("stranded, {why}"),
    }
}

fn say(context: &Context, text: &str) -> Result<(), Failure> {
    if context.json() {
        return terminal::print_json(&serde_json::json!({"type": "answer", "text": text}));
    }
    terminal::print(&format!("{}\n", crate::text::escape(text)))
}

fn confirm(context: &Context, args: &Args, found: &Found<'_>, machine: &Machine) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let target = &machine.plan().target;
    let now = machine.progress().configured.map_or("unknown".to_owned(), |share| share.to_string());
    if context.json() || !terminal::can_ask() {
        let failure = Failure::new(Exit::Usage, "nobody can be asked here whether to go back");
        return Err(failure.hint(format!("say so in advance: `tidegate rollback {} --yes`", found.entry.id)));
    }
    terminal::say(&format!("rollout    {}, started {}", found.entry.id, machine.started()));
    terminal::say(&format!("where      account {}, {}, cluster {}", target.account, target.region, target.cluster));
    terminal::say(&format!("now        the candidate ({}) has {now}", target.candidate.service));
    terminal::say(&format!("after      the stable slot ({}) has everything", target.stable.service));
    if terminal::confirm("Take the traffic back?") {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "nothing was done"))
}

async fn back_without_runner(
    context: &Context,
    found: &Found<'_>,
    word: Word,
    reason: Option<String>,
) -> Result<Exit, Failure> {
    let ending = take_over(context, found, Some((word, reason))).await?;
    Ok(match ending.outcome {
        Some(Outcome::RolledBack(_)) => Exit::Done,
        Some(Outcome::Promoted) => Exit::Refused,
        Some(Outcome::Stranded { .. }) => Exit::Stranded,
        None => Exit::HandedOver,
    })
}

/// Leaves the word for the runner and follows what comes of it.
async fn tell_runner(
    context: &Context,
    found: &Found<'_>,
    word: Word,
    reason: Option<String>,
) -> Result<Exit, Failure> {
    let mut follower = Follower::at_end(found)?;
    let at = found.now(context, follower.machine());
    let by = whoami(context);
    let told = Told { word: word.as_str().to_owned(), by: by.clone(), reason, at };
    found.store.leave_word(&found.entry.id, &told)?;
    let mut refusal = None;
    let mut lines = Lines::new(Box::new(std::io::stderr()), terminal::stderr_style(context), None);
    let mut stream = context.json().then(|| Stream::new(Box::new(std::io::stdout())));
    let within = if is_back(word) { BACK_WITHIN } else { TAKEN_WITHIN };
    let end = follower
        .until(
            within,
            |at, notice, machine| match &mut stream {
                Some(stream) => stream.write(at, notice, machine.plan()),
                None => lines.write(at, notice, machine.plan()),
            },
            |notice| match notice {
                Notice::Refused { word: refused, by: whose, why } if *refused == word && *whose == by => {
                    refusal = Some(why.clone());
                    true
                }
                notice => answers(word, notice),
            },
        )
        .await?;
    if let Some(why) = refusal {
        return Err(Failure::new(Exit::Refused, format!("the runner did not {}: {why}", word.as_str())));
    }
    match end {
        Followed::RunnerGone if is_back(word) && follower.machine().outcome().is_none() => {
            back_without_runner(context, found, word, told.reason).await
        }
        Followed::Done | Followed::RunnerGone => Ok(exit_of(follower.machine())),
        Followed::TimedOut => {
            Err(Failure::new(Exit::HandedOver, format!("the runner has not answered for {}", span(within)))
                .hint(format!("`tidegate status {}` says where it stands", found.entry.id)))
        }
    }
}

fn is_back(word: Word) -> bool {
    matches!(word, Word::Rollback | Word::Abort)
}

/// Whether a notice is what the word asked for.
fn answers(word: Word, notice: &Notice) -> bool {
    match word {
        Word::Rollback => matches!(notice, Notice::TrafficBack { .. } | Notice::Finished(_)),
        Word::Abort => matches!(notice, Notice::Finished(_)),
        Word::Pause => matches!(notice, Notice::Paused { .. }),
        Word::Continue => matches!(notice, Notice::Continued { .. }),
        Word::Approve => matches!(notice, Notice::Approved { .. }),
    }
}

fn exit_of(machine: &Machine) -> Exit {
    match machine.outcome() {
        Some(Outcome::Stranded { .. }) => Exit::Stranded,
        Some(Outcome::Promoted | Outcome::RolledBack(_)) | None => Exit::Done,
    }
}
