//! Somebody else takes over: a person on another machine, a guard, the dead-man's switch, or a signal's sender.
//! Rollouts are kept in the lab's bucket, and every process but the first has nothing but endpoint, keys and store.
//!
//! `TIDEGATE_DRILLS=100 cargo test --test journeys drill -- --nocapture` repeats each drill and prints its figures.
//! A process starts no sooner because the lab's time is fast: what is measured from a command on is the truth at
//! `TIDEGATE_DRILL_SPEED=1`.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::support::{Ended, Lab, Place, Process, number, until};

/// How often a drill is repeated in an ordinary test.
const DRILLS: u64 = 2;
/// Drills that go on at the same time: most of their time is waiting.
const AT_ONCE: u64 = 3;
/// Half of the traffic is on the candidate, and stays there for a while.
const HALF: &str = "shift: 50%, hold: 30m";
/// Commands for the same rollout in one drill, each from a machine that knows nothing of it.
const COMMANDS: usize = 20;
/// The speed at which commands are measured in an ordinary test.
const SPEED: u64 = 10;
/// A switch as a spec names it.
const SWITCH: &str = "dead_man: { role: 'arn:aws:iam::123456789012:role/tidegate-switch', after: 5m }\n";
/// The trouble of the API during a drill.
const TROUBLE: &str = "throttle=5%,error=5%";

/// A rollout at one half, kept in the lab's bucket, and the machine it runs on.
pub struct Half {
    pub here: Place,
    pub lab: Lab,
    pub runner: Process,
}

impl Half {
    pub fn reach(more: &str, speed: &str) -> Self {
        let here = Place::new();
        let spec = here.spec_of(HALF, more);
        let mut lab = Lab::playing(&here, &spec, &["--lab-speed", speed, "--lab-rps", "5"]);
        lab.share_store();
        let mut runner = lab.roll_out(&here, &spec);
        runner.share(50);
        Self { here, lab, runner }
    }

