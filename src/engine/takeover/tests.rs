//! Several processes contend for one rollout, in virtual time: the shipped loop, lease keeper, takeover, guard, lease
//! and journal over one store and an account in miniature.

mod ended;
mod unbegun;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::*;
use crate::cloud::{Arming, RouteOrder, Routed};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Capacity, Counted, Fleet, Role, RuleSeen, Served};
use crate::domain::safeguard::{DeadMan, Scaling, TakenBack};
use crate::domain::traffic::Share;
use crate::engine::{Begun, Driven, Ended, Ending, First, Guard, Inbound, Inbox, begin, tests::plan};
use crate::gate::{Gate, ProbeReading, ProbeRule, Reading};
use crate::journal::{self, Header, Record};
use crate::lease::{LEASE, Phase};
use crate::machine::{Event, Notice, Outcome, Reason};
use crate::report::Several;

const START: Timestamp = Timestamp::from_millis(1_795_442_709_000);
const SECOND: Duration = Duration::from_secs(1);
/// How long a call takes.
const CALL: Duration = Duration::from_millis(200);
/// Between two looks of those who wait for something.
const TENTH: Duration = Duration::from_millis(100);
/// Longer than any rollout here may take.
const LONGEST: Duration = Duration::from_secs(3600);

/// A write of the rule that the account took.
#[derive(Clone, Debug)]
struct Write {
    decided: Timestamp,
    at: Timestamp,
    epoch: u64,
    share: Share,
}

/// The account.
#[derive(Debug, Default)]
struct Account {
    share: Share,
    tasks: HashMap<Role, (u32, String)>,
    writes: Vec<Write>,
    /// How long the next write of a share is under way before it is sent.
    slow: Option<(Share, Duration)>,
    mark: Option<Mark>,
    taken_back: Option<TakenBack>,
}

/// What one process reaches the account by.
#[derive(Clone, Debug)]
struct Driver {
    account: Arc<Mutex<Account>>,
    clock: Clock,
    fence: Fence,
    epoch: u64,
}

impl Driver {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap()
    }

    async fn call(&self) {
        self.clock.sleep_until(self.clock.now() + CALL).await;
    }

    fn seen(&self) -> RuleSeen {
        let share = self.account().share;
        RuleSeen {
            share: Some(share),
            sticky: false,
            shape: "shape".into(),
            text: format!("candidate {share}"),
            brief: false,
            instead: None,
        }
    }

    fn capacity(&self, role: Role) -> Capacity {
        let (count, task_definition) = self.account().tasks[&role].clone();
        let (desired, running, healthy) = (count, count, count);
        Capacity { desired, running, healthy, task_definition, settled: true, ..Capacity::default() }
    }
}

impl Cloud for Driver {
    async fn observed(&self, _: Timestamp) -> Result<Option<Share>, Fault> {
        Ok(None)
    }

    async fn register(&self, _: &str) -> Result<String, Fault> {
        unreachable!("the release is registered")
    }

    async fn scale(&self, role: Role, count: u32, task_definition: Option<&str>) -> Result<(), Fault> {
        self.call().await;
        let mut account = self.account();
        let slot = account.tasks.get_mut(&role).unwrap();
        *slot = (count, task_definition.map_or(slot.1.clone(), str::to_owned));
        Ok(())
    }

    async fn mark(&self, _: Beacon) -> Result<(), Fault> {
        Ok(())
    }

    async fn taken_back(&self) -> Option<TakenBack> {
        self.call().await;
        self.account().taken_back.clone()
    }

    async fn set_scaling(&self, _: &[(Role, Scaling)]) -> Result<(), Fault> {
        unreachable!("the plan holds no autoscaling")
    }

    async fn arm(&self, _: &DeadMan, _: Timestamp, _: bool) -> Result<Arming, Fault> {
        unreachable!("the plan has no switch")
    }

    async fn disarm(&self, _: &DeadMan) -> Result<(), Fault> {
        unreachable!("the plan has no switch")
    }

