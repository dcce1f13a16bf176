//! What each kind of process does: what the command line does, by the same calls of the engine.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tidegate::cloud::Fence;
use tidegate::domain::clock::Clock;
use tidegate::domain::name::RolloutId;
use tidegate::domain::safeguard::Beacon;
use tidegate::domain::traffic::Share;
use tidegate::engine::{
    AskedAt, BeginError, Begun, ByTags, Driven, Drivers, First, Going, Guard, Inbox, JournalSink as _, Mark, Patience,
    Request, Runner, Takeover, TakeoverError, back_by_tags, begin, begun,
};
use tidegate::journal::{self, Header, Recorded};
use tidegate::lease::{LeaseRefusal, Phase};
use tidegate::machine::{Event, Machine, Notice, OperatorRequest, Outcome, StaysOff};
use tidegate::plan::Plan;
use tidegate::report::TakeoverNotice;
use tidegate::store::{LeaseError, LeftRequest, Store};

use super::account::Account;
use super::backend::ASKER;
use super::points::Point;
use super::process::{Kind, Process};
use super::scene::{Scene, rollout};
use super::witness::Witness;

/// Between two looks of a guard: more than `tidegate guard` takes, since each costs as much as an event.
const GUARD_POLL: Duration = Duration::from_secs(15);

/// One process at work.
pub struct Work {
    pub scene: Arc<Scene>,
    pub who: usize,
    clock: Clock,
    store: Store,
}

/// What a takeover ends in.
type Taken = Result<Going<Account>, TakeoverError<Infallible>>;

impl Drivers for &Work {
    type Driver = Account;
    type Refusal = Infallible;

    async fn back(&self, _: &Plan, runner: Runner<'_>) -> Account {
        self.driver(&runner)
    }

    async fn forward(&self, _: &Recorded, _: &Machine, runner: Runner<'_>) -> Result<Account, Infallible> {
        Ok(self.driver(&runner))
    }

    async fn mark(&self, _: &Plan) -> Option<Mark> {
        let mut sim = self.scene.sim();
        let phase = sim.reads(|sim| {
            let now = sim.now();
            sim.invariants.blind_read(now);
            sim.world.safeguard.beacon()
        });
        let phase = phase.ok().filter(|phase| *phase != Beacon::Absent)?;
        Some(Mark { rollout: rollout().to_string(), phase })
    }
}

impl Work {
    /// A process comes up.
    pub fn enters(scene: &Arc<Scene>, kind: Kind) -> (usize, impl Future<Output = ()> + 'static) {
        let (who, clock) = {
            let mut sim = scene.sim();
            let (clock, skew) = sim.throw_clock();
            let who = sim.processes.len();
            sim.note(|| format!("{who} is a {kind:?}, its clock {skew:+} ms"));
            sim.processes.push(Process::new(kind, clock.clone()));
            (who, clock)
        };
        let work = Self { scene: Arc::clone(scene), who, clock, store: scene.store(who) };
        let does = async move {
            match kind {
                Kind::Runner => work.runs().await,
                Kind::Resumer => work.resumes().await,
                Kind::Operator => work.takes_back().await,
                Kind::Guard => work.guards().await,
                Kind::Blind => {
                    work.goes_by_tags().await;
                }
                Kind::Rehearsal => work.rehearses().await,
            }
        };
        (who, does)
    }

    fn hit(&self, point: Point) {
        self.scene.sim().hits.hit(point);
    }

    fn note(&self, text: impl FnOnce() -> String) {
        let who = self.who;
        self.scene.sim().note(|| format!("{who} {}", text()));
    }

    fn driver(&self, runner: &Runner<'_>) -> Account {
        if runner.clock.now() > self.clock.now() {
            self.hit(Point::ClockSetForward);
        }
        Account {
            scene: Arc::clone(&self.scene),
            who: self.who,
            clock: runner.clock.clone(),
            fence: runner.fence.clone(),
            has_lease: runner.epoch != 0,
            way: AtomicBool::default(),
        }
    }

