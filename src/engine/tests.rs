//! The loop, in virtual time: what is written before what is done, and what may overtake what.

mod behind;
mod first_lines;
pub(super) mod memory;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::*;
use crate::cloud::{Arming, RouteOrder, Routed};
use crate::domain::clock::Timestamp;
use crate::domain::driver::Driver;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Capacity, Counted, Fleet, Place, Role, RuleSeen, Served, Slot, Target};
use crate::domain::name::{RolloutId, RolloutName};
use crate::domain::safeguard::{Beacon, DeadMan, Scaling};
use crate::domain::traffic::Share;
use crate::gate::{Gate, ProbeReading, ProbeRule, Reading};
use crate::journal::{JournalError, Record, replay};
use crate::machine::{Answer, Event, Leaving, Left, Notice, OperatorRequest, Outcome, Reason};
use crate::plan::{Action, Before, Plan, ReleasePlan, Step};
use crate::spec::{Limits, Policies};

const START: Timestamp = Timestamp::from_millis(1_795_442_709_000);
const SECOND: Duration = Duration::from_secs(1);

fn seconds(n: u32) -> Timestamp {
    START + SECOND * n
}

pub(super) fn plan() -> Plan {
    let place = |slot: Slot| Place {
        slot,
        service: format!("web-{slot}"),
        target_group: format!("arn:{slot}"),
        target_group_name: format!("web-{slot}"),
        target_group_dimension: format!("targetgroup/web-{slot}/1"),
    };
    let half = Share::from_permille(500).unwrap();
    let actions = [
        Action::Prepare(4),
        Action::Shift(half),
        Action::Hold(SECOND * 60),
        Action::Shift(Share::ALL),
        Action::Commit,
        Action::Retire,
    ];
    Plan {
        name: RolloutName::parse("web").unwrap(),
        driver: Driver::Pair,
        target: Target {
            region: "eu-west-1".into(),
            account: "111122223333".into(),
            cluster: "prod".into(),
            rule: "arn:rule".into(),
            load_balancer_dimension: "app/web/1".into(),
            dns_name: "web.elb.example".into(),
            stable: place(Slot::Blue),
            candidate: place(Slot::Green),
        },
        before: Before {
            at: START,
            weights: vec![("arn:blue".into(), 1), ("arn:green".into(), 0)],
            stickiness: None,
            sticky_groups: Vec::new(),
            priority: None,
            shape: "shape".into(),
            actions_json: "[]".into(),
            stable_desired: 4,
            candidate_desired: 0,
            stable_task_definition: "web:7".into(),
            candidate_task_definition: "web:6".into(),
            scaling: Vec::new(),
            test_rules: Vec::new(),
            deployment_configuration: None,
        },
        release: ReleasePlan::Registered("web:8".into()),
        steps: actions.into_iter().map(|action| Step { action, within: SECOND * 1800 }).collect(),
        gates: Vec::new(),
        policies: Policies::default(),
        limits: Limits::default(),
        dead_man: None,
        notify: Vec::new(),
        windows: None,
        writer_role: None,
        undoes: None,
        images: Vec::new(),
        rules: crate::plan::RULES,
        warnings: Vec::new(),
    }
}

/// Everything there is outside of the engine, with a diary of what happened when.
#[derive(Default)]
struct World {
    share: Share,
    tasks: BTreeMap<&'static str, (u32, String)>,
    records: Vec<Record>,
    diary: Vec<(Timestamp, String)>,
    losses: u32,
    ticks: u32,
    /// The number of the event from which on nothing can be written.
    journal_full_at: Option<usize>,
    /// From when until when the store fails, and how.
    store_fails: Option<(Timestamp, Timestamp, FaultKind)>,
    /// From when on one line takes this long to be written.
    store_slow: Option<(Timestamp, Duration)>,
    /// Whether the journal misses something that happened.
    behind: bool,
    /// How long calls take, by the beginning of their diary entry, once each.
    slow: BTreeMap<&'static str, Duration>,
}

#[derive(Clone)]
struct Fake {
    world: Arc<Mutex<World>>,
    clock: Clock,
}

