//! Many seeds on all cores: what they came to, and which of them failed.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many of the seeds that failed alike are named.
const NAMED: usize = 8;

/// A number that the tester gives in the environment.
pub fn number(variable: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "the seed is the tester's to choose")]
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// The seeds of one run.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    pub first: u64,
    pub count: u64,
    /// Whether these are at least as many as in an ordinary run: then everything must have happened.
    pub suffice: bool,
}

impl Seeds {
    /// `TIDEGATE_SEEDS` of them from `TIDEGATE_FIRST_SEED`, or the ordinary ones.
    pub fn of(ordinary: u64) -> Self {
        let count = number("TIDEGATE_SEEDS").unwrap_or(ordinary);
        Self { first: number("TIDEGATE_FIRST_SEED").unwrap_or_default(), count, suffice: count >= ordinary }
    }
}

/// What many seeds came to.
#[derive(Default)]
pub struct Harvest<S> {
    pub sum: S,
    /// The seeds that failed, by what they said first.
    failed: BTreeMap<String, Vec<u64>>,
}

impl<S> Harvest<S> {
    /// Fails if a seed did: all that fail alike are told together, and how `test` repeats the first.
    pub fn must_be_sound(&self, test: &str) {
        for (words, seeds) in &self.failed {
            println!("{} failed, {:?}: {words}", seeds.len(), &seeds[..seeds.len().min(NAMED)]);
        }
        let first = self.failed.values().flatten().min();
        if let Some(seed) = first {
            panic!("repeat with: TIDEGATE_SEED={seed} cargo test --test proofs {test} -- --ignored --nocapture");
        }
    }
}

/// Runs every seed with `run`, on as many threads as there are cores; `add` takes in what one came to, and `join`
/// what another thread has summed up.
pub fn all<S: Default + Send, O>(
    seeds: Seeds,
    run: impl Fn(u64) -> O + Sync,
    add: impl Fn(&mut S, O) + Sync,
    join: impl Fn(&mut S, &S),
) -> Harvest<S> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicU64::new(seeds.first);
    let share = || {
        let mut harvest = Harvest::<S>::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.first + seeds.count {
                return harvest;
            }
            match catch_unwind(AssertUnwindSafe(|| run(seed))) {
                Ok(one) => add(&mut harvest.sum, one),
                Err(panic) => {
                    let words = words(panic.as_ref());
                    // Whoever looks on need not wait for the rest.
                    println!("seed {seed} failed: {words}");
                    harvest.failed.entry(words).or_default().push(seed);
                }
            }
        }
    };
    let mut all = Harvest::<S>::default();
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        for share in shares {
            let Harvest { sum, failed } = share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            join(&mut all.sum, &sum);
            for (words, seeds) in failed {
                all.failed.entry(words).or_default().extend(seeds);
            }
        }
    });
    all.failed.values_mut().for_each(|seeds| seeds.sort_unstable());
    all
}

/// What a panic says, without its figures: what fails alike reads alike.
fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    words.chars().filter(|c| !c.is_ascii_digit()).take(90).collect()
}