    async fn route(&self, order: RouteOrder) -> Result<Routed, Fault> {
        self.fence.decide(order.share > Share::NONE);
        let decided = self.clock.now();
        let found = self.seen();
        if order.expected.is_some_and(|expected| found.share != Some(expected) && found.share != Some(order.share)) {
            return Ok(Routed::Foreign(found));
        }
        let slow = self.account().slow.take_if(|(share, _)| *share == order.share);
        self.clock.sleep_until(self.clock.now() + slow.map_or(CALL, |(_, slow)| slow)).await;
        let sent = self.fence.check();
        sent.map_err(|why| Fault::new(FaultKind::Transient, "ModifyRule", why.to_string()))?;
        let mut account = self.account();
        account.writes.push(Write { decided, at: self.clock.now(), epoch: self.epoch, share: order.share });
        account.share = order.share;
        drop(account);
        Ok(Routed::Written(self.seen()))
    }

    async fn rule(&self) -> Result<RuleSeen, Fault> {
        self.call().await;
        Ok(self.seen())
    }

    async fn fleet(&self) -> Result<Fleet, Fault> {
        Ok(Fleet { stable: self.capacity(Role::Stable), candidate: self.capacity(Role::Candidate) })
    }

    async fn readings(&self, _: &[&Gate], _: Timestamp) -> Vec<Reading> {
        unreachable!("the plan has no gates")
    }

    async fn requests(&self, _: Role, _: u32, now: Timestamp) -> Result<Counted, Fault> {
        Ok(Counted { requests: 0, until: now })
    }

    async fn served(&self, _: Role, _: (Timestamp, Option<Timestamp>), _: Timestamp) -> Result<Served, Fault> {
        Ok(Served { requests: 10, ..Served::default() })
    }

    async fn probe(&self, _: &ProbeRule, _: Timestamp) -> ProbeReading {
        unreachable!("the plan has no probes")
    }
}

/// Everything there is outside of the processes.
struct Contest {
    folder: tempfile::TempDir,
    store: Store,
    id: RolloutId,
    plan: Plan,
    clock: Clock,
    account: Arc<Mutex<Account>>,
    /// What takeovers told, and when.
    told: RefCell<Vec<(Timestamp, TakeoverNotice)>>,
    /// Where the latest runner hears signals and requests.
    inbox: RefCell<Option<mpsc::Sender<Inbound>>>,
}

impl Drivers for &Contest {
    type Driver = Driver;
    type Refusal = std::convert::Infallible;

    async fn back(&self, _: &Plan, runner: Runner<'_>) -> Driver {
        self.driver(runner)
    }

    async fn forward(&self, _: &Recorded, _: &Machine, runner: Runner<'_>) -> Result<Driver, Self::Refusal> {
        Ok(self.driver(runner))
    }

    async fn mark(&self, _: &Plan) -> Option<Mark> {
        self.account().mark.clone()
    }
}

impl Contest {
    fn new() -> Self {
        let tasks = [(Role::Stable, (4, "web:7".to_owned())), (Role::Candidate, (0, "web:6".to_owned()))];
        let account = Account { tasks: tasks.into(), ..Account::default() };
        let folder = tempfile::tempdir().unwrap();
        Self {
            store: Store::in_folder(folder.path().join("here")).unwrap(),
            folder,
            id: RolloutId::parse("web-20261123-140509-0a1b").unwrap(),
            plan: plan(),
            clock: Clock::starting_at(START, 1.0),
            account: Arc::new(Mutex::new(account)),
            told: RefCell::default(),
            inbox: RefCell::default(),
        }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap()
    }

    fn driver(&self, runner: Runner<'_>) -> Driver {
        let Runner { epoch, clock, fence, .. } = runner;
        Driver { account: Arc::clone(&self.account), clock, fence, epoch }
    }

    /// Returns once it is so.
    async fn until(&self, is_so: impl Fn(&Account) -> bool) {
        while !is_so(&self.account()) {
            assert!(self.clock.now() < START + LONGEST, "it never is");
            self.clock.sleep_until(self.clock.now() + TENTH).await;
        }
    }

