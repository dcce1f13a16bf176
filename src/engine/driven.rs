//! One rollout with everything it takes to drive it: the loop, its lease and the requests of others side by side.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Ending, Engine, EngineError, First, Inbound, JournalOrNone, LeaseKeeper, carry_words};
use crate::cloud::Cloud;
use crate::domain::clock::Clock;
use crate::domain::name::RolloutId;
use crate::domain::trace::TraceParent;
use crate::journal::Record;
use crate::machine::{Event, Machine, Outcome};
use crate::report::{Report, TakeoverNotice};
use crate::store::Store;

/// How many requests and signals may wait for the engine.
const WAITING: usize = 64;

/// Where requests and signals come in.
#[derive(Debug)]
pub struct Inbox {
    /// For whoever has one.
    pub sender: mpsc::Sender<Inbound>,
    receiver: mpsc::Receiver<Inbound>,
}

impl Inbox {
    /// An empty one.
    pub fn open() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver }
    }
}

/// A rollout about to be driven: new, or taken over.
#[derive(Debug)]
pub struct Driven<C> {
    /// Where its lease, its journal and the requests to it are.
    pub store: Store,
    /// The rollout.
    pub id: RolloutId,
    /// The span under which it was started, by its journal.
    pub trace: Option<TraceParent>,
    /// Where it stands.
    pub machine: Machine,
    /// What happens first.
    pub first: First,
    /// What is in the journal.
    pub records: Vec<Record>,
    /// Where the rest is written down.
    pub journal: JournalOrNone,
    /// What it moves.
    pub cloud: C,
    /// What time it is.
    pub clock: Clock,
    /// Who keeps the lease.
    pub keeper: LeaseKeeper,
    /// What is said to it as soon as it has begun.
    pub then: Option<Event>,
}

impl<C: Cloud> Driven<C> {
    /// Drives it until the rollout ends, is handed over, or somebody else takes it over; the lease is kept meanwhile,
    /// and requests of other processes are heard. `odd` hears what is no request.
    pub async fn run<R: Report>(self, report: R, inbox: Inbox, odd: impl FnMut(&str)) -> Ended {
        let Driven { store, id, machine, first, records, journal, cloud, clock, keeper, then, trace: _ } = self;
        let keeper = Arc::new(keeper);
        let Inbox { sender, receiver: inbox } = inbox;
        if let Some(then) = then {
            // The inbox is empty: there is room.
            let _ = sender.try_send(Inbound::from(then));
        }
        let requests = carry_words((&store, &id), &records, &clock, sender, odd);
        let (clock_here, kept) = (clock.clone(), Some(Arc::clone(&keeper)));
        let engine =
            Engine { machine, first, cloud, clock: clock_here, recorded: journal, report, inbox, keeper: kept };
        let ending = tokio::select! {
            biased;
            ending = engine.run() => ending,
            // Requests and lease end with the engine.
            ending = async {
                tokio::join!(requests, keeper.keep());
                std::future::pending().await
            } => ending,
        };
        Ended { id, keeper, ending }
    }
}

/// A rollout that is driven no more, and whose lease is still held.
#[derive(Debug)]
pub struct Ended {
    id: RolloutId,
    pub(super) keeper: Arc<LeaseKeeper>,
    ending: Result<Ending, EngineError>,
}

impl Ended {
    /// Gives the lease back, and says how it ended. A lease that cannot be given back runs out by itself. A rollout
    /// whose journal does not say how it ended stays open for somebody who writes that down.
    ///
    /// # Errors
    /// When it could not begin, or on a bug of the machine.
    pub async fn give_back(self, tell: impl Fn(&TakeoverNotice)) -> Result<Ending, EngineError> {
        let is_over = match &self.ending {
            // Where it could not begin nothing was done: nobody has to go on with it.
            Err(error) => matches!(error, EngineError::Recorded(_)),
            Ok(Ending { fenced: Some(_), .. }) => return self.ending,
            Ok(ending) => {
                if ending.is_untold && ending.outcome.is_some() {
                    tell(&TakeoverNotice::EndsUntold(self.id));
                }
                is_over(ending)
            }
        };
        if let Err(error) = self.keeper.release(is_over).await {
            tell(&TakeoverNotice::LeaseNotReturned(error.to_string()));
        }
        self.ending
    }
}

/// Whether nobody has to go on with the rollout.
fn is_over(ending: &Ending) -> bool {
    match &ending.outcome {
        _ if ending.is_untold => false,
        Some(Outcome::Promoted | Outcome::RolledBack(_)) => true,
        // Before the commit a person can still take it back.
        Some(Outcome::Stranded { reason, .. }) => reason.is_none(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Fence;
    use crate::domain::clock::Timestamp;
    use crate::lease::{Owner, Phase, Watch};
    use crate::machine::Reason;
    use crate::store::Claim;

    #[tokio::test(start_paused = true)]
    async fn a_rollout_whose_journal_does_not_say_how_it_ended_stays_open() {
        for (is_untold, phase) in [(false, Phase::Over), (true, Phase::Aborting)] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::in_folder(folder.path().to_owned()).unwrap();
            let clock = Clock::starting_at(Timestamp::from_millis(1_795_442_709_000), 1.0);
            let owner = Owner { by: "ana@laptop".into(), process: String::new(), since: clock.now() };
            let id = RolloutId::parse("web-1").unwrap();
            let lease = store
                .preempt("arn:rule", Claim { rollout: &id, owner: &owner }, &mut Watch::default(), &clock)
                .await
                .unwrap();
            let keeper = Arc::new(LeaseKeeper::new(lease, Fence::new(clock.clone()), clock.clone()));
            let outcome = Some(Outcome::RolledBack(Reason::Signal("SIGTERM".into())));
            let ending = Ok(Ending { outcome, handed_over: None, fenced: None, is_untold });
            Ended { id, keeper, ending }.give_back(|_| ()).await.unwrap();
            let left = store.standing("arn:rule").await.unwrap().unwrap().control;
            assert_eq!((left.phase, left.owner.is_none()), (phase, is_untold));
        }
    }
}
