//! A simulation as a picture: SVG that needs nothing beside it, on a light page and on a dark one.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::grid::Cell;
use super::super::regression::Regression;
use super::{PageContents, amount, percent, rate, trust};
use crate::domain::clock::span;
use crate::domain::text::{escape, fit, html, many};

const CELL: (usize, usize) = (166, 74);
/// Room for the regressions' words, and for title and rates.
const LEFT: usize = 170;
const TOP: usize = 84;
const EDGE: usize = 20;
const FOOT: usize = 76;
/// The most letters of a regression's word that are shown, and the most of its words.
const LETTERS: usize = 17;
const WORDS: usize = 3;

/// Colours are given twice: as attributes for viewers that know no style sheets, and by class for a dark page.
const STYLE: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}\
@media(prefers-color-scheme:dark){.page{fill:#0d1117}.ink{fill:#e6edf3}.faint{fill:#9da7b3}.rail{fill:#30363d}}";

/// The picture.
pub fn picture(told: &PageContents<'_>) -> String {
    let (rows, columns) = (told.grid.regressions.len(), told.grid.rates.len());
    let (width, height) = (LEFT + columns * CELL.0 + EDGE, TOP + rows * CELL.1 + FOOT);
    // A single column leaves too little room for the words around it.
    let width = width.max(560);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"system-ui, sans-serif\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        html(&title(told))
    );
    text(&mut svg, &Text { x: EDGE, y: 32, size: 18, bold: true, faint: false }, &title(told));
    let runs =
        format!("{} each; the bar and the large figure are how many were rolled back", many(told.grid.runs, "rollout"));
    text(&mut svg, &Text { x: EDGE, y: 52, size: 12, bold: false, faint: true }, &runs);
    for (column, rps) in told.grid.rates.iter().enumerate() {
        text(
            &mut svg,
            &Text { x: LEFT + column * CELL.0 + 10, y: TOP - 10, size: 13, bold: true, faint: false },
            &rate(*rps),
        );
    }
    for (row, regression) in told.grid.regressions.iter().enumerate() {
        named(&mut svg, TOP + row * CELL.1 + 22, regression);
    }
    for (n, cell) in told.cells.iter().enumerate() {
        let place = (LEFT + n % columns.max(1) * CELL.0, TOP + n / columns.max(1) * CELL.1);
        draw(&mut svg, place, cell);
    }
    foot(&mut svg, height, told);
    svg + "</svg>\n"
}

fn title(told: &PageContents<'_>) -> String {
    format!("What {} would do", escape(told.name))
}

fn foot(svg: &mut String, height: usize, told: &PageContents<'_>) {
    let place = |y| Text { x: EDGE, y, size: 11, bold: false, faint: true };
    let harm = "harmed: requests that failed or were slow because of the release, mean and 95th of 100 rollouts";
    text(svg, &place(height - 52), harm);
    text(svg, &place(height - 34), &trust(told.grid.runs));
    let mut gates: Vec<String> = told.untried.iter().map(|untried| escape(&untried.gate)).collect();
    gates.dedup();
    let untried = if gates.is_empty() { "nothing".to_owned() } else { gates.join(", ") };
    text(svg, &place(height - 16), &fit(&format!("not simulated: {untried}"), 110, true));
}

/// A regression's words, one below the other, and what should become of it.
fn named(svg: &mut String, y: usize, regression: &Regression) {
    let mut y = y;
    for word in regression.words.split(',').take(WORDS) {
        let how = Text { x: EDGE, y, size: 13, bold: true, faint: false };
        text(svg, &how, &fit(&escape(word), LETTERS, true));
        y += 15;
    }
    let right = if regression.is_fault() { "should go back" } else { "should be promoted" };
    text(svg, &Text { x: EDGE, y: y + 1, size: 11, bold: false, faint: true }, right);
}

/// One cell: green where rollouts end as they should, red where they do not.
fn draw(svg: &mut String, (x, y): (usize, usize), cell: &Cell) {
    let figures = &cell.figures;
    let fault = cell.regression.is_fault();
    let right = if fault { figures.rolled_back } else { figures.promoted }.share();
    let color = match right {
        right if right >= 0.95 => "#2da44e",
        right if right >= 0.5 => "#d4a72c",
        _ => "#cf222e",
    };
    let (width, height) = (CELL.0 - 8, CELL.1 - 8);
    let _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{color}\" fill-opacity=\"0.16\"/>"
    );
    let bar = (width - 20) as f64 * figures.rolled_back.share();
    let _ = writeln!(
        svg,
        "<rect class=\"rail\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"4\" rx=\"2\" fill=\"#d0d7de\"/>\
         <rect x=\"{}\" y=\"{}\" width=\"{bar:.1}\" height=\"4\" rx=\"2\" fill=\"{color}\"/>",
        x + 10,
        y + 30,
        width - 20,
        x + 10,
        y + 30
    );
    let at = |y: usize, size, bold, faint| Text { x: x + 10, y, size, bold, faint };
    text(svg, &at(y + 22, 16, true, false), &percent(figures.rolled_back.share()));
    let undecided = figures.undecided.share();
    if undecided > 0.0 {
        let words = format!("{} undecided", percent(undecided));
        text(svg, &Text { x: x + 68, y: y + 21, size: 10, bold: false, faint: true }, &words);
    }
    let short = |time: Duration| span(Duration::from_secs(time.as_secs()));
    let time = match (figures.detected.filter(|_| fault), figures.to_promotion) {
        (Some(found), _) => format!("found in {}", short(found)),
        (None, Some(promoted)) => format!("to 95 % in {}", short(promoted)),
        (None, None) => "never promoted".to_owned(),
    };
    text(svg, &at(y + 48, 11, false, false), &time);
    let harm = format!("harmed {}, p95 {}", amount(figures.harmed), amount(figures.harmed_p95));
    text(svg, &at(y + 61, 11, false, true), &harm);
}

/// Where and how words stand.
#[derive(Clone, Copy)]
struct Text {
    x: usize,
    y: usize,
    size: usize,
    bold: bool,
    faint: bool,
}

fn text(svg: &mut String, how: &Text, words: &str) {
    let Text { x, y, size, bold, faint } = *how;
    let (class, color) = if faint { ("faint", "#57606a") } else { ("ink", "#1f2328") };
    let weight = if bold { " font-weight=\"600\"" } else { "" };
    let words = html(words);
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{weight} fill=\"{color}\">{words}</text>"
    );
}
