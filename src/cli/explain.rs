//! `tidegate explain CODE`: what a problem's code means, and what to do.

use serde_json::json;

use super::context::Context;
use super::{Exit, Failure, terminal};
use crate::domain::code::Code;
use crate::domain::text::{escape, hang};

/// Say what the code of a problem means, and what to do; without one, list them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate explain TG0105\n  tidegate explain tg211 --json\n  tidegate explain")]
pub(super) struct Args {
    /// The code, as it stands behind `error`.
    code: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let codes: Vec<Code> = match args.code.as_deref() {
        None => Code::all().collect(),
        Some(text) => vec![Code::parse(text).ok_or_else(|| unknown(text))?],
    };
    let width = terminal::page_style(context).width;
    for code in &codes {
        if context.json() {
            let (title, explanation) = (code.title(), code.explanation());
            terminal::print_json(&json!({"code": code.to_string(), "title": title, "explanation": explanation}))?;
        } else if args.code.is_some() {
            terminal::print(&format!("{code}: {}\n\n{}", code.title(), hang("", 0, code.explanation(), width)))?;
        } else {
            terminal::print(&format!("{code}  {}\n", code.title()))?;
        }
    }
    Ok(Exit::Done)
}

fn unknown(text: &str) -> Failure {
    let failure = Failure::new(Exit::Usage, format!("there is no code `{}`", escape(text)));
    failure.hint("a code is TG and four digits, such as TG0105; `tidegate explain` lists them")
}
