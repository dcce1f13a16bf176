//! What one verdict costs.

use tidegate::domain::traffic::Share;
use tidegate::gate::Window;
use tidegate::gate::compare::Comparison;
use tidegate::simulate::scenario::Scenario;
use tidegate::simulate::world::{Marks, START, World};

use super::policy::gate::rule;

/// How many rollouts are judged.
const ROLLOUTS: u32 = 500;
/// How many bins each has.
const BINS: u32 = 60;

/// Judges many rollouts of an hour each, and says what a closed bin cost.
pub fn measure() -> String {
    let world = World::new(1, 200.0, Scenario::Healthy, std::time::Duration::from_secs(60));
    let rule = rule(&world);
    let marks = Marks::of(&rule.baseline.thresholds);
    let mut traffic = world.traffic();
    let bins: Vec<_> = (0..BINS).map(|_| traffic.next(0.25, &marks).bin).collect();
    let course = [(START, Share::from_permille(250).unwrap_or(Share::ALL))];
    let clock = tidegate::domain::clock::wall_now();
    let mut passed = 0;
    for _ in 0..ROLLOUTS {
        let mut comparison = Comparison::new();
        for (at, bin) in bins.iter().enumerate() {
            let seen = std::slice::from_ref(bin);
            // Two looks: the second one closes the bin.
            for look in 1..=2 {
                let now = bin.at + world.span * (1 + look);
                let deadline = START + world.span * BINS;
                let window = Window {
                    rules: 1,
                    rollout: START,
                    exposed: Some(START),
                    step: START,
                    deadline,
                    course: &course,
                    unseen: &[],
                    now,
                };
                let verdict = comparison.take(&rule, seen, window);
                passed += usize::from(at + 1 == bins.len() && verdict.passes(START));
            }
        }
    }
    let took = tidegate::domain::clock::wall_now().since(clock).as_secs_f64();
    let bins = f64::from(ROLLOUTS * BINS);
    format!("{:.1} µs a closed bin, both looks and its verdict in it ({bins} bins, {passed} passes)", took / bins * 1e6)
}
