//! Measures how many simulated rollouts a second one core does: the budget is 1,000.
//! `cargo bench --bench simulation_speed [-- ROLLOUTS]`

#![allow(dead_code, missing_docs, unreachable_pub, reason = "the simulation's own modules are borrowed whole")]

#[path = "../../tests/simulation/checks.rs"]
mod checks;
#[path = "../../tests/simulation/deployment.rs"]
mod deployment;
#[path = "../../tests/simulation/die.rs"]
mod die;
#[path = "../../tests/simulation/measures.rs"]
mod measures;
#[path = "../../tests/simulation/mishaps.rs"]
mod mishaps;
#[path = "../../tests/simulation/plans.rs"]
mod plans;
#[path = "../../tests/simulation/points.rs"]
mod points;
#[path = "../../tests/simulation/rollout.rs"]
mod rollout;
#[path = "../../tests/simulation/safeguard.rs"]
mod safeguard;
#[path = "../../tests/simulation/sight.rs"]
mod sight;
#[path = "../../tests/simulation/traffic.rs"]
mod traffic;
#[path = "../../tests/simulation/world.rs"]
mod world;

use die::Die;
use mishaps::Mishaps;

fn main() {
    let rollouts: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5_000);
    let clock = tidegate::domain::clock::wall_now();
    let mut events = 0;
    for seed in 0..rollouts {
        let mut die = Die::new(seed);
        let plan = plans::throw(&mut die);
        let mishaps = Mishaps::throw(&mut die);
        events += rollout::run(&plan, mishaps, &mut die).recorded.len();
    }
    let took = tidegate::domain::clock::wall_now().since(clock).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let (each, every) = (rollouts as f64 / took, events as f64 / took);
    println!("{rollouts} rollouts in {took:.1} s on one core: {each:.0} rollouts/s, {every:.0} events/s");
}
