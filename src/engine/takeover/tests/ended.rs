//! A runner that dies between its journal's last line and giving its lease back.

use std::cell::Cell;

use super::*;
use crate::engine::holder;

#[tokio::test(start_paused = true)]
async fn a_rule_whose_runner_died_after_its_last_line_is_free_after_a_lease_time() {
    let contest = Contest::new();
    drop(contest.drive_on(contest.ana_begins().await).await);
    let (died, writes) = (contest.clock.now(), contest.account().writes.len());
    let left = contest.store.standing("arn:rule").await.unwrap().unwrap().control;
    assert_ne!(left.phase, Phase::Over, "nobody gave the lease back");
    let told = Cell::new(0);
    let held = || holder(&contest.store, "arn:rule", &contest.clock, |_| told.set(told.get() + 1));
    assert!(held().await.unwrap().is_none(), "the rule is free");
    let waited = contest.clock.now().since(died);
    assert!((LEASE..LEASE + SECOND * 10).contains(&waited), "{waited:?}");
    assert_eq!(told.get(), 1, "the wait is told once");
    let left = contest.store.standing("arn:rule").await.unwrap().unwrap().control;
    assert_eq!((left.phase, contest.account().writes.len()), (Phase::Over, writes), "nothing else is done");
    assert!(held().await.unwrap().is_none() && contest.clock.now().since(died) == waited, "now it is known at once");
}

#[tokio::test(start_paused = true)]
async fn a_rule_whose_runner_lives_after_its_last_line_is_held() {
    let contest = Contest::new();
    let ended = contest.drive_on(contest.ana_begins().await).await;
    let held = holder(&contest.store, "arn:rule", &contest.clock, |_| ());
    let held = tokio::select! { () = ended.keeper.keep() => unreachable!(), held = held => held.unwrap() };
    assert_eq!(held.unwrap().rollout, contest.id);
}

#[tokio::test(start_paused = true)]
async fn a_guard_gives_back_the_lease_of_a_rollout_that_has_ended_and_writes_nothing() {
    let contest = Contest::new();
    drop(contest.drive_on(contest.ana_begins().await).await);
    let writes = contest.account().writes.len();
    let mut guard = Guard::new(contest.store.clone(), contest.clock.clone());
    let lost = loop {
        assert!(contest.clock.now() < START + LONGEST, "nobody was lost");
        if let Some(lost) = guard.look(|_| false).await.unwrap().lost.pop() {
            break lost;
        }
        contest.pass(SECOND * 5).await;
    };
    assert!(lost.has_ended());
    let taken = guard.take(&lost, "guard@ops".into()).await.unwrap();
    let going = contest.takeover("guard@ops").go_back(taken, &contest.asked(), rollback()).await.unwrap();
    assert!(matches!(going, Going::Over(Outcome::Promoted)), "{going:?}");
    let left = contest.store.standing("arn:rule").await.unwrap().unwrap().control;
    assert_eq!((left.phase, contest.account().writes.len()), (Phase::Over, writes));
}
