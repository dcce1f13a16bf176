//! A simulation for programs: one versioned object, to which fields may be added.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::figures::Chance;
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
    let figures = &cell.figures;
    json!({
        "regression": cell.regression.words,
        "errors": cell.regression.fault.errors,
        "slower": cell.regression.fault.slower,
        "grows_seconds": cell.regression.fault.grows.as_secs_f64(),
        "rps": cell.rate,
        "rolled_back": chance(figures.rolled_back),
        "undecided": chance(figures.undecided),
        "promoted": chance(figures.promoted),
        "harmed_requests": {"mean": figures.harmed, "within": figures.harmed_within, "p95": figures.harmed_p95},
        "seconds_to_detect": {"median": seconds(figures.detected), "p95": seconds(figures.detected_p95)},
        "seconds_to_promote": {"median": seconds(figures.to_promotion)},
    })
}

pub(super) fn chance(chance: Chance) -> Value {
    let (low, high) = chance.interval();
    json!({"of": chance.of, "runs": chance.runs, "share": chance.share(), "low": low, "high": high})
}

pub(super) fn seconds(span: Option<Duration>) -> Option<f64> {
    span.map(|span| span.as_secs_f64())
}
