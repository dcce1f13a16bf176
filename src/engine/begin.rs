//! Begins a new rollout: checks who holds its rule, takes the lease, creates the journal.

use super::{JournalOrNone, LeaseKeeper, Taken};
use crate::cloud::Fence;
use crate::domain::clock::Clock;
use crate::domain::fleet::Place;
use crate::domain::name::RolloutId;
use crate::journal::{self, Header, Journal, JournalError};
use crate::lease::{Control, Phase, Watch, of_service};
use crate::plan::Plan;
use crate::store::{Claim, LeaseError, Store, this_owner};

/// A rollout that has a lease and a journal, and nothing in it.
#[derive(Debug)]
pub struct Begun {
    /// Who keeps the lease.
    pub keeper: LeaseKeeper,
    /// Its journal.
    pub journal: JournalOrNone,
}

/// Why a rollout could not begin. Nothing is held then.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Another rollout has its rule or its services.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// There is no journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Takes the lease for a new rollout and begins its journal.
///
/// # Errors
/// When somebody else holds the rule or a service, or the store fails.
pub async fn begin(store: &Store, header: &Header, by: String, clock: &Clock) -> Result<Begun, BeginError> {
    let (rule, services) = resources(&header.plan);
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    let lease =
        store.begin(rule, &services, Claim { rollout: &header.id, owner: &this_owner(by, clock) }, clock).await?;
    let keeper = LeaseKeeper::new(lease, Fence::new(clock.clone()), clock.clone());
    match Journal::create(store, header).await {
        Ok(journal) => Ok(Begun { keeper, journal: JournalOrNone::Journal(journal) }),
        Err(error) => {
            let _ = keeper.release(true).await;
            Err(error.into())
        }
    }
}

/// What a plan's rollout takes a lease on: the rule, and the services by the names that all who use them share.
pub(super) fn resources(plan: &Plan) -> (&str, Vec<String>) {
    let target = &plan.target;
    let service = |place: &Place| of_service(&target.account, &target.region, &target.cluster, &place.service);
    let mut services = vec![service(&target.stable), service(&target.candidate)];
    services.dedup();
    (&target.rule, services)
}

/// Who holds a rule: a runner, or a rollout that is not over although nobody drives it. One that came to its end and
/// could not say so, or that never began, holds nothing, and its lease is closed.
///
/// # Errors
/// When the store fails.
pub async fn holder(store: &Store, rule: &str, clock: &Clock) -> Result<Option<Control>, LeaseError> {
    let standing = store.standing(rule).await?.filter(|standing| standing.control.phase != Phase::Over);
    let Some(control) = standing.map(|standing| standing.control) else { return Ok(None) };
    if control.owner.as_ref().is_some_and(|owner| !owner.is_gone()) || !has_ended(store, &control).await {
        return Ok(Some(control));
    }
    let owner = this_owner(String::from("tidegate"), clock);
    let mut lease =
        store.take_over(rule, Claim { rollout: &control.rollout, owner: &owner }, &mut Watch::default(), clock).await?;
    lease.renew(Phase::Over).await?;
    Ok(None)
}

/// The plan of a rollout whose lease was just taken, and the lease; `None` for one that never began. Its runner died before
/// the journal's first line was written, so nothing was done and nothing is to be taken back: its lease is closed.
///
/// # Errors
/// When the journal cannot be read, or the lease of a rollout that never began cannot be closed.
pub async fn begun(store: &Store, id: &RolloutId, mut taken: Taken) -> Result<Option<(Plan, Taken)>, BeginError> {
    match journal::header(store, id).await {
        Ok(header) => Ok(Some((header.plan, taken))),
        Err(JournalError::NoHeader) => Ok(taken.lease.renew(Phase::Over).await.map(|()| None)?),
        Err(error) => Err(error.into()),
    }
}

/// Whether the journal says that the rollout is over, or that it never began.
async fn has_ended(store: &Store, control: &Control) -> bool {
    match journal::read(store, &control.rollout).await {
        Ok(recorded) => journal::replay(recorded.header.plan, &recorded.records).outcome().is_some(),
        Err(JournalError::NoHeader) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::engine::{Guard, tests::plan};

    const START: Timestamp = Timestamp::from_millis(1_795_442_709_000);

    #[tokio::test(start_paused = true)]
    async fn a_rollout_whose_runner_died_before_its_journal_began_frees_its_rule() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path().to_owned()).unwrap();
        let (clock, id) = (Clock::starting_at(START, 1.0), RolloutId::parse("web-1").unwrap());
        let ana = this_owner("ana@laptop".into(), &clock);
        store.begin(&plan().target.rule, &[], Claim { rollout: &id, owner: &ana }, &clock).await.unwrap();
        let mut guard = Guard::new(store.clone(), clock.clone());
        let mut lost = guard.look(|_| false).await.unwrap().lost;
        clock.sleep_until(START + Duration::from_secs(46)).await;
        lost.append(&mut guard.look(|_| false).await.unwrap().lost);
        let taken = guard.take(&lost[0], "guard@ops".into()).await.unwrap();
        assert!(begun(&store, &id, taken).await.unwrap().is_none());
        assert!(holder(&store, &plan().target.rule, &clock).await.unwrap().is_none(), "the rule is free");
    }
}
