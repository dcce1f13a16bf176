//! What changes where a pipeline reads what is written: nothing is redrawn, nobody is asked, a rollout's lines and its
//! account stand on standard output in their order, and the last line says how it ended.

use super::context::Context;
use super::{Exit, terminal};
use crate::domain::text::escape;
use crate::engine::Ending;
use crate::machine::Outcome;
use crate::report;

/// The last line of a command that drove a rollout: how it ended, and with which code.
pub(super) fn last_line(context: &Context, id: &str, ending: &Ending, exit: Exit) {
    if terminal::pipeline().is_none() || context.json() {
        return;
    }
    let (word, why) = match &ending.outcome {
        Some(Outcome::Promoted) => ("promoted", None),
        Some(Outcome::RolledBack(reason)) => ("rolled back", Some(report::reason(reason))),
        Some(Outcome::Stranded { why, .. }) => ("stranded, a person is needed", Some(report::stranding(why))),
        None => match &ending.fenced {
            Some(by) => ("not finished here", Some(format!("{by} decides now"))),
            None => ("not finished", ending.handed_over.as_ref().map(report::leaving)),
        },
    };
    let why = why.map_or(String::new(), |why| format!(": {}", escape(&why)));
    let _ = terminal::print(&format!("\n{}: {word} (exit {}){why}\n", escape(id), exit as u8));
}
