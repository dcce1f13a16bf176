//! `kill -9`, Ctrl-C or a freeze at any moment, once or several times, while the API has its own trouble: whoever
//! comes next ends the rollout well, and one that thaws later does nothing more.
//!
//! `TIDEGATE_KILLS=500 cargo test --test journeys kill` strikes more runners;
//! `TIDEGATE_KILL_SEED=7 cargo test --test journeys one_kill_seed -- --nocapture` repeats one rollout.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::support::{Ended, Lab, Place, Process, heavy, number};

/// Runners struck in an ordinary test.
const KILLS: u64 = 45;
/// The trouble of the API while runners are struck.
const TROUBLE: &str = "throttle=4%,error=4%,lost-answer=3%,delay=5%:4s";
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

/// What becomes of a runner.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Blow {
    Kill,
    Freeze,
    Interrupt,
}

/// One rollout and the runners struck over it.
struct Case<'a> {
    place: &'a Place,
    spec: &'a Path,
    lab: &'a Lab,
    is_healthy: bool,
    /// Whether a rollback was ever asked for, perhaps in vain.
    told: bool,
    /// Whether a runner was interrupted: the rollout then goes back.
    interrupted: bool,
    kills: u64,
    /// Runners that do not know what happens.
    frozen: Vec<Process>,
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
        let status = self.lab.run(self.place, ["status", "--json"]).events().remove(0);
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
                assert!(told || !healthy || self.interrupted, "a healthy release went back by itself: {ended}");
                self.lab.is_all_on(stable);
                // One that was interrupted leaves the candidate's tasks, and says so.
                let left = self.interrupted && tasks == (4, 4);
                assert!(left || tasks == (4, 0), "{tasks:?} {ended}");
                let kind = status["reason"]["kind"].as_str().unwrap_or_default();
                let expected = match kind {
                    _ if last == Next::Rollback => 0,
                    "operator" | "signal" => 11,
                    _ => 10,
                };
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

    /// Runners that thaw find that somebody else decides, or that it is over, and change nothing.
    fn thaw(&mut self) {
        let before = self.lab.writes();
        for runner in self.frozen.drain(..) {
            runner.signal("CONT");
            let ended = runner.end();
            // One that was frozen with its last word on the tape has nothing left to do but to leave.
            assert!(ended.code == Some(14) || ended.has("finished"), "a runner that thawed: {ended}");
        }
        assert_eq!(self.lab.writes(), before, "a runner that thawed wrote");
    }
}

/// One rollout by its seed. Returns how many runners were struck.
fn rollout(seed: u64) -> u64 {
    let die = &mut fastrand::Rng::with_seed(seed);
    let is_healthy = !seed.is_multiple_of(3);
    let place = Place::new();
    let spec = place.spec("");
    let behaviour = if is_healthy { "healthy" } else { "errors=20%" };
    let play = ["--speed", "30", "--lab-rps", "6", "--lab-candidate", behaviour];
    let mut lab = Lab::playing(&place, &spec, &play);
    if die.bool() {
        lab.share_store();
    }
    if die.bool() {
        lab.dial(TROUBLE);
    }
    let frozen = Vec::new();
    let mut case =
        Case { place: &place, spec: &spec, lab: &lab, is_healthy, told: false, interrupted: false, kills: 0, frozen };
    let kills = 1 + u64::from(die.u8(..4));
    let mut next = Next::Run;
    let mut story = Vec::new();
    for _ in 0..RUNNERS {
        let mut process = case.begin(next);
        if case.kills == kills {
            let ended = process.end();
            println!("seed {seed}: {} struck ({}), then {next:?}: exit {:?}", case.kills, story.join(", "), ended.code);
            case.check(next, &ended);
            lab.dial("none");
            case.thaw();
            return case.kills;
        }
        let (lines, span) = (die.usize(..next.lines()), Duration::from_millis(die.u64(..1_500)));
        process.read_lines(lines);
        process.read_for(span);
        let blow = match die.u8(..10) {
            0..5 => Blow::Kill,
            5..8 => Blow::Freeze,
            _ => Blow::Interrupt,
        };
        if let Some(ended) = strike(&mut case, process, blow) {
            println!("seed {seed}: {} struck ({}), then {next:?}: exit {:?}", case.kills, story.join(", "), ended.code);
            case.check(next, &ended);
            lab.dial("none");
            case.thaw();
            return case.kills + u64::from(blow == Blow::Interrupt);
        }
        case.kills += 1;
        story.push(format!("{next:?} {blow:?} after {lines} lines"));
        next = case.next(die);
    }
    panic!("{RUNNERS} runners and still not over: {}", story.join(", "));
}

/// Strikes a runner. How it ended, when that is the end of the rollout too.
fn strike(case: &mut Case<'_>, mut process: Process, blow: Blow) -> Option<Ended> {
    match blow {
        Blow::Kill => Some(process.kill()).filter(|ended| ended.code.is_some()),
        Blow::Interrupt => {
            process.signal("INT");
            let ended = process.end();
            case.interrupted = true;
            // One that had not begun, or was past the commit, leaves it to whoever comes next.
            Some(ended).filter(|ended| !matches!(ended.code, None | Some(13)))
        }
        Blow::Freeze => {
            process.signal("STOP");
            match process.has_ended() {
                true => Some(process.end()),
                // Before its tape there is nothing that somebody else could take over.
                false if case.lab.run(case.place, ["status", "--json"]).code != Some(0) => {
                    process.kill();
                    None
                }
                false => {
                    case.frozen.push(process);
                    None
                }
            }
        }
    }
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
    println!("{} runners struck over {} rollouts", killed.into_inner(), seeds.into_inner());
}

#[test]
fn one_kill_seed() {
    if let Some(seed) = number("TIDEGATE_KILL_SEED") {
        rollout(seed);
    }
}