    /// Returns once the lease says that the rollout is so far.
    async fn until_lease_says(&self, phase: Phase) {
        loop {
            let standing = self.store.standing("arn:rule").await.unwrap();
            if standing.is_some_and(|standing| standing.control.phase == phase) {
                return;
            }
            assert!(self.clock.now() < START + LONGEST, "it never says {phase:?}");
            self.pass(CALL / 8).await;
        }
    }

    /// A person says this to the latest runner.
    async fn say(&self, request: OperatorRequest) {
        let event = Event::Requested { request, by: "cleo@laptop".into(), reason: None, left: None };
        let inbox = self.inbox.borrow().clone().unwrap();
        inbox.send(event.into()).await.unwrap();
    }

    async fn pass(&self, span: Duration) {
        self.clock.sleep_until(self.clock.now() + span).await;
    }

    async fn drive(&self, driven: Driven<Driver>) -> Ending {
        self.drive_on(driven).await.give_back(|_| ()).await.unwrap()
    }

    /// Drives it to its end; its lease is still held then.
    async fn drive_on(&self, driven: Driven<Driver>) -> Ended {
        let inbox = Inbox::open();
        // Signals could come until the end.
        self.inbox.replace(Some(inbox.sender.clone()));
        driven.run(Several::new(), inbox, |odd| panic!("{odd}")).await
    }

    async fn go_on(&self, going: Going<Driver>) -> Ending {
        match going {
            Going::On(driven) => self.drive(*driven).await,
            Going::Over(outcome) => panic!("it is over: {outcome:?}"),
        }
    }

    fn header(&self) -> Header {
        Header {
            id: self.id.clone(),
            program: "0".into(),
            at: self.clock.now(),
            spec: "web.yaml".into(),
            spec_digest: None,
            trace: None,
            plan: self.plan.clone(),
        }
    }

    /// Ana runs the rollout.
    async fn ana_runs(&self) -> Ending {
        self.drive(self.ana_begins().await).await
    }

    async fn ana_begins(&self) -> Driven<Driver> {
        let header = self.header();
        let Begun { keeper, journal } = begin(&self.store, &header, "ana@laptop".into(), &self.clock).await.unwrap();
        let (epoch, fence, clock) = (keeper.epoch(), keeper.fence().clone(), self.clock.clone());
        let cloud = self.driver(Runner { id: &self.id, epoch, clock: clock.clone(), fence });
        let (machine, first) = (Machine::new(header.plan), First::New(Event::Started { by: "ana@laptop".into() }));
        let (store, id, trace, records, then) = (self.store.clone(), header.id, None, Vec::new(), None);
        Driven { store, id, trace, machine, first, records, journal, cloud, clock, keeper, then }
    }

