//! A store in trouble: what is held, what goes on, and that the journal is written to its end.

use super::*;
use crate::machine::BEHIND_WITHIN;

const MINUTE: Duration = Duration::from_secs(60);

/// A store that fails in the hold at one half, for so long.
fn failing(span: Duration, kind: FaultKind) -> Fake {
    let fake = Fake::new();
    fake.world().store_fails = Some((seconds(40), seconds(40) + span, kind));
    fake
}

async fn run(fake: &Fake) -> Ending {
    let (engine, _sender) = engine(fake);
    engine.run().await.unwrap()
}

/// The events on the journal are those of the machine that ran, in order, to the end.
fn is_whole(fake: &Fake, outcome: Option<&Outcome>) {
    let world = fake.world();
    assert_eq!(replay(plan(), &world.records).outcome(), outcome);
    assert!(world.records.is_sorted_by_key(|record| (record.seq, record.at)));
}

/// What was begun between two moments.
fn done_between(fake: &Fake, from: Timestamp, until: Timestamp) -> Vec<String> {
    let world = fake.world();
    let within = world.diary.iter().filter(|(at, _)| (from..until).contains(at));
    within
        .map(|(_, entry)| entry.clone())
        .filter(|entry| !entry.ends_with("done") && !entry.starts_with("journal"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_store_in_trouble_holds_the_rollout_and_it_goes_on_once_everything_is_written() {
    let fake = failing(MINUTE * 6, FaultKind::Transient);
    let ending = run(&fake).await;
    assert_eq!((ending.outcome.as_ref(), ending.is_untold), (Some(&Outcome::Promoted), false));
    is_whole(&fake, Some(&Outcome::Promoted));
    let held = done_between(&fake, seconds(40), seconds(40) + MINUTE * 6);
    assert!(held.iter().all(|entry| ["look", "the store fails"].contains(&entry.as_str())), "{held:#?}");
    assert!(held.iter().filter(|entry| *entry == "look").count() >= 20, "looks go on: {held:#?}");
    let tries = held.iter().filter(|entry| *entry == "the store fails").count();
    assert!((30..60).contains(&tries), "pauses grow, and have a limit: {tries}");
    let behind = |record: &&Record| matches!(record.event, Event::JournalBehind { .. } | Event::JournalCaughtUp);
    assert_eq!(fake.world().records.iter().filter(behind).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_sends_the_rollout_back_and_the_journal_says_so() {
    let fake = failing(BEHIND_WITHIN + MINUTE, FaultKind::Transient);
    let ending = run(&fake).await;
    let Some(Outcome::RolledBack(Reason::Store(fault))) = &ending.outcome else { panic!("{ending:?}") };
    assert!(fault.message.contains("SlowDown"), "{fault}");
    let back = fake.when("route 0%").since(seconds(40));
    assert!(back > BEHIND_WITHIN && back < BEHIND_WITHIN + SECOND * 30, "{back:?}");
    assert_eq!((fake.world().share, ending.is_untold), (Share::NONE, false));
    is_whole(&fake, ending.outcome.as_ref());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_comes_back_is_not_waited_for_without_end() {
    let fake = failing(MINUTE * 600, FaultKind::Transient);
    let ending = run(&fake).await;
    assert!(matches!(ending.outcome, Some(Outcome::RolledBack(Reason::Store(_)))), "{ending:?}");
    assert!(ending.is_untold);
    assert!(fake.clock.now().since(seconds(40)) < BEHIND_WITHIN + MINUTE * 10);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_says_no_for_good_is_not_waited_for() {
    let fake = failing(MINUTE, FaultKind::Denied);
    let ending = run(&fake).await;
    let Some(Outcome::RolledBack(Reason::Store(fault))) = &ending.outcome else { panic!("{ending:?}") };
    assert_eq!(fault.kind, FaultKind::Denied);
    assert!(fake.when("route 0%").since(seconds(40)) < SECOND * 20);
    is_whole(&fake, ending.outcome.as_ref());
}

#[tokio::test(start_paused = true)]
async fn a_word_to_go_back_waits_for_no_store_and_is_written_down_when_it_answers() {
    let fake = failing(MINUTE * 5, FaultKind::Transient);
    let ending = run_with_rollback(&fake, "the store fails", SECOND * 20).await;
    assert!(matches!(ending.outcome, Some(Outcome::RolledBack(Reason::Operator { .. }))), "{ending:?}");
    let back = fake.when("route 0%").since(fake.when("the store fails"));
    assert!(back < SECOND * 25, "{back:?}");
    assert!(!ending.is_untold);
    is_whole(&fake, ending.outcome.as_ref());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_holds_up_no_look() {
    let fake = Fake::new();
    fake.world().store_slow = Some((seconds(40), MINUTE * 2));
    let ending = run(&fake).await;
    assert_eq!((ending.outcome.as_ref(), ending.is_untold), (Some(&Outcome::Promoted), false));
    let slow = done_between(&fake, seconds(50), seconds(40) + MINUTE * 2);
    assert!(slow.iter().filter(|entry| *entry == "look").count() >= 4, "{slow:#?}");
    is_whole(&fake, Some(&Outcome::Promoted));
}

#[tokio::test(start_paused = true)]
async fn trouble_past_the_commit_hands_over_once_its_limit_is_over() {
    let whole = Fake::new();
    run(&whole).await;
    let commit = whole.when("journal: Answered { id: ").max(whole.when("route 100% is done")) + MINUTE;
    let fake = Fake::new();
    fake.world().store_fails = Some((commit, commit + MINUTE * 600, FaultKind::Transient));
    let ending = run(&fake).await;
    let why = ending.handed_over.clone().unwrap_or_else(|| panic!("{ending:?}"));
    assert!(matches!(why, Leaving::Journal(_)), "{why:?}");
    let share = fake.world().share;
    let tasks = fake.world().tasks.clone();
    assert_eq!((share, tasks["stable"].0, ending.is_untold), (Share::ALL, 4, true));
    assert!(fake.clock.now().since(commit) > BEHIND_WITHIN);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_second_as_the_rollout_begins_ends_nothing() {
    for (span, kind, begins) in [
        (SECOND, FaultKind::Transient, true),
        (MINUTE, FaultKind::Transient, false),
        (SECOND, FaultKind::Denied, false),
    ] {
        let fake = Fake::new();
        fake.world().store_fails = Some((START, START + span, kind));
        let (engine, _sender) = engine(&fake);
        let ending = engine.run().await;
        assert_eq!(ending.is_ok(), begins, "{span:?} of {kind:?}: {ending:?}");
        if begins {
            is_whole(&fake, Some(&Outcome::Promoted));
        } else {
            assert!(fake.world().diary.iter().all(|(_, entry)| entry == "the store fails"), "nothing is done");
        }
    }
}
