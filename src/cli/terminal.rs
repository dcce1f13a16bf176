//! Finds out what the terminal can show, and writes to it. A reader that is gone is no error.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

use super::context::Context;
use super::{Exit, Failure};
use crate::report::{Markup, Style};

/// Columns where the terminal does not say.
const COLUMNS: usize = 80;
/// Lines where the terminal does not say.
const ROWS: usize = 24;
/// The widest page that people like to read: plans, accounts and states are no wider, whatever there is room for.
const PAGE: usize = 100;

/// Whose log is written, once that is known: every line goes through here, and each log has its own dangers.
static PIPELINE: OnceLock<Option<Markup>> = OnceLock::new();

/// Says whose log is written, if it is a pipeline's.
pub(super) fn read_by(pipeline: Option<Markup>) {
    let _ = PIPELINE.set(pipeline);
}

/// Whose log is written, if it is a pipeline's.
pub(super) fn pipeline() -> Option<Markup> {
    PIPELINE.get().copied().flatten()
}

/// Lines as the log takes them: none is obeyed.
fn harmless(text: &str) -> String {
    match pipeline() {
        Some(Markup::Github) => crate::report::github::harmless(text),
        _ => text.to_owned(),
    }
}

/// How text for people is dressed on standard output.
pub(super) fn stdout_style(context: &Context) -> Style {
    style(context, std::io::stdout().is_terminal())
}

/// How a page for people is dressed on standard output: what is read as a whole, not line by line as it comes.
pub(super) fn page_style(context: &Context) -> Style {
    page(stdout_style(context))
}

/// The same style, no wider than a page.
pub(super) fn page(style: Style) -> Style {
    Style { width: style.width.min(PAGE), ..style }
}

/// How text for people is dressed on standard error.
pub(super) fn stderr_style(context: &Context) -> Style {
    style(context, std::io::stderr().is_terminal())
}

/// Whether standard error is a terminal that can be redrawn. A pipeline's may look like one.
pub(super) fn is_live(context: &Context) -> bool {
    pipeline().is_none() && std::io::stderr().is_terminal() && context.variable("TERM") != Some("dumb")
}

/// Whether standard output is a terminal that can be redrawn.
pub(super) fn is_screen(context: &Context) -> bool {
    std::io::stdout().is_terminal() && context.variable("TERM") != Some("dumb")
}

/// Whether all that is said goes to a terminal, and to no pipeline's log.
pub(super) fn is_watched() -> bool {
    pipeline().is_none() && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

/// How many lines the terminal shows.
pub(super) fn rows() -> usize {
    terminal_size::terminal_size().map_or(ROWS, |(_, height)| usize::from(height.0)).max(1)
}

/// Whether a person can be asked.
pub(super) fn can_ask() -> bool {
    pipeline().is_none() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn style(context: &Context, terminal: bool) -> Style {
    let dumb = context.variable("TERM") == Some("dumb");
    let color = terminal && !dumb && context.variable("NO_COLOR").is_none();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| context.variable(name)).unwrap_or_default();
    let utf8 = locale.to_ascii_lowercase().replace('-', "").contains("utf8");
    // Who shows a pipeline's log breaks its lines.
    let width = if terminal && pipeline().is_none() { columns(context) } else { usize::MAX };
    // A log or a pipe takes UTF-8; a terminal only where its locale says so.
    Style { color, unicode: !dumb && (utf8 || !terminal), width }
}

fn columns(context: &Context) -> usize {
    let asked = context.variable("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
    asked.or_else(measured).unwrap_or(COLUMNS)
}

/// Writes a result to standard output. A reader that went away is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(harmless(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Unexpected, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a result to a file if one is named, to standard output otherwise.
pub(super) fn deliver(text: &str, file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return print(text) };
    std::fs::write(file, text)
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot write {}: {error}", file.display())))
}

/// Writes a value to standard output as one line, harmless on a terminal and of the same meaning.
pub(super) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&format!("{}\n", crate::domain::text::escape_json(&value.to_string())))
}

/// Writes a message to standard error. There is nobody to tell if that fails.
pub(super) fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(harmless(&format!("{text}\n")).as_bytes());
}

/// Tells why a command failed, and ends with its code.
pub(super) fn fail(failure: &Failure, context: Option<&Context>) -> ExitCode {
    if context.is_some_and(Context::json) {
        let line = serde_json::json!({
            "type": "error",
            "exit": failure.exit as u8,
            "code": failure.code.to_string(),
            "error": failure.wrong,
            "notes": failure.notes,
            "help": failure.hints,
        });
        let _ = print_json(&line);
    } else {
        let width = context.map_or(usize::MAX, |context| stderr_style(context).width);
        let _ = std::io::stderr().lock().write_all(harmless(&failure.text(width)).as_bytes());
        if pipeline().is_some() {
            say(&format!("failed (exit {}): {}", failure.exit as u8, crate::domain::text::escape(&failure.wrong)));
        }
    }
    failure.exit.into()
}

/// Asks a yes-or-no question; anything but `y` or `yes` is no.
pub(super) fn confirm(question: &str) -> bool {
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
