//! The page as GitHub's Markdown: for a job's summary or a comment on a pull request.

use std::fmt::Write as _;

use super::content::Table;
use super::{MARKDOWN_BYTES, Page};
use crate::domain::text::{fit, many, markdown};

/// The most characters of one cell; more of it says no more.
const CELL: usize = 300;
/// The most rows of a figure's table.
const FIGURES: usize = 40;
/// The room that is kept for saying what is left out.
const KEPT: usize = 400;

/// The page. What matters most comes first, so what does not fit is left out at the end.
pub(super) fn page(page: &Page<'_>) -> String {
    let mut out = format!("## {}\n\n{}\n\n", cell(&page.title()), cell(&page.why.because()));
    for lack in page.flawed().iter().chain(&page.lacks()) {
        let _ = writeln!(out, "> {}\n", cell(lack));
    }
    let mut facts = String::from("| | |\n|---|---|\n");
    for (label, words) in page.facts() {
        let _ = writeln!(facts, "| {label} | {} |", cell(&words));
    }
    let mut left = Vec::new();
    add(&mut out, "Facts", &facts, &mut left);
    for table in [page.gates(), page.steps(), page.people()] {
        add(&mut out, table.title, &section(&table), &mut left);
    }
    for chart in page.charts() {
        let head: Vec<&str> = std::iter::once("time (UTC)").chain(chart.lines.iter().map(|line| line.name)).collect();
        let all = chart.rows();
        let skipped = all.len().saturating_sub(FIGURES);
        let mut text = format!("{}\n\n", cell(&chart.words()));
        if skipped > 0 {
            let _ = writeln!(text, "The first {} are left out.\n", many(skipped as u64, "row"));
        }
        text.push_str(&rows(&head, &all[skipped..]));
        let title = cell(&chart.title);
        add(&mut out, &chart.title, &folded(&title, &text), &mut left);
    }
    for table in [page.verdicts(), page.told()] {
        let text = folded(table.title, &section(&table));
        // What is too long as a whole is told from its end: that is how it came to what it is.
        let text = if fits(&out, &text) { text } else { folded(table.title, &ending(&table, room(&out) / 2)) };
        add(&mut out, table.title, &text, &mut left);
    }
    if !left.is_empty() {
        let _ = writeln!(
            out,
            "> Left out, because the page would be longer than {MARKDOWN_BYTES} bytes: {}. `tidegate report --format \
             html` has everything.",
            fit(&cell(&left.join(", ")), KEPT / 2, true)
        );
    }
    out
}

/// Foreign words as part of a line.
fn cell(foreign: &str) -> String {
    markdown(&fit(foreign, CELL, true))
}

fn room(out: &str) -> usize {
    (MARKDOWN_BYTES - KEPT).saturating_sub(out.len())
}

fn fits(out: &str, text: &str) -> bool {
    text.len() < room(out)
}

/// Adds a part if there is room, or remembers that it was left out.
fn add(out: &mut String, title: &str, text: &str, left: &mut Vec<String>) {
    if fits(out, text) {
        out.push_str(text);
        out.push('\n');
    } else {
        left.push(title.to_owned());
    }
}

fn section(table: &Table) -> String {
    let body = if table.rows.is_empty() { format!("{}\n", table.empty) } else { rows(table.head, &table.rows) };
    format!("### {}\n\n{body}", table.title)
}

/// As many of the last rows as fit into `bytes`.
fn ending(table: &Table, bytes: usize) -> String {
    let mut from = table.rows.len();
    let mut used = 0;
    while from > 0 {
        used += rows(&[], &table.rows[from - 1..from]).len();
        if used > bytes {
            break;
        }
        from -= 1;
    }
    format!(
        "### {}\n\nThe first {} are left out.\n\n{}",
        table.title,
        many(from as u64, "row"),
        rows(table.head, &table.rows[from..])
    )
}

fn folded(title: &str, text: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{text}\n</details>\n")
}

fn rows(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    if !head.is_empty() {
        let _ = writeln!(text, "| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    }
    for row in rows {
        let cells: Vec<String> = row.iter().map(|words| cell(words)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}
