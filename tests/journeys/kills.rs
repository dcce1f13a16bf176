//! Random signals at any moment, once or several times, while the API has its troubles: whoever comes next ends the
//! rollout well, and who was frozen writes nothing when it thaws.
//!
//! `TIDEGATE_KILLS=1000 cargo test --test journeys kills::random -- --nocapture` sends more signals, to
//! `TIDEGATE_KILLS_AT_ONCE=6` rollouts at once, whose seeds begin with `TIDEGATE_KILL_FIRST=5000`;
//! `TIDEGATE_KILL_SEED=7 cargo test --test journeys one_kill_seed -- --ignored --nocapture` repeats one rollout.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::aftermath::{Before, Said, judge};
use crate::support::{Ended, Lab, Place, Process, number};

/// Signals sent in an ordinary test.
const SIGNALS: u64 = 24;
/// Rollouts that go on at the same time: most of their time is waiting.
const AT_ONCE: u64 = 4;
/// No rollout needs more processes than this, and no more once there is no trouble any more.
const PROCESSES: u32 = 40;
const CALM: u32 = 4;
/// A rollout meets one of these troubles of the API; the last is the bucket's alone.
const TROUBLES: [&str; 4] = [
    "none",
    "throttle=5%,error=5%",
    "throttle=3%,error=3%,lost-answer=3%,delay=10%:3s,stale-read=5%:5s",
    "error=20%@PutObject,lost-answer=10%@PutObject,throttle=10%@GetObject,delay=10%:3s@ListObjectsV2",
];
/// A switch as a spec names it.
const SWITCH: &str = "dead_man: { role: 'arn:aws:iam::123456789012:role/tidegate-switch', after: 5m }\n";

/// Who comes after a process that was struck.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Run,
    Resume,
    Rollback,
    Guard,
}

impl Next {
    /// About how many events it tells when it is left alone.
    fn lines(self) -> usize {
        match self {
            Next::Run => 32,
            Next::Resume => 18,
            Next::Rollback => 7,
            Next::Guard => 1,
        }
    }

    /// How it may end when it finds, after it was frozen, that all is over.
    fn ends_late(self) -> &'static [i32] {
        match self {
            // Its own rollout: it was overruled, or had finished before.
            Next::Run => &[14, 0, 10, 11, 20],
            Next::Resume => &[14, 0, 10, 11, 20, 15],
            Next::Rollback => &[14, 0, 15],
            Next::Guard => &[14, 0, 11],
        }
    }
}

/// A process that is frozen.
struct Frozen {
    is: Next,
    process: Process,
}

/// One rollout, and the processes over it.
struct Case {
    seed: u64,
    die: fastrand::Rng,
    /// The runner's machine; another one has nothing but the shared store.
    here: Place,
    spec: PathBuf,
    lab: Lab,
    trouble: &'static str,
    is_healthy: bool,
    is_told: bool,
    frozen: Vec<Frozen>,
    thawed: Vec<Frozen>,
    signals: u64,
    story: Vec<String>,
    /// What each process said that ended.
    said: Vec<String>,
}

impl Case {
    fn new(seed: u64) -> (Self, Before) {
        let mut die = fastrand::Rng::with_seed(seed);
        let is_healthy = !seed.is_multiple_of(3);
        let here = Place::new();
        let spec = here.spec(if die.bool() { SWITCH } else { "" });
        let behaviour = if is_healthy { "healthy" } else { "errors=20%" };
        let lab_seed = seed.to_string();
        let play = ["--speed", "30", "--lab-rps", "4", "--lab-candidate", behaviour, "--lab-seed", &lab_seed];
        let mut lab = Lab::playing(&here, &spec, &play);
        let before = Before { is_sticky: die.u8(..3) == 0, is_scaled: die.bool() };
        before.set_up(&lab);
        if die.bool() {
            lab.share_store();
        }
        let trouble = TROUBLES[die.usize(..TROUBLES.len())];
        lab.dial(trouble);
        let (frozen, thawed) = (Vec::new(), Vec::new());
        let story = vec![format!("trouble {trouble}")];
        let case = Self {
            seed,
            die,
            here,
            spec,
            lab,
            trouble,
            is_healthy,
            is_told: false,
            frozen,
            thawed,
            signals: 0,
            story,
            said: Vec::new(),
        };
        (case, before)
    }

