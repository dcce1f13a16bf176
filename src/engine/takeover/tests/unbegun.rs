//! A rollout whose runner died between the journal's first line and the first event: nothing was asked for yet.

use super::*;
use crate::journal::Journal;

/// Ana's runner wrote the first line, and died.
async fn unbegun() -> Contest {
    let contest = Contest::new();
    let header = contest.header();
    let Begun { keeper, .. } = begin(&contest.store, &header, "ana@elsewhere".into(), &contest.clock).await.unwrap();
    drop(keeper);
    let read = journal::read(&contest.store, &contest.id).await.unwrap();
    assert!(read.records.is_empty(), "{:?}", read.records);
    contest
}

#[tokio::test(start_paused = true)]
async fn whoever_resumes_a_journal_of_its_first_line_alone_begins_the_rollout() {
    let contest = unbegun().await;
    let takeover = contest.takeover("cleo@laptop");
    let taken = takeover.succeed().await.unwrap();
    assert!(contest.clock.now() >= START + LEASE, "the owner is silent for a lease");
    assert!(!taken.goes_back());
    let ending = contest.go_on(takeover.go_on(taken, None, None).await.unwrap()).await;
    assert_eq!(ending.outcome, Some(Outcome::Promoted), "{ending:?}");
    let records = contest.records().await;
    assert!(matches!(records[0].event, Event::Recovered { epoch: 2, .. }), "{:?}", records[0]);
    assert_eq!(journal::replay(contest.plan.clone(), &records).outcome(), Some(&Outcome::Promoted));
    assert_eq!(contest.account().share, Share::ALL);
}

#[tokio::test(start_paused = true)]
async fn a_guard_ends_a_journal_of_its_first_line_alone_and_gives_the_candidate_nothing() {
    let contest = unbegun().await;
    let ending = contest.guard_takes_it_back().await;
    assert!(matches!(ending.outcome, Some(Outcome::RolledBack(_))), "{ending:?}");
    {
        let account = contest.account();
        assert!(account.writes.iter().all(|write| write.share == Share::NONE), "{:?}", account.writes);
        assert_eq!((account.tasks[&Role::Stable].0, account.tasks[&Role::Candidate].0), (4, 0));
    }
    let records = contest.records().await;
    assert!(matches!(records[0].event, Event::Requested { .. }), "it never begins: {:?}", records[0]);
    let left = contest.store.standing("arn:rule").await.unwrap().unwrap().control;
    assert_eq!((left.phase, left.epoch), (Phase::Over, 2), "the rule is free again");
    drop(Journal::open(&contest.store, &contest.id).await.unwrap());
}
