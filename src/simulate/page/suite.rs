//! A suite of recorded series with a known truth: how often a spec was right about them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::figures::Figures;
use super::super::rollout::Untried;
use super::json::with_figures;
use super::table::{note, time};
use super::{amount, percent};
use crate::domain::text::{escape, many, pad};

/// The version of the object for programs.
const FORMAT: u64 = 1;
/// The width of the column of worlds.
const WORLD: usize = 26;

/// Whether a release is worse than what serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It is not: going back is wrong.
    Healthy,
    /// It is: going back is right.
    Bad,
}

/// What a spec made of one world at one rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What the series are like.
    pub world: String,
    /// What is known of the candidate.
    pub truth: Truth,
    /// Requests a second, both slots together.
    pub rate: f64,
    /// What its series came to.
    pub figures: Figures,
}

/// All that is told of a suite.
#[derive(Clone, Debug)]
pub struct Suite<'a> {
    /// The spec's name.
    pub name: &'a str,
    /// Its cells.
    pub cells: &'a [Judged],
    /// The gates that were taken as passing.
    pub untried: &'a [Untried],
}

impl Truth {
    fn word(self) -> &'static str {
        match self {
            Truth::Healthy => "healthy",
            Truth::Bad => "bad",
        }
    }
}

impl Suite<'_> {
    /// The table for people.
    pub fn text(&self) -> String {
        let runs: u64 = self.cells.iter().map(|cell| cell.figures.rolled_back.runs).sum();
        let cells = self.cells.len() as u64;
        let mut text = format!("Suite for {}: {} in {}\n", escape(self.name), serial(runs), many(cells, "cell"));
        let heads = |world, back, bound, took| {
            [world, "rps", "runs", back, bound, "undecided", "harmed", took].map(str::to_owned)
        };
        for (truth, head) in [
            (Truth::Healthy, heads("no worse than what serves", "went back", "at most", "to 95 %")),
            (Truth::Bad, heads("worse than what serves", "found", "at least", "found in")),
        ] {
            let mut cells = self.cells.iter().filter(|cell| cell.truth == truth).peekable();
            if cells.peek().is_none() {
                continue;
            }
            let _ = write!(text, "\n{}", line(&head));
            cells.for_each(|cell| text.push_str(&line(&row(cell))));
        }
        text.push('\n');
        text.push_str(&note("at most, least", "what the share is in truth, with 95 % confidence (Wilson's interval)"));
        text.push_str(&note("undecided", "went back, or waits for a person, because nothing was proven in time"));
        text.push_str(&note("harmed", "requests harmed because the release is worse, mean, until the series' end"));
        text.push_str(&note("to 95 %", "from the candidate's first request on, median of the promoted"));
        text.push_str(&note("found in", "from the candidate's first request to the decision to go back, median"));
        for untried in self.untried {
            text.push_str(&note("not judged", &format!("gate {}: {}", escape(&untried.gate), untried.why)));
        }
        text
    }

    /// The same for programs: one versioned object, to which fields may be added.
    pub fn json(&self) -> Value {
        let untried = self.untried.iter().map(|untried| json!({"gate": untried.gate, "why": untried.why}));
        json!({
            "type": "backtest_suite",
            "format": FORMAT,
            "spec": self.name,
            "not_judged": untried.collect::<Vec<_>>(),
            "cells": self.cells.iter().map(cell).collect::<Vec<_>>(),
        })
    }
}

fn serial(runs: u64) -> String {
    if runs == 1 { "one series".to_owned() } else { format!("{runs} series") }
}

fn row(cell: &Judged) -> [String; 8] {
    let figures = &cell.figures;
    let back = figures.rolled_back;
    let (least, most) = back.interval();
    let (bound, took) = match cell.truth {
        Truth::Healthy => (most, figures.to_promotion),
        Truth::Bad => (least, figures.detected),
    };
    [
        escape(&cell.world),
        cell.rate.to_string(),
        back.runs.to_string(),
        percent(back.share()),
        percent(bound),
        percent(figures.undecided.share()),
        amount(figures.harmed),
        time(took),
    ]
}

fn line(cells: &[String; 8]) -> String {
    const WIDTHS: [usize; 7] = [5, 6, 9, 8, 9, 7, 8];
    let [world, rest @ ..] = cells;
    let rest = rest.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:>width$}"));
    format!("{} {}\n", pad(world, WORLD), rest.collect::<Vec<_>>().join(" "))
}

fn cell(cell: &Judged) -> Value {
    let about = json!({
        "world": cell.world,
        "truth": cell.truth.word(),
        "rps": cell.rate,
        "runs": cell.figures.rolled_back.runs,
    });
    with_figures(about, &cell.figures)
}
