//! One contested rollout from its first process to its end: who enters when, when faults end, and when it is over.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::traffic::Share;
use tidegate::lease::Phase;
use tokio::task::JoinSet;

use super::contest::Options;
use super::kinds::{Work, says};
use super::mishaps::Mishaps;
use super::process::{Body, Kind, Process, Strike};
use super::scene::{Move, Scene, Sim};

/// More moves than any contested rollout has.
const MOVES: usize = 100_000;
/// How long after faults end somebody has tried again what ended with a call for a person.
const RESCUED_WITHIN: Duration = Duration::from_secs(600);
/// Between two looks, once faults have ended, whether somebody is needed.
const TENDED_EVERY: Duration = Duration::from_secs(120);

/// Runs it to its end.
pub async fn run(scene: &Arc<Scene>) {
    let mut crowd = JoinSet::new();
    for _ in 0..MOVES {
        let next = {
            let mut sim = scene.sim();
            if let Some(why) = sim.broken.take() {
                panic!("{why}");
            }
            sim.invariants_hold();
            if sim.is_over() {
                return sim.end();
            }
            sim.due()
        };
        match next {
            Next::Now(one) => moves(scene, &mut crowd, one),
            Next::At(at) => {
                let clock = scene.sim().clock.clone();
                tokio::select! {
                    biased;
                    Some(ended) = crowd.join_next(), if !crowd.is_empty() => {
                        if let Err(error) = ended && error.is_panic() {
                            resume_unwind(error.into_panic());
                        }
                    }
                    () = scene.stirred.notified() => {}
                    () = clock.sleep_until(at) => {}
                }
            }
        }
    }
    panic!("no end after {MOVES} moves");
}

enum Next {
    Now(Move),
    /// Nothing before then.
    At(Timestamp),
}

fn moves(scene: &Arc<Scene>, crowd: &mut JoinSet<()>, one: Move) {
    scene.sim().note(|| format!("{one:?}"));
    match one {
        Move::Enter(kind) => enters(scene, crowd, kind),
        Move::Say => {
            crowd.spawn_local(says(scene.quiet_store(), Arc::clone(scene)));
        }
        Move::Meddle => {
            let mut sim = scene.sim();
            let some = Share::from_percent(37.0).expect("37 % is a share");
            let share = sim.die.one_of(&[some, Share::NONE]);
            sim.world.meddle(share);
        }
        // The machine breaks down with the disk, so that nobody who does not see it goes on.
        Move::Damage => {
            let sim = &mut *scene.sim();
            if sim.invariants.is_before_commit() && !sim.objects.is_garbled {
                for process in sim.processes.iter_mut().filter(|process| process.is_driving()) {
                    process.strike = Some((0, Strike::Kill));
                }
                sim.objects.damages(&mut sim.die, &mut sim.hits);
                sim.invariants.damaged = sim.objects.is_seen_damaged().then_some(sim.world.now);
                // Somebody may go on who does not know of it.
                let after = sim.die.span(Duration::ZERO, Duration::from_secs(30));
                sim.after(after, Move::Enter(Kind::Resumer));
            }
        }
        // The same of the first line: what the rollout is nobody knows then.
        Move::Behead => {
            let sim = &mut *scene.sim();
            if sim.invariants.is_before_commit() && sim.objects.lines() > 1 && sim.objects.is_untouched() {
                for process in sim.processes.iter_mut().filter(|process| process.is_driving()) {
                    process.strike = Some((0, Strike::Kill));
                }
                sim.objects.beheads(&mut sim.die, &mut sim.hits);
                sim.invariants.damaged = Some(sim.world.now);
            }
        }
        Move::Garble => {
            let sim = &mut *scene.sim();
            if sim.invariants.is_before_commit() && sim.control().is_some() && !sim.objects.is_damaged() {
                // With its machine, or while it goes on.
                if sim.die.chance(0.5) {
                    for process in sim.processes.iter_mut().filter(|process| process.is_driving()) {
                        process.strike = Some((0, Strike::Kill));
                    }
                }
                sim.objects.garbles(&mut sim.die, &mut sim.hits);
            }
        }
        Move::Deploy => scene.sim().world.deploy(),
        Move::Heal => {
            scene.sim().heals();
            tends(scene, crowd);
        }
        Move::Tend => tends(scene, crowd),
    }
}

