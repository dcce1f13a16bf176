//! `tidegate history`: the rollouts of the store, or one told again from its tape.

use serde_json::json;

use super::context::{Context, Found, Stores};
use super::present::{flaw, fold};
use super::{Exit, Failure, terminal};
use crate::journal::{self, Tape};
use crate::machine::{Machine, Outcome};
use crate::report::{Lines, Stream};
use crate::text::{escape, escape_json, pad};

/// List the rollouts, or tell one again from its tape.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate history\n  tidegate history web\n  tidegate history web --json")]
pub(super) struct Args {
    /// The rollout to tell again: its id, the beginning of one, or a spec's name for the newest.
    rollout: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let stores = context.stores(None).await?;
    match &args.rollout {
        Some(text) => tell(context, &stores.find(Some(text)).await?).await,
        None => list(context, &stores).await,
    }
}

async fn tell(context: &Context, found: &Found) -> Result<Exit, Failure> {
    let tape = journal::read(&found.store, &found.id).await?;
    let mut machine = Machine::new(tape.header.plan.clone());
    let out = || Box::new(std::io::stdout());
    let mut lines = Lines::new(out(), terminal::stdout_style(context), None);
    let mut stream = context.json().then(|| Stream::new(out()));
    for record in &tape.records {
        let reaction = machine.apply(record.at, record.event.clone());
        for notice in &reaction.notices {
            match &mut stream {
                Some(stream) => stream.write(record.at, notice, machine.plan()),
                None => lines.write(record.at, notice, machine.plan()),
            }
        }
    }
    if let Some(flaw) = flaw(&tape.end) {
        terminal::say(&escape(&flaw));
    }
    if !context.json() {
        let (_, summary) = fold(&tape);
        let account = summary.text(found.id.as_str(), machine.plan(), terminal::page_style(context));
        terminal::print(&format!("\n{account}"))?;
    }
    Ok(Exit::Done)
}

async fn list(context: &Context, stores: &Stores) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for (store, is_lab) in [(&stores.main, false), (&stores.lab, true)] {
        for id in store.list().await? {
            rows.push((id.to_string(), is_lab, journal::read(store, &id).await.ok()));
        }
    }
    rows.sort_by_key(|(_, _, tape)| std::cmp::Reverse(tape.as_ref().map(|tape| tape.header.at)));
    if rows.is_empty() && !context.json() {
        terminal::say("no rollouts yet");
    }
    for (id, is_lab, tape) in &rows {
        terminal::print(&row(context, id, *is_lab, tape.as_ref()))?;
    }
    Ok(Exit::Done)
}

fn row(context: &Context, id: &str, is_lab: bool, tape: Option<&Tape>) -> String {
    let machine = tape.map(|tape| fold(tape).0);
    let word = match machine.as_ref().map(Machine::outcome) {
        None => "unreadable",
        Some(None) => "not over",
        Some(Some(Outcome::Promoted)) => "promoted",
        Some(Some(Outcome::RolledBack(_))) => "rolled back",
        Some(Some(Outcome::Stranded { .. })) => "stranded",
    };
    let at = tape.map(|tape| tape.header.at.to_string());
    if context.json() {
        let word = word.replace(' ', "_");
        let line = json!({"id": id, "state": word, "started": at, "lab": is_lab});
        return escape_json(&line.to_string()) + "\n";
    }
    let lab = if is_lab { "  (lab)" } else { "" };
    format!("{}  {}  {}{lab}\n", at.unwrap_or_else(|| pad("", 20)), pad(word, 11), id)
}
