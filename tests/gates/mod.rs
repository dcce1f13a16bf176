//! A short version of the gate benchmark: the promises of the gate, on few rollouts and with the slack that
//! few rollouts need. `cargo bench --bench gate_benchmark` is the long one.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the benchmark's own modules are borrowed whole"
)]

#[path = "../../examples/benches/gate_benchmark/cells.rs"]
mod cells;
#[path = "../../examples/benches/gate_benchmark/play.rs"]
mod play;
#[path = "../../examples/benches/gate_benchmark/policy/mod.rs"]
mod policy;

use cells::{Case, Cell, Figures, cases, fill};

const SEED: u64 = 1;
const OURS: [&str; 4] = ["steps60", "steps10", "ramp60", "ramp10"];

fn cell(policy: &str, case: &str, rate: f64, runs: u32) -> Cell {
    let policy = policy::ALL.iter().find(|entry| entry.name == policy).expect("the policy exists");
    let (name, case) = cases().into_iter().find(|(name, _)| *name == case).expect("the case exists");
    Cell { policy, name, case, rate, runs }
}

fn filled(cells: &[Cell]) -> Vec<Figures> {
    fill(cells, SEED, 2, &|_| ())
}

/// All rollouts of these cells, and those rolled back.
fn summed(figures: &[Figures]) -> (u32, u32) {
    figures.iter().fold((0, 0), |sum, cell| (sum.0 + cell.runs, sum.1 + cell.backs))
}

/// The least number of successes in `runs` that a chance of `chance` reaches less than once in 10,000 times.
fn surprising(runs: u32, chance: f64) -> u32 {
    let mut term = (1.0 - chance).powf(f64::from(runs));
    let mut below = 0.0;
    for successes in 0..=runs {
        if 1.0 - below < 1e-4 {
            return successes;
        }
        below += term;
        term *= f64::from(runs - successes) / f64::from(successes + 1) * chance / (1.0 - chance);
    }
    runs + 1
}

#[test]
fn good_releases_are_left_alone() {
    let good = || cases().into_iter().filter(|(_, case)| matches!(case, Case::Good(_)));
    for policy in OURS {
        let cells: Vec<Cell> = good()
            .flat_map(|(name, _)| [(2.0, 1), (20.0, 2), (200.0, 2), (2000.0, 2)].map(|(rate, runs)| (name, rate, runs)))
            .map(|(name, rate, runs)| cell(policy, name, rate, runs))
            .collect();
        let (runs, backs) = summed(&filled(&cells));
        let limit = surprising(runs, 0.01);
        assert!(backs < limit, "{policy}: {backs} of {runs} good releases went back; {limit} would surprise at 1 %");
    }
}

#[test]
fn faults_are_caught() {
    let faults = [("err0.5", 200.0), ("err1", 20.0), ("err5", 20.0), ("lat10", 200.0), ("lat100", 20.0)];
    for policy in OURS {
        let cells: Vec<Cell> = faults.iter().map(|(name, rate)| cell(policy, name, *rate, 6)).collect();
        let (runs, backs) = summed(&filled(&cells));
        let limit = surprising(runs, 0.005);
        assert!(runs - backs < limit, "{policy}: {} of {runs} bad releases were missed", runs - backs);
    }
}

#[test]
fn half_failing_requests_go_back_with_the_first_data() {
    for (policy, seconds) in [("steps60", 120), ("ramp60", 120), ("steps10", 20), ("ramp10", 20)] {
        let figures = &filled(&[cell(policy, "err50", 2000.0, 10)])[0];
        assert_eq!(figures.backs, figures.runs, "{policy}");
        assert!(figures.to_back.is_some_and(|median| median <= seconds), "{policy}: {figures:?}");
    }
}

#[test]
fn the_ramp_keeps_harm_within_its_budget() {
    // The promise is on the mean: twice the budget leaves room for few rollouts.
    for (policy, most) in [("ramp60", 125.0), ("ramp10", 60.0)] {
        for (name, rate) in [("err5", 20.0), ("err50", 200.0), ("lat25", 200.0), ("err1", 2000.0)] {
            let figures = &filled(&[cell(policy, name, rate, 10)])[0];
            assert!(figures.harm <= most, "{policy}: {name} at {rate} a second harmed {:.0}", figures.harm);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_figures_on_any_number_of_threads() {
    let cells = [
        cell("ramp60", "noisyAR", 20.0, 3),
        cell("ramp10", "lat25", 200.0, 3),
        cell("steps60", "err1", 20.0, 3),
        cell("kayenta", "benign", 200.0, 3),
    ];
    let once = fill(&cells, SEED, 1, &|_| ());
    assert_eq!(once, fill(&cells, SEED, 1, &|_| ()));
    assert_eq!(once, fill(&cells, SEED, 2, &|_| ()));
    assert_ne!(once, fill(&cells, SEED + 1, 2, &|_| ()));
}

#[test]
fn the_neighbours_do_as_they_are_documented() {
    // Every figure follows from the policy's arithmetic: ECS hears of the first minute 60 s after its end,
    // Flagger and Argo 10 s; five checks, four windows of five minutes, three of one.
    let at = [("ecs_1of1", 120), ("ecs_2of2", 180), ("flagger_docs", 310), ("argo_docs", 1210), ("argo_tuned", 190)];
    for (policy, seconds) in at.into_iter().chain([("kayenta", 360)]) {
        let figures = &filled(&[cell(policy, "err50", 200.0, 5)])[0];
        assert_eq!((figures.backs, figures.to_back), (5, Some(seconds)), "{policy}");
    }
}
