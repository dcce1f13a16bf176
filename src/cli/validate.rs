//! `tidegate validate SPEC…`: every problem of every spec at once.

use std::path::PathBuf;

use serde_json::json;

use super::context::Context;
use super::target::{Unread, read_spec};
use super::{Exit, Failure, terminal};
use crate::domain::text::{escape, many};

/// Check specs: every problem at once, each with its place.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidegate validate rollout.yaml\n  tidegate validate web.yaml shop.yaml\n  VERSION=42 tidegate validate specs/*.yaml --json"
)]
pub(super) struct Args {
    /// The specs.
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for path in &args.specs {
        let shown = escape(&path.display().to_string());
        match read_spec(context, path) {
            Ok(_) if context.json() => terminal::print_json(&json!({"spec": shown, "valid": true}))?,
            Ok(_) => terminal::print(&format!("{shown}: valid\n"))?,
            Err(unread) => {
                exit = Exit::Usage;
                tell(context, &shown, &unread)?;
            }
        }
    }
    Ok(exit)
}

fn tell(context: &Context, shown: &str, unread: &Unread) -> Result<(), Failure> {
    match (unread, context.json()) {
        (Unread::File(failure), false) => terminal::say(failure.text(terminal::stderr_style(context).width).trim_end()),
        (Unread::File(failure), true) => {
            let help = failure.hints.first();
            let problems = [
                json!({"code": failure.code.to_string(), "at": null, "wrong": failure.wrong, "help": help, "note": null}),
            ];
            terminal::print_json(&json!({"spec": shown, "valid": false, "problems": problems}))?;
        }
        (Unread::Problems(problems), true) => terminal::print_json(&problems_json(shown, problems))?,
        (Unread::Problems(problems), false) => say_problems(context, problems),
    }
    Ok(())
}

/// All problems of a spec, on standard error.
pub(super) fn say_problems(context: &Context, problems: &crate::spec::Problems) {
    let style = terminal::stderr_style(context);
    terminal::say(&problems.render(style.color, style.width));
    terminal::say(&format!("{} in {}", many(problems.count() as u64, "problem"), escape(problems.path())));
}

/// All problems of a spec, for programs.
pub(super) fn problems_json(shown: &str, problems: &crate::spec::Problems) -> serde_json::Value {
    let place = |p: &crate::spec::Place| json!({"line": p.line, "column": p.column, "length": p.length});
    let problems: Vec<_> = problems
        .iter()
        .map(|problem| {
            json!({
                "code": problem.code.to_string(),
                "at": place(&problem.place),
                "wrong": escape(&problem.wrong),
                "help": problem.help.as_deref().map(escape),
                "note": problem.note.as_ref().map(|(at, text)| json!({"at": place(at), "text": escape(text)})),
            })
        })
        .collect();
    json!({"spec": shown, "valid": false, "problems": problems})
}
