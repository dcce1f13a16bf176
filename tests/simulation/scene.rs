//! What the processes of a contested rollout share: the world, the store's contents, chance, and what was seen so far.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tidegate::domain::clock::{Clock, Timestamp};
use tidegate::domain::name::RolloutId;
use tidegate::lease::{Control, LEASE, Phase};
use tidegate::plan::Plan;
use tidegate::store::Store;
use tokio::sync::Notify;

use super::backend::{Backend, Objects};
use super::contest::Options;
use super::die::Die;
use super::invariants::Invariants;
use super::mishaps::Mishaps;
use super::points::{Hits, Point};
use super::process::{Kind, Process};
use super::world::World;

/// How long after a rollout began to go back a renewal may still say that it does not: it was on its way.
const TOLD_WITHIN: Duration = Duration::from_secs(130);
/// When rollouts start.
pub const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// What the seed does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Enter(Kind),
    Meddle,
    Deploy,
    /// Somebody leaves a request for the runner in the store.
    Say,
    /// Somebody changes the journal.
    Damage,
    /// Somebody changes the journal's first line.
    Behead,
    /// Somebody writes nonsense over the rule's document.
    Garble,
    /// Faults end here.
    Heal,
    /// Somebody sees whether somebody is needed.
    Tend,
}

/// Everything there is outside of the processes.
pub struct Sim {
    pub clock: Clock,
    pub plan: Plan,
    pub options: Options,
    /// What goes wrong until it is healed.
    pub mishaps: Mishaps,
    pub world: World,
    pub objects: Objects,
    pub processes: Vec<Process>,
    pub invariants: Invariants,
    pub hits: Hits,
    pub die: Die,
    pub history: Option<Vec<String>>,
    pub healed: Option<Timestamp>,
    /// What is to come, and when.
    pub moves: Vec<(Timestamp, Move)>,
    /// What went wrong behind everybody's back.
    pub broken: Option<String>,
}

/// The same, shared.
pub struct Scene {
    sim: Mutex<Sim>,
    /// Something is to come sooner than was known.
    pub stirred: Notify,
    /// Where this machine keeps its rehearsals, once there is one.
    rehearsals: OnceLock<(TempDir, Store)>,
}

/// The one rollout.
pub fn rollout() -> RolloutId {
    RolloutId::parse("web-20261123-140509-00aa").expect("an id")
}

impl Scene {
    pub fn new((plan, options, mishaps): (Plan, Options, Mishaps), die: Die, tells: bool) -> Arc<Self> {
        let world = World::new(START, mishaps.clone(), &plan);
        let mut moves = vec![(START, Move::Enter(Kind::Runner)), (START + options.heals_after, Move::Heal)];
        moves.extend(options.moves.iter().map(|(after, one)| (START + *after, *one)));
        let sim = Sim {
            clock: Clock::starting_at(START, 1.0),
            plan,
            mishaps,
            world,
            objects: Objects::new(options.store.clone(), options.is_folder),
            options,
            processes: Vec::new(),
            invariants: Invariants::default(),
            hits: Hits::default(),
            die,
            history: tells.then(Vec::new),
            healed: None,
            moves,
            broken: None,
        };
        Arc::new(Self { sim: Mutex::new(sim), stirred: Notify::new(), rehearsals: OnceLock::new() })
    }

    /// All of it, as it is now.
    pub fn sim(&self) -> MutexGuard<'_, Sim> {
        let mut sim = self.sim.lock().unwrap_or_else(PoisonError::into_inner);
        sim.advances();
        sim
    }

    /// The store as a process reaches it.
    pub fn store(self: &Arc<Self>, who: usize) -> Store {
        Store::at(Arc::new(Backend::of(self, Some(who))))
    }

    /// The store of rehearsals, as one of them uses it.
    pub fn store_of_rehearsal(&self, id: &RolloutId) -> Store {
        let (_, store) = self.rehearsals.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let store = Store::in_folder(folder.path().join("lab")).expect("it is ours");
            (folder, store)
        });
        store.of_rehearsal(id)
    }

    /// The store as nobody's calls fail.
    pub fn quiet_store(self: &Arc<Self>) -> Store {
        Store::at(Arc::new(Backend::of(self, None)))
    }

    /// Something is wrong where nobody would hear a panic.
    pub fn breaks(&self, why: String) {
        self.sim().broken.get_or_insert(why);
        self.stirred.notify_one();
    }
}