    fn begin(&mut self, next: Next) -> Process {
        self.is_told |= matches!(next, Next::Rollback | Next::Guard);
        match next {
            Next::Run => self.lab.roll_out(&self.here, &self.spec),
            Next::Resume => self.lab.begin(&self.here, ["resume", "--json"]),
            Next::Rollback => self.lab.begin(&self.here, ["rollback", "--yes", "--json"]),
            Next::Guard => self.lab.begin(&self.here, ["guard", "--once"]),
        }
    }

    /// Whether the rollout is over, told without trouble; nothing without a journal.
    fn is_over(&self) -> Option<bool> {
        self.lab.dial("none");
        let asked = self.lab.run(&self.here, ["status", "--json"]);
        self.lab.dial(self.trouble);
        (asked.code == Some(0)).then(|| !asked.events()[0]["outcome"].is_null())
    }

    /// Without a journal nothing has happened yet, and there is nothing to go on with.
    fn next(&mut self) -> Next {
        if self.is_over().is_none() {
            self.frozen.clear();
            return Next::Run;
        }
        match self.die.u8(..10) {
            0..4 => Next::Resume,
            4..8 => Next::Rollback,
            _ => Next::Guard,
        }
    }

    /// Lets a process go on for a while, and strikes it. Returns how it ended, unless it is frozen.
    fn strike(&mut self, is: Next, mut process: Process) -> Option<Ended> {
        let (lines, span) = (self.die.usize(..is.lines()), Duration::from_millis(self.die.u64(..1_500)));
        process.read_lines(lines);
        if self.die.bool() {
            self.thaw_one();
        }
        process.read_for(span);
        let signal = ["KILL", "KILL", "STOP", "STOP", "INT", "TERM", "HUP"][self.die.usize(..7)];
        if process.has_ended() {
            return Some(process.end());
        }
        self.signals += 1;
        self.story.push(format!("{is:?} {signal} after {lines} lines and {span:?}"));
        process.signal(signal);
        if signal == "STOP" {
            self.frozen.push(Frozen { is, process });
            return None;
        }
        self.is_told |= signal != "KILL";
        Some(process.end())
    }

    /// Thaws one in the middle of what the others do.
    fn thaw_one(&mut self) {
        if let Some(frozen) = self.frozen.pop() {
            self.story.push(format!("thawed {:?}", frozen.is));
            frozen.process.signal("CONT");
            self.thawed.push(frozen);
        }
    }

    /// Once there is no trouble any more, few processes end the rollout, and the one that was frozen none.
    fn calm_down(&mut self) {
        self.trouble = "none";
        self.lab.dial("none");
        for thawed in std::mem::take(&mut self.thawed) {
            let ended = thawed.process.end();
            self.story.push(format!("thawed {:?} exits {:?}", thawed.is, ended.code));
            self.may_end(&ended);
        }
        for _ in 0..CALM {
            let next = match self.is_over() {
                Some(true) => return,
                Some(false) => [Next::Resume, Next::Rollback, Next::Guard][self.die.usize(..3)],
                None => Next::Run,
            };
            let ended = self.begin(next).end();
            self.story.push(format!("calm {next:?} exits {:?}", ended.code));
            self.may_end(&ended);
        }
        panic!("{CALM} processes without any trouble, and still not over");
    }

    /// Not every process comes to an end in trouble, but none panics, and no person is called.
    fn may_end(&mut self, ended: &Ended) {
        self.said.push(ended.to_string());
        assert!(!matches!(ended.code, Some(12 | 101)), "{ended}");
        self.said_the_truth(ended);
    }