    fn takeover(&self, by: &str) -> Takeover<'_, &Self, impl Fn(&TakeoverNotice)> {
        Takeover {
            store: &self.store,
            id: &self.id,
            plan: &self.plan,
            by: by.to_owned(),
            clock: self.clock.clone(),
            drivers: self,
            tell: |notice: &TakeoverNotice| self.told.borrow_mut().push((self.clock.now(), notice.clone())),
        }
    }

    fn asked(&self) -> AskedAt {
        AskedAt { wall: self.clock.clone(), at: self.clock.now() }
    }

    /// Ben takes it back, without asking anybody.
    async fn ben_takes_it_back(&self) -> Ending {
        let going = self.takeover("ben@ci").take_back(&self.asked(), false, rollback()).await;
        self.go_on(going.unwrap()).await
    }

    /// Guard looks until it finds a rollout without an owner, and takes that back.
    async fn guard_takes_it_back(&self) -> Ending {
        let mut guard = Guard::new(self.store.clone(), self.clock.clone());
        loop {
            assert!(self.clock.now() < START + LONGEST, "nobody was lost");
            if let Some(lost) = guard.look(|_| false).await.unwrap().lost.pop() {
                let taken = guard.take(&lost, "guard@ops".into()).await.unwrap();
                let going = self.takeover("guard@ops").go_back(taken, &self.asked(), rollback()).await;
                return self.go_on(going.unwrap()).await;
            }
            self.pass(SECOND * 5).await;
        }
    }

    async fn records(&self) -> Vec<Record> {
        journal::read(&self.store, &self.id).await.unwrap().records
    }

    /// What must be so however it went, once the owner of `epoch` took it back.
    async fn is_sound(&self, epoch: u64) {
        let records = self.records().await;
        let took_over = |record: &&Record| matches!(record.event, Event::Recovered { epoch: new, .. } if new == epoch);
        let since = records.iter().find(took_over).unwrap().at;
        assert_eq!(self.account().share, Share::NONE, "all traffic is on stable");
        let writes = self.account().writes.clone();
        for write in writes.iter().filter(|write| write.share > Share::NONE) {
            assert!(write.epoch == 1 && write.decided <= since, "one epoch decides forward: {writes:?}");
        }
        let left = self.store.standing("arn:rule").await.unwrap().unwrap().control;
        assert_eq!((left.phase, left.epoch), (Phase::Over, epoch), "the rule is free again");
        let machine = journal::replay(self.plan.clone(), &records);
        assert!(matches!(machine.outcome(), Some(Outcome::RolledBack(_))), "{:?}", machine.outcome());
    }

    fn first_back(&self, epoch: u64) -> Timestamp {
        let account = self.account();
        let back = account.writes.iter().find(|write| write.epoch == epoch && write.share == Share::NONE);
        back.unwrap_or_else(|| panic!("no write back of {epoch}: {:?}", account.writes)).at
    }
}

fn rollback() -> Request {
    Request { request: OperatorRequest::Rollback, reason: None }
}

fn gave_half(account: &Account) -> bool {
    account.writes.iter().any(|write| write.share > Share::NONE)
}