fn enters(scene: &Arc<Scene>, crowd: &mut JoinSet<()>, kind: Kind) {
    let (who, work) = Work::enters(scene, kind);
    crowd.spawn_local(Body::new(who, Arc::clone(scene), work));
}

/// Whoever is needed enters: a guard where an owner fell silent, a resumer where one left.
fn tends(scene: &Arc<Scene>, crowd: &mut JoinSet<()>) {
    let (guard, goes_on) = {
        let mut sim = scene.sim();
        sim.after(TENDED_EVERY, Move::Tend);
        let watches = |one: &Process| one.alive && one.kind == Kind::Guard && !one.busy;
        let garbled = sim.is_tended_garbled();
        // A journal that was changed leads back only, and what is stranded waits for a person.
        let stranded = garbled || sim.control().is_some_and(|control| sim.invariants.is_stranded(control));
        let kind = if stranded || sim.objects.is_damaged() { Kind::Operator } else { Kind::Resumer };
        let is_there = |one: &Process| one.is_busy() && one.kind == kind;
        let left = sim.control().is_some_and(|control| control.owner.is_none() && control.phase == Phase::Active);
        let goes_on = (left || stranded) && !sim.processes.iter().any(is_there);
        (!sim.processes.iter().any(watches), goes_on.then_some(kind))
    };
    for kind in guard.then_some(Kind::Guard).into_iter().chain(goes_on) {
        enters(scene, crowd, kind);
    }
}

impl Sim {
    /// Whether a person is needed because the rule's document means nothing, or did: one who takes the traffic back, and
    /// one who removes the document once nobody moves the rule, and then finishes what is left.
    fn is_tended_garbled(&mut self) -> bool {
        let idle = !self.processes.iter().any(Process::is_busy);
        let lasts = self.healed.is_some_and(|healed| self.now().since(healed) > RESCUED_WITHIN);
        if self.objects.is_garbled && idle && lasts && self.world.share() == Share::NONE {
            self.objects.repairs(&mut self.hits);
            self.invariants.counts_anew();
            return true;
        }
        self.objects.is_garbled && self.world.share() > Share::NONE
    }

    /// What is due, or when the next is.
    fn due(&mut self) -> Next {
        let now = self.now();
        let next = self.moves.iter().enumerate().min_by_key(|(place, (at, _))| (*at, *place)).map(|(place, _)| place);
        if let Some(place) = next.filter(|place| self.moves[*place].0 <= now) {
            return Next::Now(self.moves.remove(place).1);
        }
        let change = self.world.next_change();
        let at = next.map(|place| self.moves[place].0).into_iter().chain(change).min();
        Next::At(at.expect("there is always a next move"))
    }

    /// Faults end; who is frozen thaws in its own time.
    fn heals(&mut self) {
        let now = self.now();
        self.healed = Some(now);
        let lasted = now.since(super::scene::START);
        let mishaps = &self.world.mishaps;
        self.world.mishaps = Mishaps {
            denied: mishaps.denied,
            expired: mishaps.expired.map(|(ends, renewed)| (ends, renewed.min(lasted).max(ends))),
            latency: Duration::from_secs(1),
            ..Mishaps::none(mishaps.candidate)
        };
        self.objects.trouble = super::backend::Trouble::default();
    }

    /// Whether nothing is left to be decided, nor anybody who would.
    fn is_over(&self) -> bool {
        let Some(healed) = self.healed else { return false };
        let busy = self.processes.iter().any(Process::is_busy);
        let stranded = self.now().since(healed) > RESCUED_WITHIN;
        let over = self
            .control()
            .is_none_or(|control| control.phase == Phase::Over || (stranded && self.invariants.is_stranded(control)));
        // What is left of one whose journal means nothing waits for a person; and nobody takes back what AWS has ended.
        let is_left = self.world.share() == Share::NONE || self.is_unmarked() || self.world.is_ended_by_aws();
        let left = self.objects.is_beheaded() && stranded && is_left;
        ((over || left) && !busy && !self.objects.is_garbled) || self.now().since(healed) > Options::bound(&self.plan)
    }
}