impl Fake {
    fn new() -> Self {
        let tasks = BTreeMap::from([("stable", (4, "web:7".to_owned())), ("candidate", (0, "web:6".to_owned()))]);
        let world = World { tasks, ..World::default() };
        Self { world: Arc::new(Mutex::new(world)), clock: Clock::starting_at(START, 1.0) }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// A call begins. What is performed must be what the journal alone leads to, unless the journal is lost.
    async fn call(&self, what: String, is_write: bool) {
        let delay = {
            let mut world = self.world();
            let pending = replay(plan(), &world.records).pending().map(|issued| issued.effect.is_write());
            let may_be_unwritten = world.losses > 0 || (world.behind && !(is_write && goes_forward(&what)));
            assert!(
                may_be_unwritten || pending == Some(is_write),
                "{what} is not asked for by the journal: {pending:?}"
            );
            world.diary.push((self.clock.now(), what.clone()));
            let slow = world.slow.keys().find(|slow| what.starts_with(**slow)).copied();
            slow.and_then(|slow| world.slow.remove(slow)).unwrap_or_default()
        };
        self.clock.sleep_until(self.clock.now() + delay).await;
        self.world().diary.push((self.clock.now(), format!("{what} is done")));
    }

    fn seen(&self) -> RuleSeen {
        let share = self.world().share;
        RuleSeen {
            share: Some(share),
            sticky: false,
            brief: false,
            instead: None,
            shape: "shape".into(),
            text: format!("candidate {share}"),
        }
    }

    fn capacity(&self, role: &str) -> Capacity {
        let (count, task_definition) = self.world().tasks[role].clone();
        let (desired, running, healthy) = (count, count, count);
        Capacity { desired, running, healthy, task_definition, settled: true, ..Capacity::default() }
    }

    /// When `what` is first in the diary.
    fn when(&self, what: &str) -> Timestamp {
        let world = self.world();
        let entry = world.diary.iter().find(|(_, entry)| entry.starts_with(what));
        entry.unwrap_or_else(|| panic!("no `{what}` in {:#?}", world.diary)).0
    }
}

impl Cloud for Fake {
    async fn observed(&self, _: Timestamp) -> Result<Option<Share>, Fault> {
        Ok(None)
    }

    async fn register(&self, _digest: &str) -> Result<String, Fault> {
        unreachable!("the release is registered")
    }

    async fn scale(&self, role: Role, count: u32, task_definition: Option<&str>) -> Result<(), Fault> {
        self.call(format!("scale {role} to {count}"), true).await;
        let mut world = self.world();
        let slot = world.tasks.get_mut(if role == Role::Stable { "stable" } else { "candidate" }).unwrap();
        *slot = (count, task_definition.map_or(slot.1.clone(), str::to_owned));
        Ok(())
    }

    async fn mark(&self, _: Beacon) -> Result<(), Fault> {
        unreachable!("the plan sets up nothing")
    }

    async fn set_scaling(&self, _: &[(Role, Scaling)]) -> Result<(), Fault> {
        unreachable!("the plan sets up nothing")
    }

    async fn arm(&self, _: &DeadMan, _: Timestamp, _: bool) -> Result<Arming, Fault> {
        unreachable!("the plan sets up nothing")
    }

    async fn disarm(&self, _: &DeadMan) -> Result<(), Fault> {
        unreachable!("the plan sets up nothing")
    }

    async fn route(&self, order: RouteOrder) -> Result<Routed, Fault> {
        self.call(format!("route {}", order.share), true).await;
        self.world().share = order.share;
        Ok(Routed::Written(self.seen()))
    }

    async fn rule(&self) -> Result<RuleSeen, Fault> {
        self.call("look".to_owned(), false).await;
        Ok(self.seen())
    }

    async fn fleet(&self) -> Result<Fleet, Fault> {
        Ok(Fleet { stable: self.capacity("stable"), candidate: self.capacity("candidate") })
    }

    async fn readings(&self, _gates: &[&Gate], _since: Timestamp) -> Vec<Reading> {
        unreachable!("the plan has no gates")
    }

