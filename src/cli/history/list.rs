//! The list of rollouts: a line each, and why one went back below it.

use std::time::Duration;

use serde_json::json;

use super::Args;
use crate::cli::context::{Context, Found, Stores, is_driven};
use crate::cli::present::fold;
use crate::cli::{Exit, Failure, terminal};
use crate::domain::clock::{Timestamp, span};
use crate::domain::name::RolloutId;
use crate::domain::text::{columns, escape, escape_json, fit, many, pad};
use crate::journal::{self, Recorded};
use crate::machine::{Machine, Outcome};
use crate::report::delivery::Delivery;
use crate::report::{self, Style, Summary};

/// How many are listed for people when they do not say.
const LISTED: usize = 20;
/// How many journals are read at most.
const READ: usize = 10_000;
const DAY: Duration = Duration::from_secs(86_400);

/// One rollout of the store.
pub(super) struct Row {
    id: RolloutId,
    pub(super) is_lab: bool,
    /// Whether somebody may drive it at this moment; asked only of one that is not over.
    is_driven: bool,
    /// What could be read of it.
    told: Option<Replay>,
}

/// How many rollouts the list leaves out.
#[derive(Clone, Copy)]
pub(super) struct LeftOut {
    older: usize,
    rehearsals: usize,
}

struct Replay {
    begun: Timestamp,
    machine: Machine,
    summary: Summary,
}

impl Row {
    fn new(id: RolloutId, is_lab: bool, recorded: Option<&Recorded>) -> Self {
        let told = recorded.map(|recorded| {
            let (machine, summary) = fold(recorded);
            Replay { begun: recorded.header.at, machine, summary }
        });
        Self { id, is_lab, is_driven: false, told }
    }

    /// What of it counts, if it can be read and has started.
    pub(super) fn delivery(&self) -> Option<Delivery> {
        let told = self.told.as_ref()?;
        Delivery::of(told.machine.plan(), &told.summary)
    }

    fn state(&self) -> &'static str {
        match self.told.as_ref().map(|told| told.machine.outcome()) {
            None => "unreadable",
            Some(None) if self.is_driven => "running",
            Some(None) => "abandoned",
            Some(Some(Outcome::Promoted)) => "promoted",
            Some(Some(Outcome::RolledBack(_))) => "rolled back",
            Some(Some(Outcome::Stranded { .. })) => "stranded",
        }
    }

    fn took(&self) -> Option<Duration> {
        let summary = &self.told.as_ref()?.summary;
        let ((started, _), (finished, _)) = (summary.started.as_ref()?, summary.finished.as_ref()?);
        Some(finished.since(*started))
    }

    fn is_over(&self) -> bool {
        self.told.as_ref().is_none_or(|told| told.machine.outcome().is_some())
    }

    /// What was released in place of what, and who said so.
    fn subject(&self) -> Option<String> {
        let told = self.told.as_ref()?;
        let by = told.summary.started.as_ref().map_or(String::new(), |(_, by)| format!(", by {by}"));
        Some(format!("{}{by}", told.summary.release(told.machine.plan())))
    }

    /// Why it is not simply promoted.
    fn why(&self) -> Option<String> {
        let told = self.told.as_ref()?;
        match told.machine.outcome() {
            Some(Outcome::Promoted) => None,
            Some(Outcome::RolledBack(reason)) => Some(report::reason(reason)),
            Some(Outcome::Stranded { why, .. }) => Some(report::stranding(why)),
            None => Some(report::doing_in_full(&told.machine.progress(), told.machine.plan())),
        }
    }
}

/// The rollouts that are asked for, newest first, and how many more there are.
pub(super) async fn rows(context: &Context, stores: &Stores, args: &Args) -> Result<(Vec<Row>, LeftOut), Failure> {
    let mut ids = Vec::new();
    for (store, is_lab) in [(&stores.main, false), (&stores.lab, true)] {
        ids.extend(store.list().await?.into_iter().map(|id| (id, store, is_lab)));
    }
    ids.retain(|(id, ..)| args.name.as_ref().is_none_or(|name| id.name() == name));
    if let Some(days) = args.days {
        let from = context.clock().now().before(DAY * days).compact();
        ids.retain(|(id, ..)| id.started().is_some_and(|started| *started >= *from));
    }
    let all = ids.len();
    if !args.lab && !args.figures && args.prometheus.is_none() {
        ids.retain(|(.., is_lab)| !is_lab);
    }
    let rehearsals = all - ids.len();
    ids.sort_by(|(a, ..), (b, ..)| b.started().cmp(&a.started()));
    let everything = context.json() || args.figures || args.prometheus.is_some();
    let usual = if everything { READ } else { LISTED };
    let limit = args.limit.map_or(usual, |limit| usize::try_from(limit).unwrap_or(READ).min(READ));
    let older = ids.len().saturating_sub(limit);
    ids.truncate(limit);
    if let (Some(name), true) = (&args.name, all == 0) {
        let failure = Failure::new(Exit::Usage, format!("no rollout of `{name}` is in this store"));
        return Err(failure.hint("`tidegate history` lists all; a spec's name is the `name` in it"));
    }
    let mut rows = Vec::new();
    for (id, store, is_lab) in ids {
        let recorded = journal::read(store, &id).await.ok();
        let mut row = Row::new(id, is_lab, recorded.as_ref());
        if !row.is_over() {
            row.is_driven = is_driven(&Found::new(store, row.id.clone(), is_lab)).await;
        }
        rows.push(row);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.told.as_ref().map(|told| told.begun)));
    Ok((rows, LeftOut { older, rehearsals }))
}

