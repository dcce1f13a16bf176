//! All problems of a spec, for people and for programs.

use serde_json::{Value, json};

use super::context::Context;
use super::terminal;
use crate::domain::text::{escape, many};
use crate::spec::{Problems, SpecPlace};

/// All problems of a spec, on standard error.
pub(super) fn say_problems(context: &Context, problems: &Problems) {
    let style = terminal::stderr_style(context);
    terminal::say(&problems.render(style.color, style.width));
    terminal::say(&format!("{} in {}", many(problems.count() as u64, "problem"), escape(problems.path())));
}

/// All problems of a spec, for programs.
pub(super) fn problems_json(shown: &str, problems: &Problems) -> Value {
    let place = |p: &SpecPlace| json!({"line": p.line, "column": p.column, "length": p.length});
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