    async fn requests(&self, _role: Role, _periods: u32, now: Timestamp) -> Result<Counted, Fault> {
        Ok(Counted { requests: 0, until: now })
    }

    async fn served(&self, _: Role, _: (Timestamp, Option<Timestamp>), _: Timestamp) -> Result<Served, Fault> {
        Ok(Served { requests: 10, ..Served::default() })
    }

    fn make_way(&self) {
        self.world().diary.push((self.clock.now(), "make way".to_owned()));
    }

    async fn probe(&self, _rule: &ProbeRule, _now: Timestamp) -> ProbeReading {
        unreachable!("the plan has no probes")
    }
}

impl JournalSink for Fake {
    async fn append(&mut self, at: Timestamp, event: &Event) -> Result<(), JournalError> {
        let slow = self.world().store_slow.take_if(|(from, _)| *from <= self.clock.now());
        if let Some((_, span)) = slow {
            self.world().behind = true;
            self.clock.sleep_until(self.clock.now() + span).await;
        }
        let mut world = self.world();
        let now = self.clock.now();
        if let Some((_, _, kind)) = world.store_fails.filter(|(from, until, _)| (*from..*until).contains(&now)) {
            world.behind = true;
            world.diary.push((now, "the store fails".to_owned()));
            let fault = Fault::new(kind, "PutObject", "SlowDown: Please reduce your request rate.");
            return Err(crate::store::StoreError::Bucket { bucket: "store".into(), fault }.into());
        }
        world.behind &= *event != Event::JournalCaughtUp;
        assert_eq!(world.losses, 0, "a journal that failed once is not written again");
        if world.journal_full_at == Some(world.records.len()) {
            world.diary.push((at, "the journal is full".to_owned()));
            return Err(JournalError::Broken(RolloutId::parse("web-1").unwrap()));
        }
        let seq = world.records.len() as u64 + 1;
        world.diary.push((at, format!("journal: {event:?}")));
        world.records.push(Record { seq, at, event: event.clone() });
        Ok(())
    }
}

impl Report for Fake {
    fn tell(&mut self, at: Timestamp, notice: &Notice, _machine: &Machine) {
        if matches!(notice, Notice::Recovered { .. }) {
            self.world().diary.push((at, "recovered".to_owned()));
        }
        let lost = |fault: &Fault| fault.operation == "append to the journal";
        self.world().losses += u32::from(matches!(notice, Notice::Trouble(fault) if lost(fault)));
    }

