//! Thousands of rollouts that several processes would decide at once: runners that freeze, die and come back,
//! operators, guards, the dead-man's switch, and a store that fails.
//!
//! Processes have wrong clocks; what AWS dates is told to each in its own time, as if the driver knew how far its
//! clock is off.
//!
//! `TIDEGATE_SEED=7 cargo test --test proofs one_contested_seed -- --ignored --nocapture` tells one of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::lease::{LEASE, QUARANTINE};
use tidegate::machine::Outcome;
use tidegate::plan::Plan;
use tokio::task::LocalSet;

use super::backend::Trouble;
use super::crowd;
use super::die::Die;
use super::mishaps::{Candidate, Mishaps};
use super::plans;
use super::points::{Hits, RIVALS, WORLD};
use super::process::Kind;
use super::scene::{Move, Scene};
use super::seeds::{self, Seeds, number};

/// Seeds of an ordinary run.
const SEEDS: u64 = 600;
/// In so many seeds everything must have happened.
const ENOUGH: u64 = 6_000;
/// What separates these seeds from those of rollouts without rivals.
const APART: u64 = 0x5eed_0000_0000;

/// What a seed does to a contested rollout, beside the world's mishaps.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who enters and what others do, and how long after the start.
    pub moves: Vec<(Duration, Move)>,
    /// Probability, at each happening, that its process is killed.
    pub kill: f64,
    /// The same, that it is frozen; and that it is frozen between deciding and sending a write.
    pub freeze: f64,
    pub freeze_sending: f64,
    /// Probability that somebody enters just when traffic is moved or a commit begins.
    pub chased: f64,
    /// Probability that a process has a clock that is wrong.
    pub skewed: f64,
    pub store: Trouble,
    /// Whether the store is a folder, and not a bucket.
    pub is_folder: bool,
    /// When faults end.
    pub heals_after: Duration,
}

impl Options {
    fn throw(die: &mut Die, mishaps: &Mishaps) -> Self {
        let start = Timestamp::from_millis(1_800_000_000_000);
        let lasts = die.between(60, 2_400);
        let mut moves = Vec::new();
        let mut enters = |die: &mut Die, chance: f64, what: Move| {
            if die.chance(chance) {
                // Some come before there is any traffic to take back.
                let last = if die.chance(0.3) { 60 } else { lasts };
                moves.push((Duration::from_millis(die.between(500, last * 1000)), what));
            }
        };
        for (kind, chance) in [
            (Kind::Resumer, 0.5),
            (Kind::Resumer, 0.3),
            (Kind::Operator, 0.35),
            (Kind::Operator, 0.1),
            (Kind::Guard, 0.4),
            (Kind::Guard, 0.3),
            (Kind::Blind, 0.1),
        ] {
            enters(die, chance, Move::Enter(kind));
        }
        enters(die, f64::from(mishaps.foreign_writes), Move::Meddle);
        enters(die, f64::from(mishaps.deployments), Move::Deploy);
        enters(die, 0.1, Move::Damage);
        let mut maybe = |chance: f64, value: f64| if die.chance(chance) { value } else { 0.0 };
        let (kill, freeze) = (maybe(0.5, 0.002), maybe(0.5, 0.002));
        let (freeze_sending, skewed) = (maybe(0.5, 0.05), maybe(0.4, 0.7));
        let chased = maybe(0.4, 0.2);
        let store = Trouble::throw(die, start);
        let is_folder = die.chance(0.5);
        Self {
            is_folder,
            moves,
            kill,
            freeze,
            freeze_sending,
            chased,
            skewed,
            store,
            heals_after: Duration::from_secs(lasts),
        }
    }

    /// How long after faults end a rollout may still take: its plan's own limits, and those of one takeover.
    pub fn bound(plan: &Plan) -> Duration {
        let steps: Duration = plan.steps.iter().map(|step| step.within).sum();
        let limits = plan.limits;
        steps + limits.pause + 2 * (limits.retreat + limits.drain) + 4 * (LEASE + QUARANTINE)
    }
}

/// What became of a seed.
struct SeedEnd {
    outcome: Option<Outcome>,
    hits: Hits,
    history: Vec<String>,
}

