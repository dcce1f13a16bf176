//! A simulation for programs: one versioned object, to which fields may be added.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::figures::{Chance, Figures};
use super::super::grid::Cell;
use super::PageContents;

/// The version of the object.
const FORMAT: u64 = 1;

/// The object.
pub fn json(told: &PageContents<'_>) -> Value {
    let grid = told.grid;
    let untried = told.untried.iter().map(|untried| json!({"gate": untried.gate, "why": untried.why}));
    json!({
        "type": "simulation",
        "format": FORMAT,
        "spec": told.name,
        "driver": told.driver.0,
        "driver_not_simulated": told.driver.1,
        "runs": grid.runs,
        "seed": grid.seed,
        "stable": {
            "errors": grid.service.errors,
            "median_seconds": grid.service.median,
            "spread": grid.service.sigma,
        },
        "not_simulated": untried.collect::<Vec<_>>(),
        "cells": told.cells.iter().map(cell).collect::<Vec<_>>(),
    })
}

fn cell(cell: &Cell) -> Value {
    let about = json!({
        "regression": cell.regression.words,
        "errors": cell.regression.fault.errors,
        "slower": cell.regression.fault.slower,
        "grows_seconds": cell.regression.fault.grows.as_secs_f64(),
        "rps": cell.rate,
    });
    with_figures(about, &cell.figures)
}

/// What `about` says of a cell, and what came of its rollouts.
pub(super) fn with_figures(mut about: Value, figures: &Figures) -> Value {
    let harmed = json!({"mean": figures.harmed, "within": figures.harmed_within, "p95": figures.harmed_p95});
    let detected = json!({"median": seconds(figures.detected), "p95": seconds(figures.detected_p95)});
    for (name, figure) in [
        ("rolled_back", chance(figures.rolled_back)),
        ("undecided", chance(figures.undecided)),
        ("promoted", chance(figures.promoted)),
        ("harmed_requests", harmed),
        ("seconds_to_detect", detected),
        ("seconds_to_promote", json!({"median": seconds(figures.to_promotion)})),
    ] {
        about[name] = figure;
    }
    about
}

fn chance(chance: Chance) -> Value {
    let (low, high) = chance.interval();
    json!({"of": chance.of, "runs": chance.runs, "share": chance.share(), "low": low, "high": high})
}

fn seconds(span: Option<Duration>) -> Option<f64> {
    span.map(|span| span.as_secs_f64())
}
