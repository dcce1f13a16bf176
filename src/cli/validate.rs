//! `tidegate validate SPEC…`: every problem of every spec at once.

use std::path::PathBuf;

use serde_json::json;

use super::context::Context;
use super::problems::{problems_json, say_problems};
use super::release::Examined;
use super::target::{self, Unread, read_spec};
use super::{Exit, Failure, release, terminal};
use crate::cloud::alb::Slip;
use crate::domain::code::Code;
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
            Ok(spec) => {
                let valid = examine(context, &shown, release::examined(&spec.release, &target::folder(path)))?;
                exit = if valid { exit } else { Exit::Usage };
            }
            Err(unread) => {
                exit = Exit::Usage;
                tell(context, &shown, &unread)?;
            }
        }
    }
    Ok(exit)
}

/// Tells what the release's file says, and whether it is valid.
fn examine(context: &Context, shown: &str, release: Option<Examined>) -> Result<bool, Failure> {
    let none = Examined { file: String::new(), valid: true, slips: Vec::new() };
    let Examined { file, valid, slips } = release.unwrap_or(none);
    if context.json() {
        let told = |slip: &Slip| {
            let at = slip.mark.map(|mark| json!({"line": mark.line, "column": mark.column, "length": 1}));
            let code = Code::SpecRelease.to_string();
            json!({"code": code, "file": escape(&file), "at": at, "wrong": escape(&slip.says), "help": null, "note": null})
        };
        let told: Vec<_> = slips.iter().map(told).collect();
        let mut line = json!({"spec": shown, "valid": valid});
        if !valid {
            line["problems"] = json!(told);
        } else if !told.is_empty() {
            line["notices"] = json!(told);
        }
        terminal::print_json(&line)?;
        return Ok(valid);
    }
    for slip in &slips {
        terminal::say(&escape(&slip.of(&file)));
    }
    if valid {
        terminal::print(&format!("{shown}: valid\n"))?;
    } else {
        let many = many(slips.len() as u64, "problem");
        terminal::say(&format!("{many} in {}, the release of {shown}", escape(&file)));
    }
    Ok(valid)
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
