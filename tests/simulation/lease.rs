//! How the processes of a contested rollout take the lease, watch it, keep it and give it back: the steps of
//! `store/lease.rs`, `engine/lease_keeper.rs` and the commands, with every decision made by [`tidegate::lease`].

use std::collections::VecDeque;
use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::fault::{Fault, FaultKind};
use tidegate::domain::name::RolloutId;
use tidegate::lease::{self, Control, HEARTBEAT, Held, Life, Owner, Phase, Refusal, Watch};
use tidegate::machine::{Answer, Event, Issued};

use super::deciders::{Channel, Contest, First, What};
use super::points::Point;
use super::process::{Doing, How, Job, Kind, LeaseKeeper, Renewal};
use super::store::{Call, Reply};

/// How often a document that changes while it is written is tried for, as in `store/lease.rs`.
const TRIES: u32 = 5;
/// Before a renewal that failed is tried again, as in `engine/lease_keeper.rs`.
const RETRY: Duration = Duration::from_secs(2);

fn rollout() -> RolloutId {
    RolloutId::parse("web-20261123-140509-00aa").expect("an id")
}

impl Contest<'_> {
    fn nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    /// Reads the document to take it.
    pub fn takes(&mut self, who: usize) {
        let now = self.processes[who].clock(self.now());
        if let Doing::Taking { asked, .. } = &mut self.processes[who].doing {
            *asked = now;
        }
        self.call(who, Channel::Taker, Call::Read);
    }

    /// An answer to one that takes lease or journal.
    pub fn taker_heard(&mut self, who: usize, reply: Reply) {
        match (&self.processes[who].doing, reply) {
            (Doing::Taking { .. }, reply) => self.taking_heard(who, reply),
            (Doing::Watching { .. }, Reply::Document(found)) => self.watched(who, found.map(|found| found.0)),
            (Doing::Guarding { .. }, Reply::Document(found)) => self.guarded(who, found.map(|found| found.0)),
            (Doing::Guarding { .. }, _) => self.guard_looks_later(who),
            (Doing::Opening { .. }, Reply::Recorded(length)) => self.opened(who, length),
            (Doing::TakingJournal { .. }, reply) => self.journal_heard(who, &reply),
            (Doing::Watching { .. } | Doing::Opening { .. }, _) => self.leaves(who),
            _ => {}
        }
    }

    fn taking_heard(&mut self, who: usize, reply: Reply) {
        let Doing::Taking { how, gone, tries, asked, body } = &mut self.processes[who].doing else { return };
        let (how, gone, asked) = (*how, *gone, *asked);
        match reply {
            Reply::Document(found) => {
                let (found, version) = found.unzip();
                let taken = self.decides(who, how, gone, found.as_ref());
                match taken {
                    Ok(control) => {
                        if let Doing::Taking { body, .. } = &mut self.processes[who].doing {
                            *body = Some(control.clone());
                        }
                        self.call(who, Channel::Taker, Call::Swap { body: control, over: version });
                    }
                    Err(refusal) => self.refused(who, how, gone, &refusal),
                }
            }
            Reply::Swapped(version) => {
                let control = body.take().expect("it was swapped for this");
                self.takes_hold(who, how, Held::new(control, asked), version);
            }
            Reply::Taken if *tries < TRIES => {
                *tries += 1;
                self.takes(who);
            }
            _ => self.cannot_take(who, how),
        }
    }

    /// The document with which the lease is taken, by the rules.
    fn decides(&mut self, who: usize, how: How, gone: bool, found: Option<&Control>) -> Result<Control, Refusal> {
        let (nonce, since) = (self.nonce(), self.processes[who].clock(self.now()));
        let owner = Owner { by: format!("{who}"), process: String::new(), since };
        let (id, life) = (rollout(), if gone { Life::Gone } else { Life::Possible });
        let Some(found) = found else {
            // Without a rollout's own document there is no journal, and nothing to take.
            let nobody = Control { nonce, rollout: id.clone(), epoch: 0, owner: None, phase: Phase::Over };
            return if how == How::Begin { lease::begin(None, &id, owner, nonce) } else { Err(Refusal::Over(nobody)) };
        };
        match how {
            How::Begin => lease::begin(Some(found), &id, owner, nonce),
            How::TakeOver => lease::take_over(found, &id, life, owner, nonce),
            How::Preempt => lease::preempt(found, &id, life, owner, nonce),
            How::Rescue(seen) if found.nonce != seen => Err(Refusal::Owned(found.clone())),
            How::Rescue(_) => lease::preempt(found, &id, Life::Gone, owner, nonce),
        }
    }

    fn refused(&mut self, who: usize, how: How, gone: bool, refusal: &Refusal) {
        let waits =
            matches!((how, refusal), (How::TakeOver, Refusal::Owned(_)) | (How::Preempt, Refusal::Committing(_)));
        match how {
            How::Rescue(_) => {
                self.hits.hit(Point::RescueTooLate);
                self.processes[who].doing = Doing::Guarding { watch: Watch::default(), asked: self.now() };
                return self.guard_looks_later(who);
            }
            How::Preempt if waits => self.hits.hit(Point::PreemptionRefused),
            _ if matches!(refusal, Refusal::Over(_)) => self.hits.hit(Point::NothingToTake),
            _ => {}
        }
        if waits && !gone {
            let asked = self.processes[who].clock(self.now());
            self.processes[who].doing = Doing::Watching { how, watch: Watch::default(), first: None, asked };
            return self.call(who, Channel::Taker, Call::Read);
        }
        if gone {
            self.hits.hit(Point::WaitedInVain);
        }
        self.leaves(who);
    }

    /// The store fails one who would take the lease: a rollback goes back without it, by the rule's beacon.
    fn cannot_take(&mut self, who: usize, how: How) {
        self.note(|| format!("{who} cannot take the lease"));
        match how {
            How::Preempt => {
                self.processes[who].doing = Doing::FirstWrite { has_lease: false };
                self.after(Duration::from_millis(300), What::First { who, step: First::Read });
            }
            How::Rescue(_) => {
                self.processes[who].doing = Doing::Guarding { watch: Watch::default(), asked: self.now() };
                self.guard_looks_later(who);
            }
            How::Begin | How::TakeOver => self.leaves(who),
        }
    }

    fn takes_hold(&mut self, who: usize, how: How, held: Held, version: u64) {
        let phase = held.control().phase;
        let (waiting, back) = (VecDeque::new(), phase == Phase::Aborting);
        let keeper = LeaseKeeper { held, version, phase, back, renewal: None, waiting, turn: 0 };
        self.processes[who].keeper = Some(keeper);
        self.processes[who].fenced = false;
        self.processes[who].pass = tidegate::cloud::Pass::default();
        self.processes[who].extend();
        let epoch = self.processes[who].epoch();
        self.note(|| format!("{who} has the lease: epoch {epoch}"));
        match how {
            How::Begin => return self.begins(who),
            How::TakeOver => self.hits.hit(Point::Resumed),
            How::Preempt => self.hits.hit(Point::Preempted),
            How::Rescue(_) => self.hits.hit(Point::Rescued),
        }
        // A rollout that its owner was about to commit may be committed: its journal says so.
        if how != How::TakeOver && back {
            self.processes[who].doing = Doing::FirstWrite { has_lease: true };
            return self.after(Duration::from_millis(800), What::First { who, step: First::Write });
        }
        self.opens(who, 0);
    }

    /// It is time to look again, for one who watches.
    pub fn looks(&mut self, who: usize) {
        let now = self.processes[who].clock(self.now());
        match &mut self.processes[who].doing {
            Doing::Watching { asked, .. } | Doing::Guarding { asked, .. } => *asked = now,
            _ => return,
        }
        self.call(who, Channel::Taker, Call::Read);
    }

    /// What one sees who waits for an owner to be gone.
    fn watched(&mut self, who: usize, found: Option<Control>) {
        let Doing::Watching { how, watch, first, asked } = &mut self.processes[who].doing else { return };
        let (how, asked) = (*how, *asked);
        let life = match found {
            Some(found) if found.owner.is_some() => {
                let seen = *first.get_or_insert(found.nonce);
                match watch.look(&found, asked) {
                    Life::Gone => Some(true),
                    Life::Possible if seen != found.nonce => Some(false),
                    Life::Possible => None,
                }
            }
            _ => Some(true),
        };
        let patience = watch.patience(asked);
        match life {
            Some(gone) => {
                if gone {
                    self.hits.hit(Point::WaitedOut);
                } else {
                    self.hits.hit(Point::WaitedInVain);
                    return self.leaves(who);
                }
                let taking = Doing::Taking { how, gone, tries: 0, asked, body: None };
                self.processes[who].doing = taking;
                self.takes(who);
            }
            None => self.watch_looks_later(who, patience),
        }
    }

    /// What a guard sees.
    fn guarded(&mut self, who: usize, found: Option<Control>) {
        let Doing::Guarding { watch, asked } = &mut self.processes[who].doing else { return };
        let needs_none =
            |found: &Control| found.phase == Phase::Over || (found.owner.is_none() && found.phase == Phase::Active);
        let Some(found) = found.filter(|found| !needs_none(found)) else {
            *watch = Watch::default();
            return self.guard_looks_later(who);
        };
        if found.owner.is_some() && watch.look(&found, *asked) == Life::Possible {
            return self.guard_looks_later(who);
        }
        let asked = *asked;
        let taking = Doing::Taking { how: How::Rescue(found.nonce), gone: true, tries: 0, asked, body: None };
        self.processes[who].doing = taking;
        self.takes(who);
    }

    /// A process ends; a guard goes on watching.
    pub fn leaves(&mut self, who: usize) {
        self.note(|| format!("{who} leaves"));
        let now = self.now();
        let process = &mut self.processes[who];
        process.doing = Doing::Over;
        if process.kind == Kind::Guard && process.alive {
            process.doing = Doing::Guarding { watch: Watch::default(), asked: now };
            process.keeper = None;
            self.guard_looks_later(who);
        }
    }

    /// The lease keeper's time has come.
    pub fn beats(&mut self, who: usize) {
        if self.processes[who].is_driving() {
            self.renews(who, Job::Beat);
        }
    }

    /// Writes the document anew, once what is under way is done.
    pub fn renews(&mut self, who: usize, job: Job) {
        let Some(keeper) = &mut self.processes[who].keeper else { return };
        if keeper.renewal.is_some() {
            return keeper.waiting.push_back(job);
        }
        let wanted = match job {
            Job::Beat => None,
            Job::IntendCommit(_) => Some(Phase::Committing),
            Job::Release { over } => over.then_some(Phase::Over),
        };
        if keeper.back {
            keeper.phase = Phase::Aborting;
        }
        keeper.phase = wanted.unwrap_or(keeper.phase);
        self.nonce += 1;
        let keeper = self.processes[who].keeper.as_mut().expect("it has one");
        let body = match job {
            Job::Release { over: false } => keeper.held.handed_over(self.nonce),
            _ => keeper.held.next(keeper.phase, self.nonce),
        };
        keeper.turn += 1;
        keeper.renewal = Some(Renewal { job, body, asked: Timestamp::default(), tries: 0 });
        self.swaps(who);
    }

    fn swaps(&mut self, who: usize) {
        let now = self.processes[who].clock(self.now());
        let Some(keeper) = &mut self.processes[who].keeper else { return };
        let Some(renewal) = &mut keeper.renewal else { return };
        renewal.asked = now;
        let call = Call::Swap { body: renewal.body.clone(), over: Some(keeper.version) };
        let turn = keeper.turn;
        self.call(who, Channel::LeaseKeeper(turn), call);
    }

    pub fn keeper_heard(&mut self, who: usize, turn: u64, reply: &Reply) {
        let Some(keeper) = &mut self.processes[who].keeper else { return };
        let Some(renewal) = keeper.renewal.as_mut().filter(|_| keeper.turn == turn) else { return };
        match reply {
            Reply::Swapped(version) => {
                keeper.version = *version;
                let renewal = keeper.renewal.take().expect("it is there");
                keeper.held.renewed(renewal.body, renewal.asked);
                self.processes[who].extend();
                self.renewed(who, renewal.job, true);
            }
            Reply::Taken if renewal.tries < TRIES => {
                renewal.tries += 1;
                self.call(who, Channel::LeaseKeeper(turn), Call::Read);
            }
            Reply::Document(found) => match found {
                Some((found, version)) if !keeper.held.is_fenced_by(found) => {
                    keeper.version = *version;
                    self.hits.hit(Point::RenewalRetaken);
                    self.swaps(who);
                }
                _ => {
                    let job = keeper.renewal.take().map(|renewal| renewal.job);
                    self.hits.hit(Point::FencedByDocument);
                    self.is_fenced(who);
                    if let Some(Job::Release { .. }) = job {
                        self.leaves(who);
                    }
                }
            },
            _ => {
                let Renewal { job, asked, .. } = keeper.renewal.take().expect("it is there");
                self.hits.hit(Point::RenewalFailed);
                let pass = &mut self.processes[who].pass;
                pass.blind_until = pass.blind_by(asked).unwrap_or(pass.blind_until);
                self.renewed(who, job, false);
            }
        }
    }

    /// What a renewal came to.
    fn renewed(&mut self, who: usize, job: Job, done: bool) {
        match job {
            Job::Beat => self.after(if done { HEARTBEAT } else { RETRY }, What::Beat { who }),
            Job::IntendCommit(issued) => self.commit_intended(who, issued, done),
            Job::Release { .. } => {
                let outcome = self.processes[who]
                    .event_loop
                    .as_ref()
                    .and_then(|event_loop| event_loop.machine.outcome().cloned());
                if let Some(outcome) = outcome {
                    self.invariants.outcome = Some((who, outcome));
                }
                if !done {
                    self.hits.hit(Point::NotReleased);
                }
                return self.leaves(who);
            }
        }
        let next = self.processes[who].keeper.as_mut().and_then(|keeper| keeper.waiting.pop_front());
        if let Some(job) = next {
            self.renews(who, job);
        }
    }

    fn commit_intended(&mut self, who: usize, issued: Issued, done: bool) {
        let answer = if done {
            Answer::CommitIntended
        } else {
            if let Some(keeper) = &mut self.processes[who].keeper {
                keeper.phase = Phase::Active;
            }
            Answer::Failed(Fault::new(FaultKind::Transient, "renew the lease", "the store fails"))
        };
        self.after(Duration::ZERO, What::Answered { who, issued, answer });
    }

    /// What was asked of the lease keeper is not waited for any more; it may come about all the same.
    pub fn gives_up_commit_intent(&mut self, who: usize) {
        let Some(keeper) = &mut self.processes[who].keeper else { return };
        keeper.waiting.retain(|job| !matches!(job, Job::IntendCommit(_)));
        if keeper.renewal.as_ref().is_some_and(|renewal| matches!(renewal.job, Job::IntendCommit(_))) {
            keeper.renewal = None;
            keeper.turn += 1;
            if let Some(job) = keeper.waiting.pop_front() {
                self.renews(who, job);
            }
        }
    }

    /// The first runner begins.
    fn begins(&mut self, who: usize) {
        self.sits_down(who, 0);
        self.after(HEARTBEAT, What::Beat { who });
        self.takes_in(who, Event::Started { by: "sim".into() });
    }
}
