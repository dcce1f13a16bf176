//! The store: rollouts are found, leases exclude, words arrive once and in order.

use std::time::Duration;

use super::backend::Swapped;
use super::*;
use crate::domain::clock::{Clock, Timestamp};
use crate::lease::{LeaseRefusal, Owner, Phase, Watch};

const START: Timestamp = Timestamp::from_millis(1_795_442_709_000);
const RULE: &str = "arn:rule";

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_folder(folder.path().join("tidegate")).unwrap();
    (folder, store)
}

fn id(text: &str) -> RolloutId {
    RolloutId::parse(text).unwrap()
}

fn owner(by: &str) -> Owner {
    Owner { by: by.into(), process: String::new(), since: START }
}

fn told(request: &str, at: u64) -> LeftRequest {
    LeftRequest {
        request: request.into(),
        by: "ana@laptop".into(),
        reason: Some("why not".into()),
        at: Timestamp::from_millis(at),
        approves: None,
    }
}

async fn words(store: &Store, rollout: &RolloutId) -> Vec<String> {
    let mut words = Vec::new();
    for waiting in store.take_words(rollout).await.unwrap().waiting {
        words.push(waiting.told.request);
    }
    words
}

async fn make(store: &Store, ids: &[&str]) {
    for text in ids {
        store.append(&id(text), JournalPlace::default(), b"", b"{}\n".to_vec()).await.unwrap();
    }
}

#[tokio::test]
async fn rollouts_are_listed_newest_first_whatever_their_names() {
    let (folder, store) = store();
    let ids = ["web-20261123-140509-00aa", "api-20261124-000000-0001", "zoo-20251231-235959-ffff"];
    make(&store, &ids).await;
    std::fs::create_dir(folder.path().join("tidegate/rollouts/Not an id")).unwrap();
    assert_eq!(store.list().await.unwrap(), [ids[1], ids[0], ids[2]].map(id));
}