/// Shows the list.
pub(super) fn show(context: &Context, rows: &[Row], left: LeftOut) -> Result<(), Failure> {
    if context.json() {
        return rows.iter().try_for_each(|row| terminal::print(&line(row)));
    }
    if rows.is_empty() {
        terminal::say("no rollouts yet");
    }
    let LeftOut { older, rehearsals } = left;
    let style = terminal::stdout_style(context);
    // All rows are alike: where one does not fit on a line, each has several.
    let stacked = rows.iter().any(|row| columns(&one_line(row)) > style.width);
    if !rows.is_empty() && !stacked && style.width != usize::MAX {
        terminal::print(&format!("{}\n", line_of(["STATE", "STARTED", "TOOK", "ROLLOUT"])))?;
    }
    for row in rows {
        terminal::print(&text(row, style, stacked))?;
    }
    if older > 0 {
        terminal::say(&format!("{} more: `--limit` says how many are shown", many(older as u64, "rollout")));
    }
    if rehearsals > 0 {
        terminal::say(&format!("{} not shown: `--lab` shows them too", many(rehearsals as u64, "rehearsal")));
    }
    Ok(())
}

/// State, start and length of a rollout.
fn facts(row: &Row) -> [String; 3] {
    let begun = row.told.as_ref().map_or(String::new(), |told| told.begun.in_full());
    let took = row.took().map_or(String::new(), |took| span(Duration::from_secs(took.as_secs())));
    [row.state().to_owned(), begun, took]
}

fn one_line(row: &Row) -> String {
    let [state, begun, took] = facts(row);
    let lab = if row.is_lab { "  (lab)" } else { "" };
    line_of([&state, &begun, &took, &format!("{}{lab}", row.id)])
}

fn line_of([state, begun, took, rollout]: [&str; 4]) -> String {
    format!("{}  {}  {}  {rollout}", pad(state, 11), pad(begun, 23), pad(took, 8))
}

fn text(row: &Row, style: Style, stacked: bool) -> String {
    let line = one_line(row);
    let words: Vec<String> = [row.subject(), row.why()].into_iter().flatten().collect();
    let why = (!words.is_empty()).then(|| escape(&words.join(": ")));
    if style.width == usize::MAX {
        // A line for each, for those who search it.
        return format!("{line}{}\n", why.map_or(String::new(), |why| format!("  {why}")));
    }
    let why =
        why.map_or(String::new(), |why| format!("  {}\n", fit(&why, style.width.saturating_sub(2), style.unicode)));
    if !stacked {
        return format!("{line}\n{why}");
    }
    let lab = row.is_lab.then(|| "lab".to_owned());
    let facts: Vec<String> = facts(row).into_iter().chain(lab).filter(|fact| !fact.is_empty()).collect();
    format!("{}\n  {}\n{why}", row.id, fit(&facts.join(", "), style.width.saturating_sub(2), style.unicode))
}

fn line(row: &Row) -> String {
    let told = row.told.as_ref();
    let line = json!({
        "id": row.id.to_string(),
        "name": row.id.name(),
        "state": if row.is_over() { row.state().replace(' ', "_") } else { "not_over".to_owned() },
        "driven": (!row.is_over()).then_some(row.is_driven),
        "release": told.map(|told| told.summary.release_json(told.machine.plan())),
        "by": told.and_then(|told| told.summary.started.as_ref()).map(|(_, by)| by),
        "started": told.map(|told| told.begun.to_string()),
        "finished": told.and_then(|told| told.summary.finished.as_ref()).map(|(at, _)| at.to_string()),
        "took_seconds": row.took().map(|took| took.as_secs_f64()),
        "why": row.why(),
        "exit": told.and_then(|told| told.machine.outcome()).map(|outcome| Exit::of(outcome) as u8),
        "lab": row.is_lab,
    });
    escape_json(&line.to_string()) + "\n"
}
