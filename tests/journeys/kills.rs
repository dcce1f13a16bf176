//! `kill -9` at any moment, once or several times: whoever comes next ends the rollout well.
//!
//! `TIDEGATE_KILLS=500 cargo test --test journeys kill` kills more runners;
//! `TIDEGATE_KILL_SEED=7 cargo test --test journeys one_kill_seed -- --nocapture` repeats one rollout.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::support::{Ended, Lab, Place, Process, heavy, number};

/// Runners killed in an ordinary test.
const KILLS: u64 = 52;
/// Rollouts that go on at the same time: most of their time is waiting.
const AT_ONCE: usize = 3;
/// No rollout needs more runners than this.
const RUNNERS: u32 = 40;

/// Who comes after a runner that was killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Run,
    Resume,
    Rollback,
}

impl Next {
    /// About how many events it tells when it is left alone.
    fn lines(self) -> usize {
        match self {
            Next::Run => 32,
            Next::Resume => 18,
            Next::Rollback => 7,
        }
    }
}

/// One rollout and the runners killed over it.
struct Case<'a> {
    place: &'a Place,
    spec: &'a Path,
    lab: &'a Lab,
    is_healthy: bool,
    /// Whether a rollback was ever asked for, perhaps in vain.
    told: bool,
    kills: u64,
}

impl Case<'_> {
    fn begin(&mut self, next: Next) -> Process {
        self.told |= next == Next::Rollback;
        match next {
            Next::Run => self.lab.roll_out(self.place, self.spec),
            Next::Resume => self.lab.begin(self.place, ["resume", "--json"]),
            Next::Rollback => self.lab.begin(self.place, ["rollback", "--yes", "--json"]),
        }
    }

    /// Without a tape nothing has happened yet, and there is nothing to go on with.
    fn next(&self, die: &mut fastrand::Rng) -> Next {
        if self.lab.run(self.place, ["status", "--json"]).code != Some(0) {
            return Next::Run;
        }
        if die.u8(..10) < 6 { Next::Resume } else { Next::Rollback }
    }

    /// All traffic is on one slot, all tasks are in it, and nobody's request failed who was not on the candidate.
    fn check(&self, last: Next, ended: &Ended) {
        let (stable, candidate) = ("web-blue", "web-green");
        let status = self.place.status();
        let (told, healthy) = (self.told, self.is_healthy);
        let code = ended.code.unwrap_or_else(|| panic!("it is not killed any more: {ended}"));
        let tasks = (self.lab.desired(stable), self.lab.desired(candidate));
        match status["outcome"].as_str() {
            Some("promoted") => {
                assert!(healthy, "a failing release was promoted: {ended}");
                self.lab.is_all_on(candidate);
                assert_eq!(tasks, (0, 4), "{ended}");
                assert_eq!(code, if last == Next::Rollback { 15 } else { 0 }, "{ended}");
            }
            Some("rolled_back") => {
                assert!(told || !healthy, "a healthy release went back by itself: {ended}");
                self.lab.is_all_on(stable);
                assert_eq!(tasks, (4, 0), "{ended}");
                let word = status["reason"]["kind"] == "operator";
                let expected = if last == Next::Rollback { 0 } else { 10 + i32::from(word) };
                assert_eq!(code, expected, "{ended}");
            }
            _ => panic!("it is not over: {status}\n{ended}"),
        }
        let traffic = self.lab.traffic();
        if healthy {
            assert_eq!(traffic.failed(), 0, "{}", traffic.0);
        }
        traffic.fails_only_in(candidate);
    }
}

/// One rollout by its seed. Returns how many runners were killed.
fn rollout(seed: u64) -> u64 {
    let die = &mut fastrand::Rng::with_seed(seed);
    let is_healthy = !seed.is_multiple_of(3);
    let place = Place::new();
    let spec = place.spec("");
    let behaviour = if is_healthy { "healthy" } else { "errors=20%" };
    let play = ["--speed", "40", "--lab-rps", "6", "--lab-candidate", behaviour];
    let lab = Lab::playing(&place, &spec, &play);
    let mut case = Case { place: &place, spec: &spec, lab: &lab, is_healthy, told: false, kills: 0 };
    let kills = 1 + u64::from(die.u8(..4));
    let mut next = Next::Run;
    let mut story = Vec::new();
    for _ in 0..RUNNERS {
        let mut process = case.begin(next);
        if case.kills == kills {
            let ended = process.end();
            println!("seed {seed}: {} killed ({}), then {next:?}: exit {:?}", case.kills, story.join(", "), ended.code);
            case.check(next, &ended);
            return case.kills;
        }
        let (lines, span) = (die.usize(..next.lines()), Duration::from_millis(die.u64(..1_500)));
        process.read_lines(lines);
        process.read_for(span);
        let ended = process.kill();
        if ended.code.is_some() {
            // It was over before: there is nobody to kill any more.
            println!("seed {seed}: {} killed ({}), then {next:?}: exit {:?}", case.kills, story.join(", "), ended.code);
            case.check(next, &ended);
            return case.kills;
        }
        case.kills += 1;
        story.push(format!("{next:?} after {} lines", ended.lines.len()));
        next = case.next(die);
    }
    panic!("{RUNNERS} runners and still not over: {}", story.join(", "));
}

/// Takes seeds one after the other until enough runners are killed.
fn worker(seeds: &AtomicU64, killed: &AtomicU64, kills: u64) {
    while killed.load(Relaxed) < kills {
        let seed = seeds.fetch_add(1, Relaxed);
        let done = catch_unwind(AssertUnwindSafe(|| rollout(seed))).unwrap_or_else(|_| {
            panic!("repeat with: TIDEGATE_KILL_SEED={seed} cargo test --test journeys one_kill_seed -- --nocapture")
        });
        killed.fetch_add(done, Relaxed);
    }
}

#[test]
fn killed_runners_leave_nothing_that_the_next_does_not_finish() {
    let _alone = heavy();
    let kills = number("TIDEGATE_KILLS").unwrap_or(KILLS);
    let (seeds, killed) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| worker(&seeds, &killed, kills));
        }
    });
    println!("{} runners killed over {} rollouts", killed.into_inner(), seeds.into_inner());
}

#[test]
fn one_kill_seed() {
    if let Some(seed) = number("TIDEGATE_KILL_SEED") {
        rollout(seed);
    }
}