    fn by(&self) -> String {
        self.who.to_string()
    }

    fn plan(&self) -> Plan {
        self.scene.sim().plan.clone()
    }

    /// `tidegate run`.
    async fn runs(&self) {
        let plan = self.plan();
        let at = self.clock.now();
        let (id, program, spec) = (rollout(), "0".to_owned(), "web.yaml".to_owned());
        let header = Header { id, program, at, spec, spec_digest: None, trace: None, plan };
        let Ok(Begun { keeper, journal }) = begin(&self.store, &header, self.by(), &self.clock).await else { return };
        let (id, epoch, clock) = (header.id.clone(), keeper.epoch(), self.clock.clone());
        let cloud = self.driver(&Runner { id: &id, epoch, clock: clock.clone(), fence: keeper.fence().clone() });
        let (machine, first) = (Machine::new(header.plan), First::New(Event::Started { by: self.by() }));
        let (store, trace, records, then) = (self.store.clone(), None, Vec::new(), None);
        self.drives(Driven { store, id, trace, machine, first, records, journal, cloud, clock, keeper, then }).await;
    }

    /// `tidegate run --lab`: it has the rule of the same name in a lab of its own, whoever else rehearses, and is nobody's
    /// business who looks for live rollouts.
    async fn rehearses(&self) {
        let at = self.clock.now();
        let id = RolloutId::parse(&format!("web-20261123-140509-{:04x}", 0xb000 + self.who)).expect("an id");
        let store = self.scene.store_of_rehearsal(&id);
        let (program, spec) = ("0".to_owned(), "web.yaml".to_owned());
        let header = Header { id: id.clone(), program, at, spec, spec_digest: None, trace: None, plan: self.plan() };
        let begun = begin(&store, &header, self.by(), &self.clock).await;
        let Begun { keeper, mut journal } = begun.expect("no rehearsal waits for another");
        self.hit(Point::Rehearsed);
        // One that is killed meanwhile leaves its lease behind.
        for event in [Event::Started { by: self.by() }, Event::Woken] {
            journal.append(self.clock.now(), &event).await.expect("nobody else writes it");
            self.clock.sleep_until(self.clock.now() + Duration::from_secs(40)).await;
        }
        keeper.release(true).await.expect("nobody else decides");
    }

    /// Drives a rollout to its end, as far as it is for this process to do.
    async fn drives(&self, driven: Driven<Account>) {
        let inbox = Inbox::open();
        {
            let mut sim = self.scene.sim();
            sim.sits_down(self.who, &driven);
            sim.processes[self.who].signals = Some(inbox.sender.clone());
        }
        let witness = Witness { scene: Arc::clone(&self.scene), who: self.who };
        let ended = driven.run(witness, inbox, |odd| self.note(|| odd.to_owned())).await;
        {
            let mut sim = self.scene.sim();
            let process = &mut sim.processes[self.who];
            process.signals = None;
            process.seat.iter_mut().for_each(|seat| seat.turns = false);
        }
        let ending = ended.give_back(|notice| self.tells(notice)).await;
        let mut sim = self.scene.sim();
        let who = self.who;
        sim.note(|| format!("{who} ends: {ending:?}"));
        if let Ok(ending) = ending {
            if ending.is_untold {
                sim.hits.hit(Point::JournalLost);
            }
            if let Some(outcome) = ending.outcome {
                sim.invariants.outcome = Some((who, outcome));
            }
        }
        self.scene.stirred.notify_one();
    }

    async fn goes_on(&self, going: Taken) {
        match going {
            Ok(Going::On(driven)) => self.drives(*driven).await,
            Ok(Going::Over(outcome)) => self.is_over(outcome),
            Err(error) => self.note(|| format!("cannot go on: {error:?}")),
        }
    }

    fn is_over(&self, outcome: Outcome) {
        let mut sim = self.scene.sim();
        sim.invariants.outcome.get_or_insert((self.who, outcome));
    }

