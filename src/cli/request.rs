//! `tidegate pause`, `continue`, `approve`, `promote`: a person's request to the runner of a rollout.

use std::time::Duration;

use super::context::{Context, Found};
use super::exit::CommandAim;
use super::follow::{Followed, Follower};
use super::people::whoami;
use super::promote;
use super::{Exit, Failure, terminal};
use crate::domain::approval::Approval;
use crate::domain::clock::{Timestamp, span};
use crate::journal;
use crate::machine::{Machine, Notice, OperatorRequest, Outcome};
use crate::report::{self, Lines, Stream};
use crate::store::LeftRequest;

/// How long a running runner has to take a request up, in wall time.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// How long a way back, or the way to the commit, is followed, in wall time; the runner goes on with it all the same.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(3600);

/// A request to a rollout.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The rollout: its whole id, or its spec's whole name or path [default: the only one on an account that is not over].
    pub(super) rollout: Option<String>,
    /// Why; it is kept with the rollout.
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(context: &Context, request: OperatorRequest, args: Args) -> Result<Exit, Failure> {
    act(context, (request, Vec::new()), args).await
}

async fn act(
    context: &Context,
    (request, undecided): (OperatorRequest, Vec<String>),
    args: Args,
) -> Result<Exit, Failure> {
    let stores = context.stores(None).await?;
    let found = stores.find_to_act(args.rollout.as_deref()).await?.remembered_by(context);
    let plan = journal::header(&found.store, &found.id).await?.plan;
    found.introduce(context, &plan);
    let driver = found.driver(&plan).await;
    if driver.is_none() {
        let id = &found.id;
        let recorded = journal::read(&found.store, id).await?;
        if let Some(outcome) = journal::replay(plan, &recorded.records).outcome() {
            let failure = Failure::new(Exit::Refused, format!("rollout {id} is over: {}", ended(outcome)));
            return Err(failure.hint(format!("`tidegate status {id}` says how it ended")));
        }
        let failure = Failure::new(
            Exit::HandedOver,
            format!("nobody drives rollout {id}, so nobody hears `{}`", request.as_str()),
        );
        return Err(failure.hint(format!("`tidegate resume {id}` goes on with it")));
    }
    if let (OperatorRequest::Promote, Some(owner)) = (request, &driver) {
        let recorded = journal::read(&found.store, &found.id).await?;
        let machine = journal::replay(plan, &recorded.records);
        promote::confirm(context, (&found, &machine), (&owner.by, args.reason.as_deref(), args.yes))?;
    }
    tell_runner(context, &found, (request, undecided), args.reason).await
}

/// `approve`, which passes what its gates have decided.
#[derive(Debug, clap::Args)]
pub(super) struct Approve {
    #[command(flatten)]
    pub(super) args: Args,
    /// Pass the step although these gates have not decided; several are parted by commas.
    #[arg(long, value_name = "GATE", value_delimiter = ',')]
    undecided: Vec<String>,
}

pub(super) async fn approve(context: &Context, args: Approve) -> Result<Exit, Failure> {
    let Approve { args, undecided } = args;
    act(context, (OperatorRequest::Approve, undecided), args).await
}

/// `continue`, which a closed window keeps from going on unless it is overruled.
#[derive(Debug, clap::Args)]
pub(super) struct Continue {
    #[command(flatten)]
    pub(super) args: Args,
    /// Overrule the windows for the rest of this rollout, and say why; it is kept with the rollout and told.
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    break_glass: Option<String>,
}

pub(super) async fn go_on(context: &Context, args: Continue) -> Result<Exit, Failure> {
    let Continue { args, break_glass } = args;
    let Some(reason) = break_glass else { return run(context, OperatorRequest::Continue, args).await };
    let (rollout, yes) = (args.rollout.clone(), args.yes);
    run(context, OperatorRequest::BreakGlass, Args { rollout, reason: Some(reason), yes }).await?;
    let stores = context.stores(None).await?;
    let found = stores.find_to_act(args.rollout.as_deref()).await?.remembered_by(context);
    let recorded = journal::read(&found.store, &found.id).await?;
    let paused = journal::replay(recorded.header.plan, &recorded.records).progress().paused;
    if paused.is_some() { run(context, OperatorRequest::Continue, args).await } else { Ok(Exit::Done) }
}

