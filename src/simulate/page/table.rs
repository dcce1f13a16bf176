//! A simulation as a table for people, 80 columns wide.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::figures::{Chance, Figures};
use super::super::{Cell, Regression};
use super::{PageContents, amount, percent, trust};
use crate::domain::clock::span;
use crate::domain::text::{count, escape, hang, many, pad};

/// From this share of the rollouts on a bad release counts as found.
const FOUND: f64 = 0.95;
/// The width of notes.
const WIDTH: usize = 80;

/// The table, with what its figures are worth and what was not simulated.
pub fn table(told: &PageContents<'_>) -> String {
    let grid = told.grid;
    let (rows, columns) = (grid.regressions.len() as u64, grid.rates.len() as u64);
    let mut text = format!(
        "Simulation of {}: {} at {}, {} each, seed {}\n\n",
        escape(told.name),
        many(rows, "regression"),
        many(columns, "rate"),
        many(grid.runs, "rollout"),
        grid.seed
    );
    let head = ["rps", "rolled back", "undecided", "found in", "95 % in", "harmed", "p95"];
    text.push_str(&line(&head.map(str::to_owned)));
    for regression in &grid.regressions {
        let _ = writeln!(text, "{}", escape(&regression.words));
        for cell in told.cells.iter().filter(|cell| cell.regression == *regression) {
            text.push_str(&row(cell.rate, &cell.figures));
        }
    }
    text.push('\n');
    text.push_str(&missed(told));
    text.push_str(&worth(grid.runs));
    if let (driver, Some(otherwise)) = told.driver {
        text.push_str(&note("not simulated", &format!("driver {driver}: {otherwise}")));
    }
    for untried in told.untried {
        text.push_str(&note("not simulated", &format!("gate {}: {}", escape(&untried.gate), untried.why)));
    }
    text
}

fn row(rate: f64, figures: &Figures) -> String {
    let chance = |chance: Chance| format!("{} ({})", percent(chance.share()), count(chance.of));
    line(&[
        rate.to_string(),
        chance(figures.rolled_back),
        chance(figures.undecided),
        time(figures.detected),
        time(figures.to_promotion),
        format!("{} ±{}", amount(figures.harmed), amount(figures.harmed_within)),
        amount(figures.harmed_p95),
    ])
}

/// A median, in whole seconds.
pub(super) fn time(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| span(Duration::from_secs(time.as_secs())))
}

fn line(cells: &[String; 7]) -> String {
    const WIDTHS: [usize; 7] = [6, 13, 13, 9, 9, 14, 6];
    let padded = cells
        .iter()
        .zip(WIDTHS)
        .enumerate()
        .map(|(n, (cell, width))| if n == 0 { format!("{cell:>width$}") } else { pad(cell, width) });
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
}

/// Which bad releases are not found for sure, and at which rates.
fn missed(told: &PageContents<'_>) -> String {
    let is_missed = |cell: &&Cell| cell.regression.is_fault() && cell.figures.rolled_back.share() < FOUND;
    let one = |regression: &Regression| {
        let cells = told.cells.iter().filter(|cell| cell.regression == *regression).filter(is_missed);
        let rates: Vec<String> = cells.map(|cell| cell.rate.to_string()).collect();
        (!rates.is_empty()).then(|| format!("{} at {} rps", escape(&regression.words), rates.join(", ")))
    };
    let missed: Vec<String> = told.grid.regressions.iter().filter_map(one).collect();
    if missed.is_empty() {
        return String::new();
    }
    note("not found", &format!("in more than 1 of 20 rollouts: {}", missed.join("; ")))
}

/// What the figures mean, and how far they can be trusted.
fn worth(runs: u64) -> String {
    let mut text = note("found in", "from the candidate's first request to the decision to go back, median");
    text.push_str(&note("95 % in", "from the candidate's first request to 95 % of them, median of the promoted"));
    text.push_str(&note("undecided", "went back, or waits for a person, because nothing was proven in time"));
    text.push_str(&note(
        "harmed",
        "requests that failed or were slow because of the release: mean ± 95 % confidence, and the 95th of 100 \
         rollouts. A bad release that is promoted harms until an hour after its first request",
    ));
    text.push_str(&note("trust", &trust(runs)));
    text
}

pub(super) fn note(label: &str, words: &str) -> String {
    hang(&format!("  {}", pad(label, 15)), 17, words, WIDTH)
}