impl Sim {
    pub fn now(&self) -> Timestamp {
        self.world.now
    }

    fn advances(&mut self) {
        let before = self.world.share();
        self.world.advance(self.clock.now());
        let share = self.world.share();
        if share != before {
            self.note(|| format!("the rule gives the candidate {share}"));
        }
    }

    /// Writes into the history, where there is one.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(history) = &mut self.history {
            history.push(format!("{:>9.3} {}", self.world.now.since(START).as_secs_f64(), text()));
        }
    }

    pub fn after(&mut self, span: Duration, one: Move) {
        let at = self.now() + span;
        self.moves.push((at, one));
    }

    /// The control document.
    pub fn control(&self) -> Option<&Control> {
        self.objects.control.as_ref()
    }

    /// Whether this process is who decides, by the document.
    pub fn is_owner(&self, who: usize) -> bool {
        self.control().is_some_and(|control| control.epoch == self.processes[who].epoch)
    }

    /// The document was written by a process.
    pub fn document_written(&mut self, who: Option<usize>, control: Control) {
        let now = self.now();
        self.is_taken_in_time(who, &control);
        self.tells_the_way(who, &control);
        if let Some(who) = who {
            let process = &mut self.processes[who];
            (process.epoch, process.renewed) = (control.epoch, process.clock.now());
            let seat = self.processes[who].seat.as_ref();
            let ended = seat.and_then(|seat| seat.shadow.outcome().cloned());
            if let Some(outcome) = ended.filter(|_| control.phase == Phase::Over) {
                self.invariants.outcome = Some((who, outcome));
            }
        }
        if self.invariants.document(now, &control) {
            let owner = control.owner.as_ref().map_or("nobody", |owner| owner.by.as_str()).to_owned();
            self.note(|| format!("the document: epoch {}, {:?}, owner {owner}", control.epoch, control.phase));
        }
        self.objects.control = Some(control);
    }

    /// Whoever takes a rollout from an owner without a person's word has seen the document stand still for a lease.
    fn is_taken_in_time(&mut self, who: Option<usize>, control: &Control) {
        let now = self.now();
        let written = std::mem::replace(&mut self.objects.control_written, now);
        let Some(found) = self.control().filter(|found| found.epoch < control.epoch && found.owner.is_some()) else {
            return;
        };
        let kind = who.map(|who| self.processes[who].kind);
        let waits = matches!(kind, Some(Kind::Guard | Kind::Resumer)) && found.phase != Phase::Over;
        assert!(
            !waits || now.since(written) >= LEASE,
            "taken from an owner who was silent for {:?}",
            now.since(written)
        );
    }

    /// Whoever has gone back for a while says so in the document.
    fn tells_the_way(&self, who: Option<usize>, control: &Control) {
        let back = who.and_then(|who| self.processes[who].seat.as_ref()?.back_since);
        let long = back.is_some_and(|since| self.now().since(since) > TOLD_WITHIN);
        assert!(!long || control.phase != Phase::Active, "{who:?} goes back, and the document does not say so");
    }

    /// The time within which the traffic must be back begins anew.
    pub fn calms(&mut self, who: usize) {
        let now = self.now();
        if let Some(seat) = &mut self.processes[who].seat {
            seat.calm_since = seat.calm_since.map(|since| since.max(now));
        }
    }

    /// A process's clock.
    pub fn throw_clock(&mut self) -> (Clock, i64) {
        let skew = if self.die.chance(self.options.skewed) {
            let most = self.die.one_of(&[2_000_u64, 60_000, 7_200_000]);
            i64::try_from(self.die.between(0, 2 * most)).unwrap_or_default() - i64::try_from(most).unwrap_or_default()
        } else {
            0
        };
        if skew > 3_600_000 {
            self.hits.hit(Point::ClockAhead);
        } else if skew < -3_600_000 {
            self.hits.hit(Point::ClockBehind);
        }
        let base = Timestamp::from_millis(self.clock.now().as_millis().saturating_add_signed(skew));
        (Clock::starting_at(base, 1.0), skew)
    }
}
