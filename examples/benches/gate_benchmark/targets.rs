//! What the gate must reach, and whether it does.

use std::fmt::Write as _;

use tidegate::simulate::scenario::Scenario;

use super::cells::{Case, Cell, Figures};
use super::tables::Results;

/// One promise.
struct Target {
    /// In words.
    goal: &'static str,
    /// The most that is allowed on a feed of 60 s and of 10 s.
    most: [f64; 2],
    /// Which cells it is about. Fixed steps promise no more than to leave good releases alone: their harm grows
    /// with traffic.
    about: fn(&Cell) -> bool,
    /// What is held against it.
    figure: fn(&Figures) -> f64,
}

/// What a figure that does not exist counts as: longer than anything.
const NEVER: f64 = f64::INFINITY;

const TARGETS: [Target; 18] = [
    Target {
        goal: "false rollback, any good release but in a brown-out, %",
        most: [1.0, 1.0],
        about: |cell| matches!(cell.case, Case::Good(scenario) if scenario != Scenario::Brownout),
        figure: Figures::back_percent,
    },
    Target {
        goal: "false rollback in a brown-out, %",
        most: [5.0, 5.0],
        about: |cell| cell.case == Case::Good(Scenario::Brownout),
        figure: Figures::back_percent,
    },
    Target {
        goal: "missed leak that begins after 20 minutes, %",
        most: [5.0, 5.0],
        about: |cell| cell.name == "leak20m" && cell.rate >= 20.0,
        figure: missed,
    },
    Target {
        goal: "missed 1 % errors in bursts of 20, at 20 and 30 a second, %",
        most: [40.0, 40.0],
        about: |cell| cell.name == "burst20" && (20.0..=30.0).contains(&cell.rate),
        figure: missed,
    },
    Target {
        goal: "the same, from 200 a second, %",
        most: [1.0, 1.0],
        about: |cell| cell.name == "burst20" && cell.rate >= 200.0,
        figure: missed,
    },
    Target {
        goal: "missed 5 s for 0.3 % of the requests, at 20 and 30 a second, %",
        most: [50.0, 50.0],
        about: |cell| cell.name == "tail0.3" && (20.0..=30.0).contains(&cell.rate),
        figure: missed,
    },
    Target {
        goal: "the same, from 200 a second, %",
        most: [1.0, 1.0],
        about: |cell| cell.name == "tail0.3" && cell.rate >= 200.0,
        figure: missed,
    },
    Target {
        goal: "rollback of refusals to everybody, s",
        most: [120.0, 30.0],
        about: |cell| cell.name == "404",
        figure: |figures| figures.to_back.map_or(NEVER, |seconds| seconds as f64),
    },
    Target {
        goal: "mean harm, latency of 25 % and more at 2,000 a second, requests",
        most: [190.0, 110.0],
        about: |cell| ramp(cell) && patient(cell),
        figure: |figures| figures.harm,
    },
    Target {
        goal: "mean harm, any other fault from the start, requests",
        most: [125.0, 60.0],
        about: |cell| ramp(cell) && early(cell) && !patient(cell),
        figure: |figures| figures.harm,
    },
    Target {
        goal: "mean harm, half of the requests fail, 2 to 200 a second",
        most: [25.0, 20.0],
        about: |cell| ramp(cell) && cell.name == "err50" && cell.rate <= 200.0,
        figure: |figures| figures.harm,
    },
    Target {
        goal: "missed 0.5 % errors, from 20 a second, %",
        most: [0.5, 0.5],
        about: |cell| ramp(cell) && cell.name == "err0.5" && cell.rate >= 20.0,
        figure: missed,
    },
    Target {
        goal: "missed 10 % slower, from 20 a second, %",
        most: [0.5, 0.5],
        about: |cell| ramp(cell) && cell.name == "lat10" && cell.rate >= 20.0,
        figure: missed,
    },
    Target {
        goal: "rollback of 5 % errors, from 20 a second, s",
        most: [240.0, 60.0],
        about: |cell| ramp(cell) && cell.name == "err5" && cell.rate >= 20.0,
        figure: |figures| figures.to_back.map_or(NEVER, |seconds| seconds as f64),
    },
    Target {
        goal: "healthy to 95 % of traffic, from 200 a second, s",
        most: [420.0, 120.0],
        about: |cell| ramp(cell) && cell.case == Case::Good(Scenario::Healthy) && cell.rate >= 200.0,
        figure: promotion,
    },
    Target {
        goal: "healthy to 95 % of traffic, at 20 a second, s",
        most: [720.0, 540.0],
        about: |cell| ramp(cell) && cell.case == Case::Good(Scenario::Healthy) && cell.rate == 20.0,
        figure: promotion,
    },
    Target {
        goal: "wandering noise to 95 % of traffic, from 200 a second, s (stretch)",
        most: [1200.0, 900.0],
        about: |cell| ramp(cell) && cell.case == Case::Good(Scenario::Wandering) && cell.rate >= 200.0,
        figure: promotion,
    },
    Target {
        goal: "missed 1 % errors, at 2 a second, % (stretch)",
        most: [10.0, 10.0],
        about: |cell| ramp(cell) && cell.name == "err1" && cell.rate == 2.0,
        figure: missed,
    },
];

/// Whether the cell's policy raises the share within a harm budget.
fn ramp(cell: &Cell) -> bool {
    cell.policy.name.starts_with("ramp")
}

/// Whether the cell's fault is there from the start, as those are that the harm budget is about.
fn early(cell: &Cell) -> bool {
    matches!(cell.case, Case::Bad(fault) if fault.from.is_zero() && fault.burst <= 1.0)
}

/// Whether the cell's fault costs what patience with a warm-up costs where the least share is many requests.
fn patient(cell: &Cell) -> bool {
    matches!(cell.case, Case::Bad(fault) if fault.slower >= 0.25) && early(cell) && cell.rate >= 2000.0
}

fn missed(figures: &Figures) -> f64 {
    100.0 - figures.back_percent()
}

fn promotion(figures: &Figures) -> f64 {
    figures.to_promotion.map_or(NEVER, |seconds| seconds as f64)
}

/// Every target against the worst cell of each of tidegate's policies that was measured.
pub fn table(results: &Results) -> String {
    let mut policies: Vec<(&str, usize)> = Vec::new();
    for (cell, _) in results.of(|cell| cell.policy.is_ours()) {
        let row = (cell.policy.name, usize::from(cell.policy.timing.span < 60));
        if !policies.contains(&row) {
            policies.push(row);
        }
    }
    if policies.is_empty() {
        return String::new();
    }
    let mut text = "**Targets**\n\n| target | policy | most | worst cell | |\n|---|---|---|---|---|\n".to_owned();
    for target in &TARGETS {
        for (policy, feed) in &policies {
            let cells = results.of(|cell| cell.policy.name == *policy && (target.about)(cell));
            let worst = cells.max_by(|one, other| (target.figure)(one.1).total_cmp(&(target.figure)(other.1)));
            let Some((cell, figures)) = worst else { continue };
            let (most, figure) = (target.most[*feed], (target.figure)(figures));
            let met = if figure <= most { "met".to_owned() } else { format!("missed by {:.1}", figure - most) };
            let _ = writeln!(
                text,
                "| {} | {policy} | {most} | {figure:.1} ({} at {}) | {met} |",
                target.goal, cell.name, cell.rate
            );
        }
    }
    text
}