    fn tick(&mut self, _at: Timestamp, _machine: &Machine) {
        self.world().ticks += 1;
    }
}

fn engine(fake: &Fake) -> (Engine<Fake, Fake, Fake>, mpsc::Sender<Inbound>) {
    let (sender, inbox) = mpsc::channel(8);
    let first = First::New(Event::Started { by: "ana@laptop".into() });
    let (cloud, clock, recorded, report) = (fake.clone(), fake.clock.clone(), fake.clone(), fake.clone());
    (Engine { machine: Machine::new(plan()), first, cloud, clock, recorded, report, inbox, keeper: None }, sender)
}

/// Whether a call takes the rollout further.
fn goes_forward(call: &str) -> bool {
    ["route 50%", "route 100%", "scale stable to 0", "scale candidate to 4"].contains(&call)
}

fn told(request: OperatorRequest) -> Inbound {
    Event::Requested { request, by: "ana@laptop".into(), reason: None, left: None }.into()
}

/// Runs to the end; a rollback is said as soon as `when` begins and `after` has passed.
async fn run_with_rollback(fake: &Fake, when: &str, after: Duration) -> Ending {
    let (engine, sender) = engine(fake);
    let say = async {
        let began = |entry: &(Timestamp, String)| entry.1.starts_with(when);
        while !fake.world().diary.iter().any(began) {
            fake.clock.sleep_until(fake.clock.now() + SECOND / 10).await;
        }
        fake.clock.sleep_until(fake.clock.now() + after).await;
        sender.send(told(OperatorRequest::Rollback)).await.unwrap();
    };
    tokio::join!(engine.run(), say).0.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_rollout_ends_and_nothing_is_done_before_the_journal_asks_for_it() {
    let fake = Fake::new();
    let (engine, _sender) = engine(&fake);
    let ending = engine.run().await.unwrap();
    assert_eq!(ending, Ending { outcome: Some(Outcome::Promoted), handed_over: None, fenced: None, is_untold: false });
    let world = fake.world();
    assert_eq!((world.share, world.tasks["stable"].0, world.tasks["candidate"].0), (Share::ALL, 0, 4));
    assert_eq!(replay(plan(), &world.records).outcome(), Some(&Outcome::Promoted));
}

#[tokio::test(start_paused = true)]
async fn the_alarm_rings_when_it_is_due() {
    let fake = Fake::new();
    let (engine, _sender) = engine(&fake);
    engine.run().await.unwrap();
    let world = fake.world();
    let woken: Vec<usize> = (0..world.records.len()).filter(|n| world.records[*n].event == Event::Woken).collect();
    assert!(!woken.is_empty());
    for n in woken {
        let due = replay(plan(), &world.records[..n]).wake_at().unwrap();
        assert!(world.records[n].at.since(due) <= Duration::from_millis(5), "due at {due:?}: {:?}", world.records[n]);
        assert!(world.records[n].at >= due);
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_during_a_write_waits_for_its_answer() {
    let fake = Fake::new();
    fake.world().slow.insert("route 50%", SECOND * 10);
    let ending = run_with_rollback(&fake, "route 50%", SECOND * 3).await;
    assert!(matches!(ending.outcome, Some(Outcome::RolledBack(Reason::Operator { .. }))), "{ending:?}");
    assert!(fake.when("journal: Requested") < fake.when("route 50% is done"));
    assert_eq!(fake.when("make way"), fake.when("journal: Requested"));
    assert!(fake.when("route 50% is done") <= fake.when("route 0%"));
    assert_eq!(fake.world().share, Share::NONE);
}

#[tokio::test(start_paused = true)]
async fn a_word_during_a_read_acts_at_once() {
    let fake = Fake::new();
    let (engine, sender) = engine(&fake);
    let say = async {
        fake.clock.sleep_until(seconds(20)).await;
        fake.world().slow.insert("look", SECOND * 50);
        let looks = fake.world().diary.iter().filter(|(_, entry)| entry == "look").count();
        while fake.world().diary.iter().filter(|(_, entry)| entry == "look").count() == looks {
            fake.clock.sleep_until(fake.clock.now() + SECOND / 10).await;
        }
        sender.send(told(OperatorRequest::Rollback)).await.unwrap();
    };
    let (ending, ()) = tokio::join!(engine.run(), say);
    assert!(matches!(ending.unwrap().outcome, Some(Outcome::RolledBack(_))));
    assert!(fake.when("route 0%").since(fake.when("journal: Requested")) < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_first_read_that_is_not_answered_does_not_hold_up_the_write() {
    let fake = Fake::new();
    let slow = async {
        // A while into the hold, when the tasks were not read lately.
        fake.clock.sleep_until(seconds(60)).await;
        fake.world().slow.insert("look", SECOND * 50);
    };
    let (ending, ()) = tokio::join!(run_with_rollback(&fake, "route 50% is done", SECOND * 56), slow);
    assert!(matches!(ending.outcome, Some(Outcome::RolledBack(_))));
    let took = fake.when("route 0%").since(fake.when("journal: Requested"));
    assert!(took >= SECOND && took <= crate::machine::FIRST_READ_WITHIN + SECOND / 10, "{took:?}");
    assert!(!fake.world().diary.iter().any(|(_, entry)| entry == "make way"), "no write was in flight");
}

#[tokio::test(start_paused = true)]
async fn a_full_journal_closes_the_way_forward_wherever_it_happens() {
    let whole = Fake::new();
    engine(&whole).0.run().await.unwrap();
    let events = whole.world().records.len();
    let (mut back, mut over, mut done) = (0, 0, 0);
    for full_at in 1..events {
        let fake = Fake::new();
        fake.world().journal_full_at = Some(full_at);
        let (engine, _sender) = engine(&fake);
        let ending = engine.run().await.unwrap();
        let world = fake.world();
        assert_eq!((world.losses, ending.is_untold), (1, true), "full at {full_at}");
        let full = world.diary.iter().position(|(_, entry)| entry == "the journal is full").unwrap();
        let after: Vec<&String> =
            world.diary[full..].iter().map(|(_, entry)| entry).filter(|entry| goes_forward(entry)).collect();
        assert!(after.is_empty(), "full at {full_at}: {after:?}");
        match ending {
            Ending { outcome: Some(Outcome::RolledBack(Reason::Store(_))), .. } => {
                assert_eq!(world.share, Share::NONE);
                back += 1;
            }
            Ending { outcome: None, handed_over: Some(why), .. } => {
                assert!(matches!(why, Leaving::Journal(_)), "{why:?}");
                assert_eq!((world.share, world.tasks["stable"].0), (Share::ALL, 4));
                over += 1;
            }
            Ending { outcome: Some(Outcome::Promoted), .. } => done += 1,
            other => panic!("full at {full_at}: {other:?}"),
        }
    }
    assert!(back > 5 && over > 0 && done <= 3, "{back} back, {over} handed over, {done} done");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_fills_up_on_the_way_back_does_not_stop_it() {
    let fake = Fake::new();
    fake.world().slow.insert("route 0%", SECOND);
    let fill = async {
        while !fake.world().diary.iter().any(|(_, entry)| entry == "route 0%") {
            fake.clock.sleep_until(fake.clock.now() + SECOND / 10).await;
        }
        let written = fake.world().records.len();
        fake.world().journal_full_at = Some(written);
    };
    let (ending, ()) = tokio::join!(run_with_rollback(&fake, "route 50%", SECOND * 5), fill);
    let Some(Outcome::RolledBack(Reason::Operator { by, .. })) = &ending.outcome else { panic!("{ending:?}") };
    assert_eq!((by.as_str(), fake.world().losses, ending.is_untold), ("ana@laptop", 1, true));
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_cannot_be_written_down_does_not_begin() {
    let fake = Fake::new();
    fake.world().journal_full_at = Some(0);
    let (engine, _sender) = engine(&fake);
    assert!(matches!(engine.run().await, Err(EngineError::Recorded(_))));
    assert!(fake.world().diary.iter().all(|(_, entry)| entry == "the journal is full"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_returns_is_given_up() {
    let fake = Fake::new();
    fake.world().slow.insert("route 50%", SECOND * 100_000);
    let (engine, _sender) = engine(&fake);
    engine.run().await.unwrap();
    let world = fake.world();
    let unknown = world.records.iter().find_map(|record| match &record.event {
        Event::Answered { answer: Answer::Failed(fault), .. } => Some((record.at, fault.kind)),
        _ => None,
    });
    let (at, kind) = unknown.unwrap();
    drop(world);
    assert_eq!((at.since(fake.when("route 50%")).as_secs(), kind), (60, FaultKind::Unknown));
}

#[tokio::test(start_paused = true)]
async fn the_report_ticks_about_every_second() {
    let fake = Fake::new();
    let (engine, _sender) = engine(&fake);
    engine.run().await.unwrap();
    let lasted = fake.clock.now().since(START).as_secs();
    let ticks = u64::from(fake.world().ticks);
    assert!(ticks >= lasted - lasted / 10 && ticks <= lasted + 1, "{ticks} ticks in {lasted} s");
}

#[tokio::test(start_paused = true)]
async fn a_word_left_in_the_store_is_put_away_once_it_is_on_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::store::Store::in_folder(folder.path().to_owned()).unwrap();
    let id = crate::domain::name::RolloutId::parse("web-20261123-140509-00aa").unwrap();
    let mut left = Vec::new();
    // The clock of whoever left them is four minutes ahead of the journal's.
    for (request, at) in [("pause", 240), ("sing", 241), ("rollback", 242)] {
        let (request, by, at) = (request.into(), "ana@laptop".into(), START + SECOND * at);
        let told = crate::store::LeftRequest { request, by, reason: None, at, approves: None };
        left.push(store.leave_word(&id, told).await.unwrap());
    }
    let first = Some(Left { key: left[0].key().to_owned(), approves: None });
    let (request, by) = (OperatorRequest::Pause, "ana@laptop".to_owned());
    let pause = Event::Requested { request, by, reason: None, left: first };
    let on_journal = [Record { seq: 1, at: START, event: pause }];
    let fake = Fake::new();
    let (engine, sender) = engine(&fake);
    let mut odd = Vec::new();
    let carry = carry_words((&store, &id), &on_journal, &fake.clock, sender, |text| odd.push(text.to_owned()));
    let (ending, ()) = tokio::join!(engine.run(), carry);
    assert!(matches!(ending.unwrap().outcome, Some(Outcome::RolledBack(_))));
    assert!(store.take_words(&id).await.unwrap().waiting.is_empty());
    assert_eq!(odd, ["set aside: `sing` is no word"]);
    let told = fake.world().records.iter().filter(|record| matches!(record.event, Event::Requested { .. })).count();
    assert_eq!(told, 1);
}

#[tokio::test(start_paused = true)]
async fn words_are_heard_again_once_a_store_that_failed_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (here, away) = (folder.path().join("here"), folder.path().join("away"));
    let store = crate::store::Store::in_folder(here.clone()).unwrap();
    let id = crate::domain::name::RolloutId::parse("web-20261123-140509-00aa").unwrap();
    let told = crate::store::LeftRequest {
        request: "rollback".into(),
        by: "ana@laptop".into(),
        reason: None,
        at: START + SECOND,
        approves: None,
    };
    store.leave_word(&id, told).await.unwrap();
    std::fs::rename(&here, &away).unwrap();
    std::fs::write(&here, "no folder").unwrap();
    let fake = Fake::new();
    let (engine, sender) = engine(&fake);
    let mut odd = Vec::new();
    let carry = carry_words((&store, &id), &[], &fake.clock, sender, |text| odd.push(text.to_owned()));
    let mend = async {
        fake.clock.sleep_until(fake.clock.now() + SECOND * 10).await;
        std::fs::remove_file(&here).unwrap();
        std::fs::rename(&away, &here).unwrap();
    };
    let (ending, (), ()) = tokio::join!(engine.run(), carry, mend);
    assert!(matches!(ending.unwrap().outcome, Some(Outcome::RolledBack(Reason::Operator { .. }))));
    assert_eq!(odd.len(), 1, "{odd:?}");
    assert!(odd[0].contains("until the store answers"), "{odd:?}");
}

/// An engine that takes over, with two events in the journal, a way back which has begun.
fn taken_over(fake: &Fake) -> (Engine<Fake, Fake, Fake>, mpsc::Sender<Inbound>) {
    let (mut engine, sender) = engine(fake);
    let request =
        || Event::Requested { request: OperatorRequest::Rollback, by: "ana@laptop".into(), reason: None, left: None };
    let recovered = Event::Recovered { by: "ben@ci".into(), epoch: 2 };
    let events =
        [Event::Started { by: "ana@laptop".into() }, request(), recovered, request()].map(|event| (START, event));
    for (seq, (at, event)) in (1..).zip(events.clone()) {
        fake.world().records.push(Record { seq, at, event });
    }
    for (at, event) in events[..2].iter().cloned() {
        let _ = engine.machine.apply(at, event);
    }
    engine.first = First::Journaled(events[2..].to_vec());
    (engine, sender)
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_is_taken_over_goes_on_whatever_word_comes_with_it() {
    let fake = Fake::new();
    let (engine, _sender) = taken_over(&fake);
    let ending = engine.run().await.unwrap();
    assert!(matches!(ending.outcome, Some(Outcome::RolledBack(Reason::Operator { .. }))), "{ending:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_written_down_a_while_ago_happened_then() {
    let fake = Fake::new();
    let (engine, _sender) = taken_over(&fake);
    fake.clock.sleep_until(START + SECOND * 20).await;
    engine.run().await.unwrap();
    let recovered = fake.world().diary.iter().find(|(_, what)| what == "recovered").map(|(at, _)| *at);
    assert_eq!(recovered, Some(START));
}