fn contested(seed: u64, tells: bool) -> SeedEnd {
    let mut die = Die::new(seed ^ APART);
    let plan = plans::throw(&mut die);
    let mut mishaps = Mishaps::throw(&mut die);
    if die.chance(0.6) {
        // Rivals matter most to a rollout that gets far.
        mishaps = Mishaps { candidate: Candidate::Healthy, expired: None, silence: 0.0, word: 0.0, ..mishaps };
    }
    let mut options = Options::throw(&mut die, &mishaps);
    // Of a die of its own, so that every other seed stays what it was.
    let mut other = Die::new(!seed);
    if other.chance(0.05) {
        options.moves.push((other.span(Duration::from_secs(1), Duration::from_secs(1_500)), Move::Behead));
    }
    if other.chance(0.05) {
        options.moves.push((other.span(Duration::from_secs(1), Duration::from_secs(1_500)), Move::Garble));
    }
    for _ in 0..other.one_of(&[0, 0, 0, 0, 0, 0, 0, 2]) {
        let after = other.span(Duration::ZERO, Duration::from_secs(300));
        options.moves.push((after, Move::Enter(Kind::Rehearsal)));
    }
    if tells {
        println!("{options:#?}\n{mishaps:#?}");
    }
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let _entered = runtime.enter();
    let scene = Scene::new((plan, options, mishaps), die, tells);
    let crowd = LocalSet::new();
    let run = catch_unwind(AssertUnwindSafe(|| runtime.block_on(crowd.run_until(crowd::run(&scene)))));
    drop(crowd);
    let mut sim = scene.sim();
    let history = sim.history.take().unwrap_or_default();
    if let Err(panic) = run {
        for line in &history {
            println!("{line}");
        }
        std::panic::resume_unwind(panic);
    }
    let mut hits = std::mem::take(&mut sim.hits);
    hits.add(&sim.world.hits);
    SeedEnd { outcome: sim.invariants.outcome.take().map(|(_, outcome)| outcome), hits, history }
}

/// What the seeds came to.
#[derive(Default)]
struct Sum {
    hits: Hits,
    nothing: u64,
    promoted: u64,
    back: u64,
    stranded: u64,
}

impl Sum {
    fn add(&mut self, told: &SeedEnd) {
        self.hits.add(&told.hits);
        *match told.outcome {
            None => &mut self.nothing,
            Some(Outcome::Promoted) => &mut self.promoted,
            Some(Outcome::RolledBack(_)) => &mut self.back,
            Some(Outcome::Stranded { .. }) => &mut self.stranded,
        } += 1;
    }

    fn join(&mut self, other: &Self) {
        self.hits.add(&other.hits);
        self.nothing += other.nothing;
        self.promoted += other.promoted;
        self.back += other.back;
        self.stranded += other.stranded;
    }
}

#[test]
fn rivals_keep_the_invariants_at_every_seed() {
    let seeds = Seeds::of(SEEDS);
    let run = |seed| contested(seed, false);
    let harvest = seeds::all(seeds, run, |sum: &mut Sum, told| sum.add(&told), Sum::join);
    let Sum { hits, nothing, promoted, back, stranded } = &harvest.sum;
    let count = seeds.count;
    println!("{count} contested rollouts: {promoted} promoted, {back} back, {stranded} stranded, {nothing} not begun");
    println!("{hits:?}");
    harvest.must_be_sound("one_contested_seed");
    let missing = hits.missing(&[WORLD, RIVALS]);
    assert!(seeds.count < ENOUGH || missing.is_empty(), "never taken: {missing:?}");
    assert!(*promoted > count / 50 && *back > count / 4, "{promoted} promoted, {back} back");
}

/// Seeds that failed once: what began never and had another's weights; a guard that tried for hours what AWS had ended; a
/// commit that only the tag told; an alarm whose dates were told in another time than the process's own, in the reading and
/// in the check.
const FAILED_ONCE: [u64; 8] = [479, 543, 100_031, 2_106, 2_112, 4_779, 200_068, 200_151];

#[test]
fn what_failed_once_does_not_fail_again() {
    for seed in FAILED_ONCE {
        contested(seed, false);
    }
}

#[test]
#[ignore = "it tells the one seed that TIDEGATE_SEED names"]
fn one_contested_seed() {
    let seed = number("TIDEGATE_SEED").expect("TIDEGATE_SEED names a seed");
    let told = contested(seed, true);
    for line in told.history {
        println!("{line}");
    }
    println!("{:?}\n{:?}", told.hits, told.outcome);
}

#[test]
fn a_contested_seed_gives_the_same_history_every_time() {
    for seed in 0..20 {
        assert_eq!(contested(seed, true).history, contested(seed, true).history, "seed {seed}");
    }
}
