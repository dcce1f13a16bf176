//! Begins a new rollout: checks who holds its rule, takes the lease, creates the journal.

use std::time::Duration;

use super::takeover::{look_later, owner_watched};
use super::{JournalOrNone, LeaseKeeper, Taken};
use crate::cloud::Fence;
use crate::domain::clock::Clock;
use crate::domain::fleet::Place;
use crate::domain::name::RolloutId;
use crate::journal::{self, Header, Journal, JournalEnd, JournalError};
use crate::lease::{Control, Phase, Watch, of_service};
use crate::plan::Plan;
use crate::report::TakeoverNotice;
use crate::store::{Claim, LeaseError, Store, this_owner};

/// How often each of the journal's first two lines, with which a rollout begins, is written where the store does not
/// answer; and how much longer each time before the next try of the first.
pub(super) const FIRST_LINE_TRIES: u32 = 3;
const FIRST_LINE_PAUSE: Duration = Duration::from_millis(500);

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
    match first_line(store, header, clock).await {
        Ok(journal) => Ok(Begun { keeper, journal: JournalOrNone::Journal(journal) }),
        Err(error) => {
            let _ = keeper.release(true).await;
            Err(error.into())
        }
    }
}

/// Begins the journal. The first line may be there although the store did not say so; written again it is the same.
async fn first_line(store: &Store, header: &Header, clock: &Clock) -> Result<Journal, JournalError> {
    let mut tries = 1;
    loop {
        match Journal::create(store, header).await {
            Err(JournalError::Store(error)) if tries < FIRST_LINE_TRIES && !error.fault().kind.is_lasting() => {
                tries += 1;
            }
            begun => return begun,
        }
        clock.sleep_until(clock.now() + FIRST_LINE_PAUSE * tries).await;
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
/// could not say so, or that never began, holds nothing, and its lease is closed. Where the runner of one that came to
/// its end may live, its lease is watched until it gives that back, renews it, or was silent for a lease's time.
///
/// # Errors
/// When the store fails.
pub async fn holder(
    store: &Store,
    rule: &str,
    clock: &Clock,
    tell: impl Fn(&TakeoverNotice),
) -> Result<Option<Control>, LeaseError> {
    let (mut watch, mut seen) = (Watch::default(), None);
    loop {
        let standing = store.standing(rule).await?.filter(|standing| standing.control.phase != Phase::Over);
        let Some(control) = standing.map(|standing| standing.control) else { return Ok(None) };
        let is_renewed = seen.is_some_and(|nonce| nonce != control.nonce);
        if is_renewed || !has_ended(store, rule, &control).await {
            return Ok(Some(control));
        }
        let owner = this_owner(String::from("tidegate"), clock);
        let claim = Claim { rollout: &control.rollout, owner: &owner };
        match store.take_over(rule, claim, &mut watch, clock).await {
            Ok(mut lease) => return lease.renew(Phase::Over).await.map(|()| None),
            // Its owner may live, or wrote just now: the next look tells.
            Err(LeaseError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        if seen.replace(control.nonce).is_none() {
            tell(&owner_watched(&control, clock, false));
        }
        look_later(store, &watch, clock).await;
    }
}

/// The plan of a rollout whose lease was just taken; `None` for one that never began. Its runner died before the journal's
/// first line was written, so nothing was done and nothing is to be taken back: its lease is closed.
///
/// # Errors
/// When the journal cannot be read, or the lease of a rollout that never began cannot be closed.
pub async fn begun(
    store: &Store,
    (rule, id): (&str, &RolloutId),
    taken: &mut Taken,
) -> Result<Option<Plan>, BeginError> {
    match journal::header(store, id).await {
        Ok(header) => Ok(Some(header.plan)),
        Err(JournalError::NoHeader) if lines_known(store, rule, id).await == 0 => {
            Ok(taken.lease.renew(Phase::Over).await.map(|()| None)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// How many lines of the journal the lease knows of, wherever they are now.
async fn lines_known(store: &Store, rule: &str, id: &RolloutId) -> u64 {
    store.last_line(rule, id).await.map_or(0, |last| last.lines)
}

/// Whether the journal says that the rollout is over, or that it never began: one with no event in it asked for nothing,
/// unless its runner may be about to write the first.
async fn has_ended(store: &Store, rule: &str, control: &Control) -> bool {
    let may_begin = control.owner.as_ref().is_some_and(|owner| !owner.is_gone());
    match journal::read(store, &control.rollout).await {
        Ok(recorded) if recorded.records.is_empty() => {
            !may_begin && recorded.end == JournalEnd::Clean && lines_known(store, rule, &control.rollout).await <= 1
        }
        Ok(recorded) => journal::replay(recorded.header.plan, &recorded.records).outcome().is_some(),
        Err(JournalError::NoHeader) => !may_begin && lines_known(store, rule, &control.rollout).await == 0,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::engine::{Guard, tests::plan};
    use crate::machine::Event;

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
        let mut taken = guard.take(&lost[0], "guard@ops".into()).await.unwrap();
        let rule = plan().target.rule;
        assert!(begun(&store, (&rule, &id), &mut taken).await.unwrap().is_none());
        assert!(holder(&store, &plan().target.rule, &clock, |_| ()).await.unwrap().is_none(), "the rule is free");
    }

    fn header(id: &RolloutId) -> Header {
        let (program, spec) = ("0".to_owned(), "web.yaml".to_owned());
        Header { id: id.clone(), program, at: START, spec, spec_digest: None, trace: None, plan: plan() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rollout_of_which_only_the_first_line_is_there_holds_no_rule() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path().to_owned()).unwrap();
        let (clock, id) = (Clock::starting_at(START, 1.0), RolloutId::parse("web-1").unwrap());
        let claim = Claim { rollout: &id, owner: &this_owner("ana".into(), &clock) };
        let mut lease = store.begin(&plan().target.rule, &[], claim, &clock).await.unwrap();
        Journal::create(&store, &header(&id)).await.unwrap();
        lease.hand_over().await.unwrap();
        assert!(holder(&store, &plan().target.rule, &clock, |_| ()).await.unwrap().is_none(), "nothing was asked for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_whose_lines_are_gone_is_none_of_a_rollout_that_never_began() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path().to_owned()).unwrap();
        let (clock, id) = (Clock::starting_at(START, 1.0), RolloutId::parse("web-1").unwrap());
        let rule = plan().target.rule;
        let claim = Claim { rollout: &id, owner: &this_owner("ana".into(), &clock) };
        let mut lease = store.begin(&rule, &[], claim, &clock).await.unwrap();
        let mut journal = Journal::create(&store, &header(&id)).await.unwrap();
        journal.append(START, &Event::Started { by: "ana".into() }).await.unwrap();
        lease.renew(Phase::Active).await.unwrap();
        lease.hand_over().await.unwrap();
        let path = folder.path().join("rollouts").join(id.as_str());
        let files = walk(&path);
        assert!(!files.is_empty(), "{path:?}");
        for file in &files {
            std::fs::write(file, "").unwrap();
        }
        assert!(holder(&store, &rule, &clock, |_| ()).await.unwrap().is_some(), "its traffic may be anywhere");
        let bo = this_owner("bo".into(), &clock);
        let lease =
            store.take_over(&rule, Claim { rollout: &id, owner: &bo }, &mut Watch::default(), &clock).await.unwrap();
        let mut taken = Taken { lease, is_written: false, tidies: false };
        let begun = begun(&store, (&rule, &id), &mut taken).await;
        assert!(matches!(begun, Err(BeginError::Journal(error)) if error.is_nonsense()));
    }

    /// The files of a rollout's journal.
    fn walk(path: &std::path::Path) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
    }
}