#[tokio::test]
async fn a_rollout_is_found_by_id_name_or_beginning() {
    let (_folder, store) = store();
    let ids = [
        "web-20261123-140509-00aa",
        "web-20261124-000000-0001",
        "web-api-20261125-000000-0002",
        "pay-20261125-000000-0003",
    ];
    make(&store, &ids).await;
    for (text, found) in [
        (ids[0], &[ids[0]][..]),
        ("web", &[ids[1], ids[0]]),
        ("web-api", &[ids[2]]),
        ("pa", &[ids[3]]),
        ("web-20261123", &[ids[0]]),
    ] {
        let found: Vec<RolloutId> = found.iter().map(|text| id(text)).collect();
        assert_eq!(store.find(text).await.unwrap(), found, "{text}");
    }
    let ambiguous = store.find("web-2026112").await;
    assert!(matches!(ambiguous, Err(StoreError::Ambiguous { candidates, .. }) if candidates.len() == 2));
    for text in ["nope", ""] {
        assert!(matches!(store.find(text).await, Err(StoreError::Unknown(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_excludes_and_names_its_owner_until_it_is_given_back() {
    let (_folder, store) = store();
    let clock = Clock::starting_at(START, 1.0);
    let (one, two) = (id("web-1"), id("web-2"));
    let ana = owner("ana@ci");
    let mut lease = store.begin(RULE, &["b", "a"], Claim { rollout: &one, owner: &ana }, &clock).await.unwrap();
    let refused =
        store.begin(RULE, &[], Claim { rollout: &two, owner: &owner("ben@ci") }, &clock).await.unwrap_err().to_string();
    assert_eq!(refused, "arn:rule is being driven by ana@ci, since 2026-11-23T14:05:09Z: rollout web-1");
    lease.renew(Phase::Over).await.unwrap();
    let next = store.begin(RULE, &["a"], Claim { rollout: &two, owner: &owner("ben@ci") }, &clock).await.unwrap();
    assert_eq!(next.held().control().epoch, 2);
}

#[tokio::test(start_paused = true)]
async fn rehearsals_share_no_lease() {
    let (_folder, store) = store();
    let clock = Clock::starting_at(START, 1.0);
    let (one, two) = (id("web-1"), id("web-2"));
    let begin = async |id: &RolloutId| {
        let store = store.of_rehearsal(id);
        let lease = store.begin(RULE, &["a", "b"], Claim { rollout: id, owner: &owner("ana") }, &clock).await.unwrap();
        assert_eq!(store.standing(RULE).await.unwrap().unwrap().control.rollout, *id);
        lease
    };
    let (_dead, mut over) = (begin(&one).await, begin(&two).await);
    over.renew(Phase::Over).await.unwrap();
    assert_eq!(store.of_rehearsal(&one).standing(RULE).await.unwrap().unwrap().control.phase, Phase::Active);
    assert_eq!(store.standing(RULE).await.unwrap(), None, "nor does a rollout on an account see any");
}

#[tokio::test(start_paused = true)]
async fn two_rules_that_share_a_service_are_not_driven_at_once_and_a_refused_one_holds_nothing() {
    let (_folder, store) = store();
    let clock = Clock::starting_at(START, 1.0);
    let (one, two) = (id("web-1"), id("api-1"));
    let _lease =
        store.begin("rule-1", &["shared"], Claim { rollout: &one, owner: &owner("ana") }, &clock).await.unwrap();
    let refused =
        store.begin("rule-2", &["own", "shared"], Claim { rollout: &two, owner: &owner("ben") }, &clock).await;
    let Err(LeaseError::Refused { resource, refusal }) = refused else { panic!() };
    let LeaseRefusal::UnderWay(control) = *refusal else { panic!("{refusal:?}") };
    assert_eq!((resource.as_str(), control.rollout), ("shared", one.clone()));
    assert_eq!(store.standing("rule-2").await.unwrap().unwrap().control.phase, Phase::Over);
    assert_eq!(store.rollout_on("shared").await.unwrap(), Some(("rule-1".to_owned(), one)));
}

#[tokio::test(start_paused = true)]
async fn one_who_was_preempted_learns_who_decides_now() {
    let (_folder, store) = store();
    let clock = Clock::starting_at(START, 1.0);
    let web = id("web-1");
    let mut lease = store.begin(RULE, &[], Claim { rollout: &web, owner: &owner("ana") }, &clock).await.unwrap();
    lease.renew(Phase::Active).await.unwrap();
    let ben = owner("ben");
    assert!(store.take_over(RULE, Claim { rollout: &web, owner: &ben }, &mut Watch::default(), &clock).await.is_err());
    let taken = store.preempt(RULE, Claim { rollout: &web, owner: &ben }, &mut Watch::default(), &clock).await.unwrap();
    assert_eq!(taken.held().control().phase, Phase::Aborting);
    let fenced = lease.renew(Phase::Active).await.unwrap_err();
    assert_eq!(fenced.to_string(), "ben took over (epoch 2)");
    assert!(matches!(fenced, LeaseError::Fenced(control) if control.epoch == 2));
}

#[tokio::test(start_paused = true)]
async fn only_the_document_that_stood_still_for_a_lease_is_taken_over() {
    let (_folder, store) = store();
    let clock = Clock::starting_at(START, 1.0);
    let web = id("web-1");
    let mut lease = store.begin(RULE, &[], Claim { rollout: &web, owner: &owner("ana") }, &clock).await.unwrap();
    let (mut watch, ben) = (Watch::default(), owner("ben"));
    for (seconds, renews) in [(0, false), (46, true), (90, false), (91, false), (92, false)] {
        clock.sleep_until(START + Duration::from_secs(seconds)).await;
        if renews {
            lease.renew(Phase::Active).await.unwrap();
        }
        let taken = store.take_over(RULE, Claim { rollout: &web, owner: &ben }, &mut watch, &clock).await;
        assert_eq!(taken.is_ok(), seconds == 92, "after {seconds} s: {taken:?}");
    }
}

#[tokio::test]
async fn a_document_is_written_by_one_of_many() {
    let (_folder, store) = store();
    let mut versions = Vec::new();
    let mut over = None;
    for round in 0..40 {
        let mut won = None;
        for writer in 0..3 {
            let body = format!("{round}-{writer}").into_bytes();
            if let Swapped::Done(version) = store.backend.swap("control/x", body, over.as_ref()).await.unwrap() {
                assert_eq!(won.replace(version), None, "two writers won round {round}");
            }
        }
        over = won;
        versions.push(over.clone());
    }
    // One who read long ago writes behind the others, and learns that.
    let late = store.backend.swap("control/x", b"late".to_vec(), versions[2].as_ref()).await.unwrap();
    assert_eq!(late, Swapped::Taken);
    assert_eq!(store.backend.document("control/x").await.unwrap().unwrap().body, b"39-0");
}

/// The place on a journal after these lines.
fn after(lines: &[&str]) -> JournalPlace {
    JournalPlace { lines: lines.len() as u64, bytes: lines.iter().map(|line| line.len() as u64).sum() }
}

async fn append(store: &Store, lines: &[&str], line: &str) -> Appended {
    store.append(&id("web-1"), after(lines), b"", line.as_bytes().to_vec()).await.unwrap()
}

async fn recorded(store: &Store) -> String {
    String::from_utf8(store.lines(&id("web-1"), JournalPlace::default()).await.unwrap()).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[tokio::test]
async fn a_line_is_written_by_one_of_many() {
    let (_folder, store) = store();
    for number in 0..40 {
        let line = |writer: u64| format!("{number}-{writer}\n").into_bytes();
        let at = JournalPlace { lines: number, bytes: 0 };
        let web = id("web-1");
        let written = std::thread::scope(|scope| {
            let append = |writer| block_on(store.append(&web, at, b"", line(writer))).unwrap();
            let threads = [0, 1, 2].map(|writer| scope.spawn(move || append(writer)));
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(written.iter().filter(|written| **written == Appended::Done).count(), 1, "line {number}");
    }
    assert_eq!(recorded(&store).await.lines().count(), 40);
}

#[tokio::test]
async fn a_process_that_is_frozen_within_a_line_keeps_nobody_out() {
    let (folder, store) = store();
    append(&store, &[], "0\n").await;
    append(&store, &["0\n"], "1\n").await;
    // What it has open and locked, and what it had begun to write.
    let rollout = folder.path().join("tidegate/rollouts/web-1");
    std::fs::write(rollout.join("journal/.half"), "{").unwrap();
    let paths = ["journal/00000000.json", "journal/00000001.json", "journal/.half", "journal", "."];
    let files = paths.map(|path| std::fs::File::open(rollout.join(path)).unwrap());
    assert!(files.iter().all(|file| file.try_lock().is_ok()));
    assert_eq!(append(&store, &["0\n", "1\n"], "2\n").await, Appended::Done);
    // It thaws, and is too late.
    assert_eq!(append(&store, &["0\n", "1\n"], "two\n").await, Appended::Taken);
    assert_eq!(recorded(&store).await, "0\n1\n2\n");
}

#[tokio::test]
async fn a_journal_of_an_earlier_version_goes_on_in_numbered_lines() {
    let (folder, store) = store();
    let rollout = folder.path().join("tidegate/rollouts/web-1");
    std::fs::create_dir_all(&rollout).unwrap();
    std::fs::write(rollout.join("tape.jsonl"), "0\n1\nhal").unwrap();
    assert_eq!(recorded(&store).await, "0\n1\nhal");
    assert_eq!(append(&store, &[], "zero\n").await, Appended::Taken);
    assert_eq!(append(&store, &["0\n", "1\n"], "two\n").await, Appended::Done);
    // Its runner wrote on there, and nobody follows it.
    std::fs::write(rollout.join("tape.jsonl"), "0\n1\n2\n3\n").unwrap();
    assert_eq!(append(&store, &["0\n", "1\n", "two\n"], "three\n").await, Appended::Done);
    assert_eq!(recorded(&store).await, "0\n1\ntwo\nthree\n");
    let web = id("web-1");
    assert_eq!(store.first_line(&web).await.unwrap().unwrap(), b"0\n");
    for (lines, rest) in [(1, "1\ntwo\nthree\n"), (2, "two\nthree\n"), (3, "three\n"), (4, "")] {
        let from = after(&["0\n", "1\n", "two\n", "three\n"][..lines]);
        assert_eq!(store.lines(&web, from).await.unwrap(), rest.as_bytes());
    }
    store.cut(&web, after(&["0\n"])).await.unwrap();
    assert_eq!(recorded(&store).await, "0\n");
    assert_eq!(std::fs::read_to_string(rollout.join("tape.damaged.jsonl")).unwrap(), "0\n1\ntwo\nthree\n");
    assert_eq!(append(&store, &["0\n"], "one\n").await, Appended::Done);
    assert_eq!(recorded(&store).await, "0\none\n");
}

#[tokio::test]
async fn a_control_document_of_a_later_version_is_not_taken() {
    let (_folder, store) = store();
    let clock = Clock::starting_at(START, 1.0);
    let web = id("web-1");
    let lease = store.begin(RULE, &[], Claim { rollout: &web, owner: &owner("ana") }, &clock).await.unwrap();
    let found = store.backend.document(&control::key(RULE)).await.unwrap().unwrap();
    let body = String::from_utf8(found.body).unwrap().replacen("\"schema\":1", "\"schema\":2", 1);
    store.backend.swap(&control::key(RULE), body.into_bytes(), Some(&found.version)).await.unwrap();
    let taken =
        store.take_over(RULE, Claim { rollout: &web, owner: &owner("ben") }, &mut Watch::default(), &clock).await;
    assert!(matches!(taken, Err(LeaseError::TooNew { schema: 2, .. })));
    drop(lease);
}

#[tokio::test]
async fn words_are_taken_in_order_and_once() {
    let (_folder, store) = store();
    let web = id("web-1");
    store.leave_word(&web, told("continue", 2)).await.unwrap();
    store.leave_word(&web, told("pause", 1)).await.unwrap();
    assert_eq!(words(&store, &web).await, ["pause", "continue"]);
    for waiting in store.take_words(&web).await.unwrap().waiting {
        store.request_is_done(&waiting).await.unwrap();
    }
    assert!(words(&store, &web).await.is_empty());
}

#[tokio::test]
async fn what_is_no_word_is_set_aside_and_told_once() {
    let (folder, store) = store();
    let web = id("web-1");
    let path = folder.path().join("tidegate/rollouts/web-1/words");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("1.json"), "sing").unwrap();
    std::fs::write(path.join(".half"), "{").unwrap();
    store.leave_word(&web, told("pause", 1)).await.unwrap();
    let found = store.take_words(&web).await.unwrap();
    assert_eq!((found.waiting.len(), found.set_aside.len()), (1, 1));
    assert!(found.set_aside[0].starts_with("1.json: "), "{:?}", found.set_aside);
    assert!(store.take_words(&web).await.unwrap().set_aside.is_empty());
    assert_eq!(std::fs::read_to_string(path.with_file_name("set-aside").join("1.json")).unwrap(), "sing");
}

#[tokio::test(start_paused = true)]
async fn numbers_after_which_none_comes_are_nonsense_and_no_panic() {
    let (folder, store) = store();
    let clock = Clock::starting_at(START, 1.0);
    let web = id("web-1");
    let lease = store.begin(RULE, &[], Claim { rollout: &web, owner: &owner("ana") }, &clock).await.unwrap();
    let found = store.backend.document(&control::key(RULE)).await.unwrap().unwrap();
    let body = String::from_utf8(found.body).unwrap().replacen("\"epoch\":1", "\"epoch\":18446744073709551615", 1);
    store.backend.swap(&control::key(RULE), body.into_bytes(), Some(&found.version)).await.unwrap();
    let preempted =
        store.preempt(RULE, Claim { rollout: &web, owner: &owner("ben") }, &mut Watch::default(), &clock).await;
    assert!(preempted.unwrap_err().is_nonsense());
    let document = folder.path().join("tidegate").join(control::key(RULE));
    std::fs::write(document.join("18446744073709551615.json"), "{}").unwrap();
    let preempted = store
        .preempt(RULE, Claim { rollout: &web, owner: &owner("ben") }, &mut Watch::default(), &clock)
        .await
        .unwrap_err();
    assert!(preempted.is_nonsense() && preempted.to_string().contains("remove that file"), "{preempted}");
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_means_nothing_says_how_to_get_another_and_counts_as_nonsense() {
    let (folder, store) = store();
    let clock = Clock::starting_at(START, 1.0);
    let web = id("web-1");
    store.begin(RULE, &[], Claim { rollout: &web, owner: &owner("ana") }, &clock).await.unwrap();
    assert_eq!(store.rule_of(&web).await.unwrap().as_deref(), Some(RULE));
    let found = store.backend.document(&control::key(RULE)).await.unwrap().unwrap();
    store.backend.swap(&control::key(RULE), b"garbage".to_vec(), Some(&found.version)).await.unwrap();
    for error in [
        store.standing(RULE).await.unwrap_err(),
        store
            .preempt(RULE, Claim { rollout: &web, owner: &owner("ben") }, &mut Watch::default(), &clock)
            .await
            .unwrap_err(),
    ] {
        assert!(error.is_nonsense() && error.to_string().contains("remove that document"), "{error}");
    }
    let control = folder.path().join("tidegate/control");
    std::fs::remove_dir_all(&control).unwrap();
    std::fs::write(&control, "a file").unwrap();
    assert!(store.standing(RULE).await.unwrap_err().is_nonsense());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_removed_is_the_stores_trouble_and_nobodys_turn() {
    let (folder, store) = store();
    let clock = Clock::starting_at(START, 1.0);
    let mut lease =
        store.begin(RULE, &[], Claim { rollout: &id("web-1"), owner: &owner("ana") }, &clock).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("tidegate")).unwrap();
    let gone = lease.renew(Phase::Active).await.unwrap_err();
    assert!(matches!(gone, LeaseError::Store(StoreError::Strange { .. })), "{gone}");
    assert!(!folder.path().join("tidegate/control").exists(), "it is not made anew");
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_with_a_document_that_was_removed_fences_the_owner_before() {
    let (folder, store) = store();
    let (clock, web) = (Clock::starting_at(START, 1.0), id("web-1"));
    let mut ana = store.begin(RULE, &[], Claim { rollout: &web, owner: &owner("ana") }, &clock).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("tidegate/control")).unwrap();
    let (mut watch, ben) = (Watch::default(), owner("ben"));
    let mut ben = store.take_over(RULE, Claim { rollout: &web, owner: &ben }, &mut watch, &clock).await.unwrap();
    let fenced = ana.renew(Phase::Active).await.unwrap_err();
    assert!(matches!(&fenced, LeaseError::Fenced(_)), "{fenced}");
    ben.renew(Phase::Active).await.unwrap();
}
