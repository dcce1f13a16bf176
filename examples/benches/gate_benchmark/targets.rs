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

const TARGETS: [Target; 10] = [
    Target {
        goal: "false rollback, any good release, %",
        most: [1.0, 1.0],
        about: |cell| matches!(cell.case, Case::Good(_)),
        figure: Figures::back_percent,
    },
    Target {
        goal: "mean harm, any fault, requests",
        most: [125.0, 60.0],
        about: |cell| ramp(cell) && matches!(cell.case, Case::Bad(_)),
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
