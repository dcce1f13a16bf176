//! Finds a rollout in a store and folds its journal into its present state, which every account is told from.

use super::context::{Context, Found};
use super::{Failure, terminal};
use crate::domain::clock::Timestamp;
use crate::domain::text::{escape, hang, many};
use crate::journal::{self, JournalEnd, Recorded};
use crate::lease::Owner;
use crate::machine::{Machine, Progress};
use crate::plan::Plan;
use crate::report::{About, Status, Style, Summary};

/// How far the second line of a sentence is set in.
const INDENT: usize = 2;

/// A rollout with all that is known of it at one moment.
pub(super) struct Present {
    pub(super) found: Found,
    pub(super) recorded: Recorded,
    pub(super) machine: Machine,
    pub(super) summary: Summary,
    /// The moment, in the rollout's own time.
    pub(super) at: Timestamp,
    /// Who drives it, if anybody does.
    pub(super) owner: Option<Owner>,
    progress: Progress,
    store: String,
}

impl Present {
    /// The rollout that `text` names, as [`super::context::Stores::find`] understands it.
    pub(super) async fn find(context: &Context, text: Option<&str>) -> Result<Self, Failure> {
        let stores = context.stores(None).await?;
        Self::read(context, stores.find(text).await?.remembered_by(context)).await
    }

    /// A rollout that was found.
    pub(super) async fn read(context: &Context, found: Found) -> Result<Self, Failure> {
        let recorded = journal::read(&found.store, &found.id).await?;
        let (machine, summary) = fold(&recorded);
        let (at, owner) = (found.now(context, &machine), found.driver(machine.plan()).await);
        let progress = machine.progress();
        let store = found.store.place();
        Ok(Self { found, recorded, machine, summary, at, owner, progress, store })
    }

    /// Where it stands.
    pub(super) fn status(&self) -> Status<'_> {
        let Self { found, machine, summary, progress, store, .. } = self;
        let (id, plan, is_lab) = (found.id.as_str(), machine.plan(), found.is_lab);
        Status { id, at: self.at, plan, progress, summary, store, is_lab }
    }

    /// Who drives it, and since when.
    pub(super) fn driver(&self) -> Option<(&str, Timestamp)> {
        self.owner.as_ref().map(|owner| (owner.by.as_str(), owner.since))
    }
}

impl Found {
    /// Says which rollout this is, of what, where, and where its journal is, before anything is answered or done. A
    /// program reads the same in `started`, in `status` and in an answer.
    pub(super) fn introduce(&self, context: &Context, plan: &Plan) {
        if !context.json() {
            terminal::say(self.introduction(plan, terminal::stderr_style(context)).trim_end());
        }
    }

    /// The same as text of this style.
    pub(super) fn introduction(&self, plan: &Plan, style: Style) -> String {
        hang("", INDENT, &escape(&self.about(plan, &self.store.place()).line()), style.width)
    }

    /// Answers in one sentence.
    pub(super) fn answer(&self, context: &Context, plan: &Plan, text: &str) -> Result<(), Failure> {
        if !context.json() {
            return terminal::print(&format!("{}\n", escape(text)));
        }
        let mut answer = self.about(plan, &self.store.place()).json();
        answer["type"] = "answer".into();
        answer["rollout"] = self.id.as_str().into();
        answer["text"] = text.into();
        terminal::print_json(&answer)
    }

    fn about<'a>(&'a self, plan: &'a Plan, store: &'a str) -> About<'a> {
        About { id: self.id.as_str(), plan, registered: None, store, is_lab: self.is_lab }
    }
}

/// A journal folded into where the rollout stands and what has happened.
pub(super) fn fold(recorded: &Recorded) -> (Machine, Summary) {
    let mut machine = Machine::new(recorded.header.plan.clone());
    let mut summary = Summary::new();
    for record in &recorded.records {
        let reaction = machine.apply(record.at, record.event.clone());
        for notice in &reaction.notices {
            summary.take(record.at, notice);
        }
    }
    (machine, summary)
}

/// What is wrong with a journal's end, if anything is. It holds foreign text as it came.
pub(super) fn flaw(end: &JournalEnd) -> Option<String> {
    match end {
        JournalEnd::Clean => None,
        JournalEnd::Torn { bytes, .. } => {
            Some(format!("the last {} of the journal are no whole line", many(*bytes, "byte")))
        }
        JournalEnd::Damaged { line, why } => Some(format!("line {line} of the journal is damaged: {why}")),
    }
}
