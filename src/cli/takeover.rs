//! What the command line gives a takeover: drivers of the live account, the spec's release, a terminal.

use std::path::Path;

use super::context::{Context, Found};
use super::drivers::Reach;
use super::people::whoami;
use super::{Exit, Failure, release, target, terminal};
use crate::cloud::alb::{AlbDriver, ReleaseDocument, beacon};
use crate::cloud::aws::Aws;
use crate::domain::clock::Clock;
use crate::engine::{Drivers, Mark, Runner, Takeover, TakeoverError};
use crate::journal::Recorded;
use crate::machine::Machine;
use crate::plan::{Action, Plan, ReleasePlan};
use crate::report::TakeoverNotice;

/// Drivers of the account that flags and environment lead to.
pub(super) struct Live<'a>(&'a Context);

/// A takeover by this process, which tells the terminal.
pub(super) fn takeover<'a>(
    context: &'a Context,
    found: &'a Found,
    plan: &'a Plan,
    clock: Clock,
) -> Takeover<'a, Live<'a>, fn(&TakeoverNotice)> {
    let by = whoami(context);
    Takeover { store: &found.store, id: &found.id, plan, by, clock, drivers: Live(context), tell: say }
}

/// Says a notice on the terminal.
pub(super) fn say(notice: &TakeoverNotice) {
    terminal::say(&notice.text());
}

impl Live<'_> {
    async fn connect(&self, plan: &Plan) -> Aws {
        self.0.aws(Some(&plan.target.region)).await
    }

    fn driver(&self, aws: &Aws, plan: &Plan, runner: Runner<'_>, release: Option<ReleaseDocument>) -> AlbDriver {
        Reach { context: self.0, aws, connect_to: self.0.connect_to() }.driver(plan, runner, release)
    }
}

impl Drivers for Live<'_> {
    type Driver = AlbDriver;
    type Refusal = Failure;

    async fn back(&self, plan: &Plan, runner: Runner<'_>) -> AlbDriver {
        self.driver(&self.connect(plan).await, plan, runner, None)
    }

    async fn forward(&self, recorded: &Recorded, machine: &Machine, runner: Runner<'_>) -> Result<AlbDriver, Failure> {
        let plan = &recorded.header.plan;
        let aws = self.connect(plan).await;
        let release = document(self.0, &aws, recorded, machine).await?;
        Ok(self.driver(&aws, plan, runner, release))
    }

    async fn mark(&self, plan: &Plan) -> Option<Mark> {
        let marked = beacon::marked(&self.connect(plan).await, &plan.target.rule).await.ok().flatten()?;
        Some(Mark { rollout: marked.rollout, phase: marked.phase })
    }
}

/// The document to register, when that is still to be done: it must be what was planned.
async fn document(
    context: &Context,
    aws: &Aws,
    recorded: &Recorded,
    machine: &Machine,
) -> Result<Option<ReleaseDocument>, Failure> {
    let plan = &recorded.header.plan;
    let ReleasePlan::Register { digest, source } = &plan.release else { return Ok(None) };
    let step = plan.steps.get(machine.progress().step);
    if step.is_none_or(|step| step.action != Action::Register) {
        return Ok(None);
    }
    let path = Path::new(&recorded.header.spec);
    let spec = target::spec(context, path).map_err(|failure| {
        let id = &recorded.header.id;
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

impl From<TakeoverError<Failure>> for Failure {
    fn from(error: TakeoverError<Failure>) -> Self {
        match error {
            TakeoverError::Lease(error) => error.into(),
            TakeoverError::Journal(error) => error.into(),
            TakeoverError::Refused(failure) => failure,
            TakeoverError::Unleased { error, is_written: false, .. } => Failure::from(error)
                .note("nothing was written: by the rule's tags it is committed, or another rollout moves the rule"),
            TakeoverError::Unleased { id, error, is_written: true } => Failure::from(error)
                .note("the weights were written without a lease")
                .hint(format!("`tidegate rollback {id}` again, when the store answers")),
            TakeoverError::OnlyBack { id, error } => {
                let was = || Failure::new(Exit::Refused, format!("the journal of rollout {id} was damaged"));
                let failure = error.map_or_else(was, Failure::from);
                failure.hint(format!("forward is closed; `tidegate rollback {id}` still goes back"))
            }
            TakeoverError::Committed(id) => {
                Failure::new(Exit::Refused, format!("rollout {id} is committed: going back is a new rollout"))
                    .hint(format!("`tidegate status {id}` says what its runner is at"))
                    .hint(format!("as soon as it is over: `tidegate rollback {id} --to previous`"))
            }
            TakeoverError::Untidy { id, why } => {
                let failure =
                    Failure::new(Exit::Refused, format!("what rollout {id} left undone is left alone: {why}"));
                failure.hint(format!("`tidegate status {id}` says what it is"))
            }
            TakeoverError::Restless(id) => {
                Failure::new(Exit::Held, format!("the runner of {id} keeps writing its journal"))
            }
        }
    }
}