    /// What a takeover tells.
    fn tells(&self, notice: &TakeoverNotice) {
        self.note(|| format!("says {notice:?}"));
        let mut sim = self.scene.sim();
        match notice {
            TakeoverNotice::OwnerWatched { commits, .. } => {
                sim.processes[self.who].watched = true;
                if *commits {
                    sim.hits.hit(Point::PreemptionRefused);
                }
            }
            TakeoverNotice::GoesUnwritten(_) => sim.hits.hit(Point::JournalNowhere),
            TakeoverNotice::LeaseNotReturned(_) => sim.hits.hit(Point::NotReleased),
            TakeoverNotice::StickinessStaysOff { .. } => {
                sim.invariants.notices.push(Notice::StickinessOff { why: StaysOff::NoTime });
            }
            _ => {}
        }
        drop(sim);
    }

    fn takeover<'a>(
        &'a self,
        id: &'a tidegate::domain::name::RolloutId,
        plan: &'a Plan,
    ) -> Takeover<'a, &'a Self, impl Fn(&TakeoverNotice)> {
        let (by, clock) = (self.by(), self.clock.clone());
        Takeover {
            store: &self.store,
            id,
            plan,
            by,
            clock,
            drivers: self,
            tell: |notice: &TakeoverNotice| self.tells(notice),
        }
    }

    /// A lease was had.
    fn had(&self, point: Point) {
        self.hit(point);
        if self.scene.sim().processes[self.who].watched {
            self.hit(Point::WaitedOut);
        }
    }

    /// A lease was not to be had.
    fn refused(&self, error: &LeaseError) {
        self.note(|| format!("has no lease: {error}"));
        if self.scene.sim().processes[self.who].watched {
            self.hit(Point::WaitedInVain);
        }
        if matches!(error, LeaseError::Refused { refusal, .. } if matches!(**refusal, LeaseRefusal::Over(_))) {
            self.hit(Point::NothingToTake);
        }
    }

    /// `tidegate resume`.
    async fn resumes(&self) {
        let id = rollout();
        let Ok(recorded) = journal::read(&self.store, &id).await else { return };
        let plan = recorded.header.plan.clone();
        if journal::replay(plan.clone(), &recorded.records).outcome().is_some() {
            return;
        }
        let takeover = self.takeover(&id, &plan);
        let taken = match takeover.succeed().await {
            Ok(taken) => taken,
            Err(error) => return self.refused(&error),
        };
        self.had(Point::Resumed);
        let back = taken.goes_back().then(rollback);
        let going = takeover.go_on(taken, back, None).await;
        self.goes_on(going).await;
    }

    fn asked(&self) -> AskedAt {
        AskedAt { wall: self.clock.clone(), at: self.clock.now() }
    }

    /// `tidegate rollback`.
    async fn takes_back(&self) {
        let (id, asked) = (rollout(), self.asked());
        let patience = Patience::new(&asked.wall);
        let plan = match patience.soon(journal::header(&self.store, &id)).await {
            Some(Ok(header)) => header.plan,
            Some(Err(error)) if error.is_nonsense() => {
                self.goes_by_tags().await;
                return;
            }
            Some(Err(_)) => return,
            None => match journal::header(&self.store, &id).await {
                Ok(header) => header.plan,
                Err(_) => return,
            },
        };
        let standing = patience.soon(self.store.standing(&plan.target.rule)).await;
        let over = match standing {
            Some(Ok(standing)) => standing.is_none_or(|standing| standing.control.phase == Phase::Over),
            Some(Err(_)) | None => false,
        };
        if over {
            let Ok(recorded) = journal::read(&self.store, &id).await else { return };
            if journal::replay(plan.clone(), &recorded.records).outcome().is_some() {
                return self.hit(Point::NothingToTake);
            }
        }
        let going = self.takeover(&id, &plan).take_back(&asked, false, rollback()).await;
        match &going {
            Ok(_) => self.had(Point::Preempted),
            Err(TakeoverError::Lease(error)) => self.refused(error),
            Err(_) => {}
        }
        self.goes_on(going).await;
    }

    /// `tidegate guard`.
    async fn guards(&self) {
        let mut guard = Guard::new(self.store.clone(), self.clock.clone());
        // Whoever polls it lets go of it at the end.
        loop {
            if let Some(lost) = guard.look(|_| false).await.ok().and_then(|mut look| look.lost.pop()) {
                self.is_busy(true);
                self.rescues(&mut guard, &lost).await;
                self.is_busy(false);
            }
            self.clock.sleep_until(self.clock.now() + GUARD_POLL).await;
        }
    }

    fn is_busy(&self, busy: bool) {
        let process = &mut self.scene.sim().processes[self.who];
        process.busy = busy;
        (process.was_interrupted, process.watched, process.wrote_first) = (false, false, false);
        process.knows_fenced = false;
        process.seat = None;
    }

    async fn rescues(&self, guard: &mut Guard, lost: &tidegate::engine::Lost) {
        let mut taken = match guard.take(lost, self.by()).await {
            Ok(taken) => taken,
            Err(error) => {
                self.note(|| format!("cannot rescue: {error}"));
                return self.hit(Point::RescueTooLate);
            }
        };
        self.hit(Point::Rescued);
        let id = lost.rollout().clone();
        let plan = match begun(&self.store, (&lost.rule, &id), &mut taken).await {
            Ok(Some(plan)) => plan,
            Ok(None) => return self.hit(Point::NeverBegan),
            Err(BeginError::Journal(error)) if error.is_nonsense() => {
                // Otherwise its lease falls silent, and the next look finds it.
                let is_done = self.goes_by_tags().await || self.scene.sim().is_unmarked();
                if let Some(nonce) = if is_done { taken.leave().await } else { None } {
                    guard.leaves(lost.rule.clone(), nonce);
                }
                return;
            }
            Err(error) => return self.note(|| format!("cannot read the header: {error}")),
        };
        let going = self.takeover(&id, &plan).go_back(taken, &self.asked(), rollback()).await;
        self.goes_on(going).await;
    }

    /// `tidegate rollback --rule`, where the store does not answer. Whether there is no more to do.
    async fn goes_by_tags(&self) -> bool {
        let plan = self.plan();
        let Some(mark) = (&self).mark(&plan).await else { return false };
        self.clock.sleep_until(self.clock.now() + Duration::from_millis(300)).await;
        if mark.phase == Beacon::Committed {
            self.hit(Point::BlindRefused);
            return true;
        }
        let sticky = plan.before.stickiness.is_some();
        let id = rollout();
        let cloud = self.driver(&Runner { id: &id, epoch: 0, clock: self.clock.clone(), fence: Fence::default() });
        let stable = plan.target.stable.target_group_name.as_str();
        let back = back_by_tags(&cloud, ByTags { stable, sticky, accepts_unhealthy: false }).await;
        back.is_ok_and(|seen| seen.share == Some(Share::NONE))
    }
}

/// Somebody leaves a request for whoever drives the rollout.
pub async fn says(store: Store, scene: Arc<Scene>) {
    let told = {
        let mut sim = scene.sim();
        let requests =
            [OperatorRequest::Pause, OperatorRequest::Continue, OperatorRequest::Continue, OperatorRequest::Rollback];
        let request = sim.die.one_of(&requests);
        sim.hits.told(request);
        let by = format!("{ASKER}{}", sim.die.between(0, u64::MAX));
        let request = match request {
            OperatorRequest::Pause => "pause",
            OperatorRequest::Continue => "continue",
            _ => "rollback",
        };
        LeftRequest { request: request.into(), by, reason: None, at: sim.now(), approves: None }
    };
    let _ = store.leave_word(&rollout(), told).await;
}

fn rollback() -> Request {
    Request { request: OperatorRequest::Rollback, reason: None }
}