    /// The runner ends overruled by `back`. Where the machine is so busy that its store was not waited for, the lease
    /// may come after the weights, which the runner may then see first.
    pub fn ends_overruled(self, back: &Ended) {
        let ended = self.runner.end();
        if ended.code == Some(15) && back.text().contains("the store does not answer") {
            return ended.ends(15, &[r#""kind":"foreign_write""#, r#""outcome":"rolled_back""#]);
        }
        ended.ends(14, &["took over"]);
    }

    fn nobody_noticed(&self) {
        assert_eq!(self.lab.traffic().failed(), 0, "{:?}", self.lab.traffic());
    }
}

/// Repeats a drill that measures once.
fn drill(name: &str, one: impl Fn() -> Duration + Sync) -> Vec<Duration> {
    drills(name, || vec![one()])
}

/// Repeats a drill and prints the least, p50, p99 and the most of what it measured, in the lab's time.
fn drills(name: &str, one: impl Fn() -> Vec<Duration> + Sync) -> Vec<Duration> {
    let times = number("TIDEGATE_DRILLS").unwrap_or(DRILLS);
    let (begun, figures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(times) {
            scope.spawn(|| {
                while begun.fetch_add(1, Relaxed) < times {
                    let took = one();
                    figures.lock().expect("nobody panics with it").extend(took);
                }
            });
        }
    });
    let mut figures = figures.into_inner().expect("nobody panics with it");
    figures.sort();
    // The least figure that so many of a hundred do not exceed.
    let percentile = |of: usize| figures[(figures.len() * of).div_ceil(100) - 1];
    let (least, p50, p99, most) = (figures[0], percentile(50), percentile(99), percentile(100));
    println!("{name}: {} times, least {least:.2?}, p50 {p50:.2?}, p99 {p99:.2?}, most {most:.2?}", figures.len());
    figures
}

#[test]
fn drill_each_command_from_another_machine_has_its_weights_accepted() {
    let speed = number("TIDEGATE_DRILL_SPEED").unwrap_or(SPEED);
    let figures = drills(&format!("rollback, command to accepted, lab at {speed}x"), || {
        let half = Half::reach("", &speed.to_string());
        let Half { lab, runner, .. } = &half;
        runner.signal("STOP");
        let figures = (0..COMMANDS).map(|_| {
            lab.dial(TROUBLE);
            let since = lab.now();
            let back = lab.begin(&Place::new(), ["rollback", "web", "--yes", "--reason", "checkout is slow"]);
            let took = lab.is_back_since(since);
            back.kill();
            lab.dial("none");
            // The next is asked for what this one was.
            lab.write_weights(50, 50);
            took
        });
        figures.collect()
    });
    // Ten seconds.
    let patience = Duration::from_secs(10 * speed);
    assert!(figures.iter().all(|took| *took < patience), "{figures:?}");
}

#[test]
fn drill_a_frozen_runner_is_overruled_from_another_machine_and_writes_nothing_when_it_thaws() {
    let figures = drill("rollback, command to accepted", || {
        let half = Half::reach("", "10");
        let Half { lab, runner, .. } = &half;
        lab.dial(TROUBLE);
        runner.signal("STOP");
        let elsewhere = Place::new();
        let since = lab.now();
        let back = lab.begin(&elsewhere, ["rollback", "web", "--yes", "--reason", "checkout is slow", "--json"]);
        let took = lab.is_back_since(since);
        back.end().ends(0, &["checkout is slow", r#""outcome":"rolled_back""#]);
        lab.dial("none");
        lab.is_all_on("web-blue");
        let before = lab.writes();
        runner.signal("CONT");
        half.nobody_noticed();
        let Half { lab, runner, here } = half;
        let fenced = runner.end();
        fenced.ends(14, &["took over"]);
        assert_eq!(lab.writes(), before, "it wrote: {fenced}");
        assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
        lab.run(&here, ["rollback", "web", "--yes"]).ends(0, &["already on stable since", "checkout is slow"]);
        took
    });
    // Ten seconds at this speed.
    assert!(figures.iter().all(|took| *took < Duration::from_secs(100)), "{figures:?}");
}

#[test]
fn drill_a_guard_takes_back_what_a_killed_runner_left_within_a_minute() {
    let figures = drill("kill -9 to accepted, with a guard, lab time", || {
        let half = Half::reach("", "10");
        let elsewhere = Place::new();
        let guard = half.lab.begin(&elsewhere, ["guard"]);
        let Half { here: _here, lab, runner } = half;
        let since = lab.now();
        runner.kill();
        let took = lab.is_back_since(since);
        guard.signal("TERM");
        let ended = guard.end();
        ended.ends(11, &["is silent; taking the traffic back"]);
        assert_eq!(lab.traffic().failed(), 0, "{ended}");
        took
    });
    assert!(figures.iter().all(|took| *took < Duration::from_secs(60)), "{figures:?}");
}

#[test]
fn drill_a_guard_finds_a_frozen_runner_by_its_lease_alone() {
    let figures = drill("freeze to accepted, with a guard, lab time", || {
        let half = Half::reach("", "5");
        let Half { lab, runner, .. } = &half;
        let elsewhere = Place::new();
        let guard = lab.begin(&elsewhere, ["guard"]);
        let since = lab.now();
        runner.signal("STOP");
        let took = lab.is_back_since(since);
        guard.signal("TERM");
        guard.end().ends(11, &["is silent; taking the traffic back"]);
        half.nobody_noticed();
        runner.signal("CONT");
        half.runner.end().ends(14, &["took over"]);
        took
    });
    // The lease is waited for once, and not twice.
    let patience = (Duration::from_secs(30), Duration::from_secs(90));
    assert!(figures.iter().all(|took| patience.0 < *took && *took < patience.1), "{figures:?}");
}

#[test]
fn a_guard_that_was_frozen_does_not_take_over_from_itself() {
    let half = Half::reach("", "20");
    let elsewhere = Place::new();
    let guard = half.lab.begin(&elsewhere, ["guard"]);
    let Half { here: _here, lab, runner } = half;
    let since = lab.now();
    runner.kill();
    lab.is_back_since(since);
    guard.signal("STOP");
    // Longer than a lease.
    let since = lab.now();
    until("a lease has run out", || (lab.since(since) > Duration::from_secs(60)).then_some(()));
    guard.signal("CONT");
    until("the candidate's tasks are gone", || (lab.desired("web-green") == 0).then_some(()));
    guard.signal("TERM");
    let ended = guard.end();
    assert_eq!(ended.errors.matches("is silent; taking").count(), 1, "{ended}");
}

#[test]
fn drill_the_switch_alone_gives_the_traffic_back_within_six_minutes() {
    let figures = drill("kill -9 to accepted, by the switch alone, lab time", || {
        // Slow enough that a busy machine costs few of the lab's seconds.
        let half = Half::reach(SWITCH, "10");
        let Half { here, lab, runner } = half;
        let since = lab.now();
        runner.kill();
        let took = lab.is_back_since(since);
        // Whoever comes next puts the rest in order, and does not go forward.
        lab.run(&here, ["resume", "web"]).ends(20, &["dead-man's switch"]);
        assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
        assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
        took
    });
    assert!(figures.iter().all(|took| *took < Duration::from_secs(6 * 60)), "{figures:?}");
}

#[test]
fn drill_a_runner_told_to_stop_gives_the_traffic_back_within_four_calls_under_trouble() {
    let figures = drill("SIGTERM to accepted, calls of 3 s", || {
        let half = Half::reach("", "3");
        half.lab.dial(&format!("delay=100%:3s,{TROUBLE}"));
        let since = half.lab.now();
        half.runner.signal("TERM");
        let took = half.lab.is_back_since(since);
        half.lab.dial("none");
        half.nobody_noticed();
        let Half { here: _here, lab, runner } = half;
        runner.end().ends(11, &["giving the traffic back"]);
        lab.is_all_on("web-blue");
        took
    });
    // Four calls, one after another.
    assert!(figures.iter().all(|took| *took < Duration::from_secs(12)), "{figures:?}");
}

#[test]
fn a_rollback_by_service_needs_no_name() {
    let half = Half::reach("", "20");
    let elsewhere = Place::new();
    let words = ["rollback", "--cluster", "prod", "--service", "web-green", "--yes", "--json"];
    let back = half.lab.run(&elsewhere, words);
    back.ends(0, &[]);
    half.lab.is_all_on("web-blue");
    half.nobody_noticed();
    half.ends_overruled(&back);
}

/// A store that answers nobody within an hour of the lab.
const SILENT: &str = "delay=100%:1h@s3.GetObject,delay=100%:1h@s3.PutObject,delay=100%:1h@s3.ListObjectsV2";

#[test]
fn a_rollback_waits_for_no_store_that_hangs() {
    let half = Half::reach("", "40");
    let elsewhere = Place::new();
    half.runner.signal("STOP");
    half.lab.dial(SILENT);
    let since = half.lab.now();
    let words = ["rollback", "--cluster", "prod", "--service", "web-green", "--yes", "--reason", "checkout is slow"];
    let back = half.lab.begin(&elsewhere, words);
    let took = half.lab.is_back_since(since);
    // The store would have answered after an hour.
    assert!(took < Duration::from_secs(10 * 60), "it took {took:?}");
    back.end().ends(0, &["all traffic is on web-blue"]);
    half.lab.dial("none");
    half.runner.signal("CONT");
    half.nobody_noticed();
    let Half { here: _here, lab, runner } = half;
    runner.end().ends(11, &[r#""outcome":"rolled_back""#, "checkout is slow"]);
    lab.is_all_on("web-blue");
}

#[test]
fn a_commit_that_somebody_paused_is_taken_back_by_one_command() {
    let here = Place::new();
    let spec = here.spec_of("shift: 50%, hold: 30s", "");
    let lab = Lab::playing(&here, &spec, &["--lab-speed", "30", "--lab-rps", "5"]);
    let mut runner = lab.roll_out(&here, &spec);
    runner.share(50);
    // The commit waits for its tag.
    lab.dial("error=100%@elbv2.AddTags");
    runner.share(100);
    let intends = || here.documents().iter().any(|document| document.contains(r#""committing""#)).then_some(());
    until("the lease says that it is about to commit", intends);
    lab.run(&here, ["pause", "web"]).ends(0, &[]);
    lab.dial("none");
    let back = lab.run(&here, ["rollback", "web", "--yes", "--reason", "checkout is slow"]);
    back.ends(0, &["is asked to take it back", "checkout is slow"]);
    lab.is_all_on("web-blue");
    runner.end().ends(14, &["took over"]);
    assert_eq!(lab.traffic().failed(), 0, "{back}");
}

#[test]
fn a_guard_leaves_a_stranded_rollout_to_a_person() {
    let here = Place::new();
    let spec = here.spec_of(HALF, "limits: { shift: 1h, blind: 30m, retreat: 5m }\n");
    let lab = Lab::playing(&here, &spec, &["--lab-speed", "60", "--lab-rps", "5"]);
    let mut runner = lab.roll_out(&here, &spec);
    runner.share(50);
    lab.dial("error=100%@elbv2.ModifyRule");
    runner.signal("INT");
    runner.end().ends(12, &["stranded"]);
    lab.dial("none");
    let before = lab.writes();
    let guard = lab.run(&here, ["guard", "--once"]);
    guard.ends(12, &["is stranded and waits for a person", "tidegate status web-"]);
    assert_eq!((lab.writes(), lab.green_percent()), (before, 50), "{guard}");
    lab.run(&here, ["rollback", "web", "--yes"]).ends(0, &[]);
    lab.is_all_on("web-blue");
}

#[test]
fn a_rollback_past_the_commit_finishes_what_a_dead_runner_began() {
    let here = Place::new();
    let spec = here.spec_of("shift: 50%, hold: 30s", "");
    let mut lab = Lab::playing(&here, &spec, &["--lab-speed", "30", "--lab-rps", "5"]);
    lab.share_store();
    let mut runner = lab.roll_out(&here, &spec);
    runner.event("committed");
    runner.kill();
    let back = lab.run(&Place::new(), ["rollback", "web", "--yes", "--json"]);
    back.ends(15, &[r#""outcome":"promoted""#, "it is committed: going back is a new rollout"]);
    lab.is_all_on("web-green");
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (0, 4));
    assert_eq!(lab.traffic().failed(), 0, "{back}");
}

#[test]
fn a_rollback_without_a_store_goes_by_the_rule_and_the_runner_turns_back_too() {
    let half = Half::reach("", "20");
    let elsewhere = Place::new();
    half.runner.signal("STOP");
    let rule = half.lab.rule().to_owned();
    let words = ["rollback", "--rule", &rule, "--store", "s3://nowhere/at-all"];
    half.lab.run(&elsewhere, words).ends(2, &["--yes"]);
    let by_service =
        ["rollback", "--cluster", "prod", "--service", "web-blue", "--store", "s3://nowhere/at-all", "--yes"];
    let by_service = by_service.iter().chain(&["--reason", "checkout is slow (p99 > 2s)"]);
    half.lab.run(&elsewhere, by_service).ends(0, &["going by the rule's tags", "all traffic is on web-blue"]);
    half.lab.is_all_on("web-blue");
    half.lab.run(&elsewhere, words.iter().chain(&["--yes"])).ends(0, &["already on stable"]);
    half.runner.signal("CONT");
    half.nobody_noticed();
    let Half { here: _here, lab, runner } = half;
    runner.end().ends(11, &[r#""outcome":"rolled_back""#, "checkout is slow _p99 _ 2s_", "alice@"]);
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
}