/// How a rollout ended, in a few requests.
pub(super) fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Promoted => "promoted".to_owned(),
        Outcome::RolledBack(reason) => format!("rolled back, {}", report::reason(reason)),
        Outcome::Stranded { why, .. } => format!("stranded, {}", report::stranding(why)),
    }
}

/// Leaves the request for the runner and follows what comes of it.
pub(super) async fn tell_runner(
    context: &Context,
    found: &Found,
    (request, undecided): (OperatorRequest, Vec<String>),
    reason: Option<String>,
) -> Result<Exit, Failure> {
    let mut follower = Follower::at_end(found).await?;
    let at = found.now(context, follower.machine());
    let by = whoami(context);
    let approves = (request == OperatorRequest::Approve).then(|| approval(follower.machine(), undecided));
    let told = LeftRequest { request: request.as_str().to_owned(), by: by.clone(), reason, at, approves };
    found.store.leave_word(&found.id, told).await?;
    let mut refusal = None;
    let mut lines = Lines::new(Box::new(std::io::stderr()), terminal::stderr_style(context), None);
    let mut stream = context.json().then(|| Stream::new(Box::new(std::io::stdout())));
    let mut tell = |at: Timestamp, notice: &Notice, machine: &Machine| match &mut stream {
        Some(stream) => stream.write(at, notice, machine.plan()),
        None => lines.write(at, notice, machine.plan()),
    };
    let mut within = if matches!(request, OperatorRequest::Rollback | OperatorRequest::Abort) {
        FOLLOWED_WITHIN
    } else {
        TAKEN_WITHIN
    };
    let answered = |notice: &Notice| match notice {
        Notice::Refused { request: refused, by: whose, why } if *refused == request && *whose == by => {
            refusal = Some(report::objection(why));
            true
        }
        notice => answers(request, notice),
    };
    let clock = context.clock();
    let mut end = follower.until((within, &clock), &mut tell, answered).await?;
    if let Some(why) = refusal {
        return Err(Failure::new(Exit::Refused, format!("the runner did not {}: {why}", request.as_str())));
    }
    if request == OperatorRequest::Promote && end == Followed::Done && promote::is_under_way(follower.machine()) {
        within = FOLLOWED_WITHIN;
        end = follower.until((within, &clock), &mut tell, promote::is_settled).await?;
    }
    match end {
        Followed::Done if request == OperatorRequest::Promote => Ok(promote::exit(follower.machine())),
        Followed::Done => {
            let outcome = follower.machine().outcome();
            Ok(outcome.map_or(Exit::Done, |outcome| Exit::of_asked(outcome, CommandAim::Request)))
        }
        Followed::RunnerGone => {
            let failure = Failure::new(Exit::HandedOver, "the runner is gone and has not answered");
            Err(failure.hint(format!("`tidegate resume {}` goes on; it hears the word then", found.id)))
        }
        Followed::TimedOut => {
            let failure = Failure::new(Exit::HandedOver, format!("the runner has not answered for {}", span(within)));
            Err(failure.hint(format!("`tidegate status {}` says where it stands", found.id)))
        }
    }
}

/// What an approval is for: the step that waits now, as the journal has it.
fn approval(machine: &Machine, undecided: Vec<String>) -> Approval {
    let release = machine.plan().release.name().to_owned();
    Approval { step: machine.progress().step, release, undecided }
}

/// Whether a notice is what the request asked for.
fn answers(request: OperatorRequest, notice: &Notice) -> bool {
    match request {
        OperatorRequest::Rollback => matches!(notice, Notice::TrafficBack { .. } | Notice::Finished(_)),
        OperatorRequest::Abort | OperatorRequest::Spare => matches!(notice, Notice::Finished(_)),
        OperatorRequest::Pause => matches!(notice, Notice::Paused { .. }),
        OperatorRequest::Continue => matches!(notice, Notice::Continued { .. }),
        OperatorRequest::Approve => matches!(notice, Notice::Approved { .. }),
        OperatorRequest::Promote => matches!(notice, Notice::Promoting { .. }),
        OperatorRequest::BreakGlass => matches!(notice, Notice::BrokeGlass(_)),
    }
}