    /// What it said of the traffic is so: the rule is read, and nobody may have moved it since.
    fn said_the_truth(&self, ended: &Ended) {
        let (text, forward) = (ended.to_string(), "all traffic is on the candidate");
        self.lab.dial("none");
        let share = self.lab.green_percent();
        self.lab.dial(self.trouble);
        let back = ["already on stable", r#""type":"traffic_back""#, "all traffic is on"];
        if back.iter().any(|words| text.replace(forward, "").contains(words)) {
            assert_eq!(share, 0, "not back: {ended}");
        }
        if [r#""outcome":"promoted""#, forward].iter().any(|words| text.contains(words)) {
            assert_eq!(share, 100, "not promoted: {ended}");
        }
    }

    /// Who was frozen to the end does nothing when it thaws.
    fn thaw_all(&mut self) {
        for frozen in std::mem::take(&mut self.frozen) {
            let before = self.lab.writes();
            frozen.process.signal("CONT");
            let ended = frozen.process.end();
            self.story.push(format!("thawed {:?} at the end, exits {:?}", frozen.is, ended.code));
            assert_eq!(self.lab.writes(), before, "it wrote: {ended}");
            let code = ended.code.unwrap_or_default();
            assert!(frozen.is.ends_late().contains(&code), "{:?}: {ended}", frozen.is);
        }
    }

    fn play(&mut self, before: Before) -> String {
        let wanted = 1 + u64::from(self.die.u8(..4));
        let mut next = Next::Run;
        for _ in 0..PROCESSES {
            let process = self.begin(next);
            let ended = if self.signals < wanted { self.strike(next, process) } else { Some(process.end()) };
            if let Some(ended) = &ended {
                self.story.push(format!("{next:?} exits {:?}", ended.code));
                self.may_end(ended);
            }
            if ended.is_some() && (self.signals >= wanted || self.is_over() == Some(true)) {
                break;
            }
            next = self.next();
        }
        self.calm_down();
        self.thaw_all();
        judge(&self.lab, &self.here, before, Said { is_healthy: self.is_healthy, is_told: self.is_told })
    }

    fn told(&self) -> String {
        let store = if self.lab.is_shared() { "bucket" } else { "folder" };
        format!("seed {} ({store}): {}", self.seed, self.story.join("; "))
    }
}

/// What came of many rollouts.
#[derive(Default)]
struct Tally {
    signals: u64,
    words: BTreeMap<String, u64>,
    failed: Vec<u64>,
}

/// One rollout by its seed.
fn rollout(seed: u64, tally: &Mutex<Tally>) {
    let (mut case, before) = Case::new(seed);
    let done = catch_unwind(AssertUnwindSafe(|| case.play(before)));
    println!("{} -> {}", case.told(), done.as_deref().unwrap_or("FAILED"));
    let mut tally = tally.lock().expect("nobody panics with it");
    tally.signals += case.signals;
    let Ok(outcome) = done else {
        case.lab.dial("none");
        println!("{before:?}\n{}\n{}", case.said.join("\n---\n"), case.lab.run(&case.here, ["history", "web"]));
        println!(
            "repeat with: TIDEGATE_KILL_SEED={seed} cargo test --test journeys one_kill_seed -- --ignored --nocapture"
        );
        return tally.failed.push(seed);
    };
    *tally.words.entry(outcome).or_default() += 1;
    for signal in ["KILL", "STOP", "INT", "TERM", "HUP"] {
        let sent = case.story.iter().filter(|step| step.contains(&format!(" {signal} after"))).count();
        *tally.words.entry(signal.into()).or_default() += sent as u64;
    }
}

#[test]
fn random_signals_leave_nothing_that_the_next_does_not_finish() {
    let signals = number("TIDEGATE_KILLS").unwrap_or(SIGNALS);
    let first = number("TIDEGATE_KILL_FIRST").unwrap_or_default();
    let at_once = number("TIDEGATE_KILLS_AT_ONCE").unwrap_or(AT_ONCE);
    let (seeds, tally) = (AtomicU64::new(first), Mutex::new(Tally::default()));
    let sent = || tally.lock().expect("nobody panics with it").signals;
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while sent() < signals {
                    rollout(seeds.fetch_add(1, Relaxed), &tally);
                }
            });
        }
    });
    let (rollouts, tally) = (seeds.into_inner() - first, tally.into_inner().expect("nobody panics with it"));
    println!("{} signals over {rollouts} rollouts: {:?}", tally.signals, tally.words);
    assert!(tally.failed.is_empty(), "seeds that failed: {:?}", tally.failed);
}

#[test]
#[ignore = "it repeats the one rollout that TIDEGATE_KILL_SEED names"]
fn one_kill_seed() {
    let seed = number("TIDEGATE_KILL_SEED").expect("TIDEGATE_KILL_SEED names a seed");
    let tally = Mutex::default();
    rollout(seed, &tally);
    assert!(tally.into_inner().expect("nobody panics with it").failed.is_empty());
}