/// A process that is not polled while it is frozen.
async fn freezable<T>(work: impl Future<Output = T>, mut frozen: watch::Receiver<bool>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            Ok(()) = frozen.changed() => {
                let _ = frozen.wait_for(|frozen| !frozen).await;
            }
            done = &mut work => return done,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_a_rollout_back_decides_alone_whenever_that_is() {
    // From before the first share to the end of the hold.
    for after in (0..10).map(|n| SECOND * n * 6) {
        let contest = Contest::new();
        let asked = START + SECOND + after;
        let ben = async {
            contest.clock.sleep_until(asked).await;
            contest.ben_takes_it_back().await
        };
        let (ana, ben) = tokio::join!(contest.ana_runs(), ben);
        assert_eq!(ana.fenced.as_deref(), Some("ben@ci (epoch 2)"), "after {after:?}: {ana:?}");
        let Some(Outcome::RolledBack(Reason::Operator { by, .. })) = &ben.outcome else { panic!("{after:?}: {ben:?}") };
        assert_eq!(by, "ben@ci");
        let back = contest.first_back(2);
        assert!(back.since(asked) < SECOND, "after {after:?} the first write took {:?}", back.since(asked));
        contest.is_sound(2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_under_way_when_somebody_took_over_is_taken_back() {
    let half = Share::from_permille(500).unwrap();
    let mut landed = 0;
    for slow in [1, 3, 5, 7, 9] {
        let contest = Contest::new();
        contest.account().slow = Some((half, SECOND * slow));
        let ben = async {
            contest.until(|account| account.slow.is_none()).await;
            contest.ben_takes_it_back().await
        };
        let (ana, ben) = tokio::join!(contest.ana_runs(), ben);
        assert!(ana.fenced.is_some() && matches!(ben.outcome, Some(Outcome::RolledBack(_))), "{ana:?} {ben:?}");
        contest.is_sound(2).await;
        landed += u32::from(gave_half(&contest.account()));
    }
    assert!(landed > 0, "none was sent after the first write of the way back");
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_thaws_after_a_guard_took_over_writes_nothing_more() {
    let contest = Contest::new();
    let (freeze, frozen) = watch::channel(false);
    let world = async {
        contest.until(gave_half).await;
        freeze.send_replace(true);
        let froze = contest.clock.now();
        contest.until(|account| account.share == Share::NONE).await;
        let took = contest.clock.now().since(froze);
        assert!(took + SECOND * 11 >= LEASE && took <= LEASE + SECOND * 11, "taken back after {took:?}");
        contest.pass(SECOND * 300).await;
        freeze.send_replace(false);
        std::future::pending::<()>().await;
    };
    let both = async { tokio::join!(freezable(contest.ana_runs(), frozen), contest.guard_takes_it_back()) };
    let (ana, guard) = tokio::select! {
        both = both => both,
        () = world => unreachable!("it never ends"),
    };
    assert_eq!(ana.fenced.as_deref(), Some("guard@ops (epoch 2)"), "{ana:?}");
    assert!(matches!(guard.outcome, Some(Outcome::RolledBack(_))), "{guard:?}");
    contest.is_sound(2).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_store_the_traffic_goes_back_unless_the_tags_forbid_it() {
    let mark = |rollout: &str, phase| Some(Mark { rollout: rollout.into(), phase });
    for (mark, writes) in [
        (None, true),
        (mark("web-20261123-140509-0a1b", Beacon::Active), true),
        (mark("web-20261123-140509-0a1b", Beacon::Committed), false),
        (mark("web-20261124-140509-0a1b", Beacon::Active), false),
    ] {
        let contest = Contest::new();
        contest.account().share = Share::ALL;
        contest.account().mark.clone_from(&mark);
        std::fs::rename(contest.folder.path().join("here"), contest.folder.path().join("away")).unwrap();
        std::fs::write(contest.folder.path().join("here"), "no folder").unwrap();
        let failed = contest.takeover("ben@ci").take_back(&contest.asked(), false, rollback()).await;
        let Err(TakeoverError::Unleased { is_written, .. }) = failed else { panic!("{mark:?}: {failed:?}") };
        let share = contest.account().share;
        assert_eq!((is_written, share == Share::NONE), (writes, writes), "{mark:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_a_damaged_journal_has_lost_is_not_taken_back_where_the_tags_say_it() {
    for (phase, goes_back) in [(Beacon::Active, true), (Beacon::Committed, false)] {
        let contest = Contest::new();
        let about_to = contest.until_lease_says(Phase::Committing);
        // Killed: nothing of it is polled any more.
        tokio::select! { biased; () = about_to => {}, _ = contest.ana_runs() => unreachable!("it is killed") }
        let lines = contest.folder.path().join("here/rollouts").join(contest.id.as_str()).join("journal");
        let mut found: Vec<_> = std::fs::read_dir(&lines).unwrap().map(|line| line.unwrap().path()).collect();
        found.sort();
        std::fs::write(&found[found.len() / 2], "no line\n").unwrap();
        let mark = Mark { rollout: contest.id.to_string(), phase };
        contest.account().mark = Some(mark);
        let going = contest.takeover("ben@ci").take_back(&contest.asked(), false, rollback()).await;
        let refused = matches!(going, Err(TakeoverError::Committed(_)));
        assert_eq!(refused, !goes_back, "{going:?}");
        assert_eq!(contest.account().share, Share::ALL, "nothing is written before that is known");
    }
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_left_is_succeeded_and_the_rollout_goes_forward_to_its_end() {
    let contest = Contest::new();
    let (freeze, frozen) = watch::channel(false);
    let ana = freezable(contest.ana_runs(), frozen);
    let cleo = async {
        contest.until(gave_half).await;
        freeze.send_replace(true);
        let takeover = contest.takeover("cleo@laptop");
        let taken = takeover.succeed().await.unwrap();
        assert!(!taken.goes_back());
        contest.go_on(takeover.go_on(taken, None, None).await.unwrap()).await
    };
    let cleo = tokio::select! {
        cleo = cleo => cleo,
        ana = ana => panic!("{ana:?}"),
    };
    assert_eq!(cleo.outcome, Some(Outcome::Promoted), "{cleo:?}");
    assert_eq!(contest.account().share, Share::ALL);
    let waited = |(_, notice): &(_, TakeoverNotice)| matches!(notice, TakeoverNotice::OwnerWatched { .. });
    assert!(contest.told.borrow().iter().any(waited), "{:?}", contest.told.borrow());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_held_is_taken_back_by_its_own_runner_as_soon_as_somebody_asks() {
    for waits in [SECOND, SECOND * 300] {
        let contest = Contest::new();
        let ben = async {
            contest.until_lease_says(Phase::Committing).await;
            contest.say(OperatorRequest::Pause).await;
            contest.pass(waits).await;
            let asked = contest.clock.now();
            let ending = contest.ben_takes_it_back().await;
            let back = contest.account().writes.iter().find(|write| write.share == Share::NONE).unwrap().at;
            (ending, back.since(asked))
        };
        let (_ana, (ben, took)) = tokio::join!(contest.ana_runs(), ben);
        let Some(Outcome::RolledBack(Reason::Operator { by, .. })) = &ben.outcome else { panic!("{ben:?}") };
        assert_eq!(by, "ben@ci");
        assert!(took < SECOND * 2, "the traffic was back after {took:?}");
        contest.is_sound(2).await;
        assert!(contest.store.take_words(&contest.id).await.unwrap().waiting.is_empty(), "nothing is left to be heard");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_runner_froze_is_taken_over_when_its_lease_is_over() {
    let contest = Contest::new();
    let rollout = contest.id.to_string();
    contest.account().mark = Some(Mark { rollout, phase: Beacon::Active });
    let (freeze, frozen) = watch::channel(false);
    let ben = async {
        contest.until_lease_says(Phase::Committing).await;
        freeze.send_replace(true);
        let asked = contest.clock.now();
        (contest.ben_takes_it_back().await, contest.first_back(2).since(asked))
    };
    let (ben, took) = tokio::select! {
        ben = ben => ben,
        ana = freezable(contest.ana_runs(), frozen) => panic!("{ana:?}"),
    };
    assert!(matches!(ben.outcome, Some(Outcome::RolledBack(Reason::Operator { .. }))), "{ben:?}");
    assert!(took >= LEASE && took <= LEASE + SECOND * 2, "taken back after {took:?}");
    contest.is_sound(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_the_tag_tells_and_the_journal_does_not_is_finished() {
    let contest = Contest::new();
    let (freeze, frozen) = watch::channel(false);
    let guard = async {
        contest.until_lease_says(Phase::Committing).await;
        freeze.send_replace(true);
        let rollout = contest.id.to_string();
        contest.account().mark = Some(Mark { rollout, phase: Beacon::Committed });
        contest.guard_takes_it_back().await
    };
    let guard = tokio::select! {
        guard = guard => guard,
        ana = freezable(contest.ana_runs(), frozen) => panic!("{ana:?}"),
    };
    assert_eq!(guard.outcome, Some(Outcome::Promoted), "{guard:?}");
    assert_eq!(contest.account().share, Share::ALL);
}

#[tokio::test(start_paused = true)]
async fn what_a_living_runner_has_committed_is_refused_at_once() {
    let contest = Contest::new();
    let ben = async {
        contest.until_lease_says(Phase::Committing).await;
        contest.pass(SECOND * 20).await;
        let asked = contest.clock.now();
        let refused = contest.takeover("ben@ci").take_back(&contest.asked(), false, rollback()).await;
        (refused.map(|_| ()), contest.clock.now().since(asked))
    };
    let (ana, (refused, took)) = tokio::join!(contest.ana_runs(), ben);
    assert!(matches!(refused, Err(TakeoverError::Committed(_))), "{refused:?}");
    assert!(took < SECOND, "it took {took:?}");
    assert_eq!(ana.outcome, Some(Outcome::Promoted));
    let told = |record: &Record| matches!(record.event, Event::Requested { .. });
    assert!(!contest.records().await.iter().any(told), "the runner is not asked for what it cannot do");
}

#[tokio::test(start_paused = true)]
async fn a_stranded_rollout_waits_for_a_person_whatever_a_guard_sees() {
    let contest = Contest::new();
    let half = Share::from_permille(500).unwrap();
    let stranger = async {
        contest.until(gave_half).await;
        contest.say(OperatorRequest::Rollback).await;
        loop {
            contest.until(|account| account.share == Share::NONE).await;
            contest.pass(SECOND * 2).await;
            contest.account().share = half;
        }
    };
    let ana = tokio::select! {
        ana = contest.ana_runs() => ana,
        () = stranger => unreachable!("it never ends"),
    };
    assert!(matches!(ana.outcome, Some(Outcome::Stranded { .. })), "{ana:?}");
    // A person repairs it by hand: what they wrote stays.
    contest.account().share = half;
    let before = contest.account().writes.len();
    let mut guard = Guard::new(contest.store.clone(), contest.clock.clone());
    let mut told = Vec::new();
    for _ in 0..60 {
        let mut look = guard.look(|_| false).await.unwrap();
        assert!(look.lost.is_empty() && look.is_settled, "{look:?}");
        told.append(&mut look.stranded);
        contest.pass(SECOND * 5).await;
    }
    let told: Vec<_> = told.into_iter().map(|stranded| stranded.rollout).collect();
    assert_eq!((told.as_slice(), contest.account().writes.len()), ([contest.id.clone()].as_slice(), before));
    let ben = contest.ben_takes_it_back().await;
    assert!(matches!(ben.outcome, Some(Outcome::RolledBack(_))), "a person may: {ben:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_goes_on_with_a_way_back_counts_what_others_wrote_since() {
    let contest = Contest::new();
    let half = Share::from_permille(500).unwrap();
    let (freeze, frozen) = watch::channel(false);
    let guard = async {
        contest.until(gave_half).await;
        contest.say(OperatorRequest::Rollback).await;
        contest.until(|account| account.share == Share::NONE).await;
        contest.pass(SECOND * 2).await;
        freeze.send_replace(true);
        contest.account().share = half;
        contest.guard_takes_it_back().await
    };
    let guard = tokio::select! {
        guard = guard => guard,
        ana = freezable(contest.ana_runs(), frozen) => panic!("{ana:?}"),
    };
    assert!(matches!(guard.outcome, Some(Outcome::RolledBack(_))), "{guard:?}");
    let machine_told = |machine: &mut Machine, record: Record| machine.apply(record.at, record.event).notices;
    let mut machine = Machine::new(contest.plan.clone());
    let told: Vec<_> =
        contest.records().await.into_iter().flat_map(|record| machine_told(&mut machine, record)).collect();
    assert!(told.iter().any(|notice| matches!(notice, Notice::ForeignWrite { .. })), "{told:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_by_the_rule_alone_reaches_the_runner_with_who_and_why() {
    for (which, tags) in [("with tags", true), ("without", false)] {
        let contest = Contest::new();
        let dora = async {
            contest.until(gave_half).await;
            contest.pass(SECOND * 3).await;
            if !tags {
                contest.account().share = Share::NONE;
                return;
            }
            let cloud = contest.driver(Runner::unleased(&contest.id, &contest.clock));
            let back = TakenBack { by: "dora@phone".into(), reason: Some("checkout is slow".into()) };
            contest.account().taken_back = Some(back);
            back_by_tags(&cloud, ByTags { stable: "web-blue", sticky: false, accepts_unhealthy: false }).await.unwrap();
        };
        let (ana, ()) = tokio::join!(contest.ana_runs(), dora);
        match ana.outcome {
            Some(Outcome::RolledBack(Reason::Operator { by, reason, .. })) if tags => {
                assert_eq!((by.as_str(), reason.as_deref()), ("dora@phone", Some("checkout is slow")), "{which}");
            }
            Some(Outcome::RolledBack(Reason::ForeignWrite { .. })) if !tags => {}
            outcome => panic!("{which}: {outcome:?}"),
        }
        assert_eq!(contest.account().share, Share::NONE, "{which}");
    }
}
