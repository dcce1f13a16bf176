//! The store: rollouts are found, claims exclude, words arrive once and in order.

use super::*;
use crate::clock::Timestamp;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("tidegate")).unwrap();
    (folder, store)
}

fn id(text: &str) -> RolloutId {
    RolloutId::parse(text).unwrap()
}

fn holder(by: &str) -> Holder {
    let rollout = id("web-20261123-140509-00aa");
    Holder { by: by.into(), pid: 42, rollout, since: Timestamp::from_millis(1_795_442_709_000) }
}

fn told(word: &str, at: u64) -> Told {
    Told { word: word.into(), by: "ana@laptop".into(), reason: Some("why not".into()), at: Timestamp::from_millis(at) }
}

fn words(store: &Store, rollout: &RolloutId) -> Vec<String> {
    store.take_words(rollout).unwrap().waiting.into_iter().map(|waiting| waiting.told.word).collect()
}

#[test]
fn rollouts_are_listed_newest_first_whatever_their_names() {
    let (_folder, store) = store();
    let ids = ["web-20261123-140509-00aa", "api-20261124-000000-0001", "zoo-20251231-235959-ffff"].map(id);
    for id in &ids {
        store.create(id).unwrap();
    }
    std::fs::create_dir(store.root.join("rollouts/Not an id")).unwrap();
    let listed: Vec<RolloutId> = store.list().unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(listed, [ids[1].clone(), ids[0].clone(), ids[2].clone()]);
}

#[test]
fn a_rollout_is_found_by_id_name_or_beginning() {
    let (_folder, store) = store();
    let ids = [
        "web-20261123-140509-00aa",
        "web-20261124-000000-0001",
        "web-api-20261125-000000-0002",
        "pay-20261125-000000-0003",
    ];
    for text in ids {
        store.create(&id(text)).unwrap();
    }
    let find = |text: &str, unfinished: &str| {
        store.find(text, |entry| entry.id.as_str() == unfinished).map(|entry| entry.id.to_string())
    };
    let check = |text, unfinished, found: &str| assert_eq!(find(text, unfinished).unwrap(), found);
    check(ids[0], "", ids[0]);
    check("web", "", ids[1]);
    check("web", ids[0], ids[0]);
    check("web-api", "", ids[2]);
    check("pa", "", ids[3]);
    check("web-20261123", "", ids[0]);
    assert!(matches!(find("web-2026112", ""), Err(StoreError::Ambiguous { candidates, .. }) if candidates.len() == 2));
    assert!(matches!(find("nope", ""), Err(StoreError::Unknown(_))));
    assert!(matches!(find("", ""), Err(StoreError::Unknown(_))));
}

#[test]
fn a_claim_excludes_and_names_its_holder_until_it_is_dropped() {
    let (_folder, store) = store();
    let claim = store.claim(&["rule", "service-b", "service-a"], &holder("ana@ci")).unwrap();
    let refused = store.claim(&["rule"], &holder("ben@ci")).unwrap_err().to_string();
    assert_eq!(
        refused,
        "rule is being driven by ana@ci (process 42), rollout web-20261123-140509-00aa, since 2026-11-23T14:05:09Z"
    );
    assert_eq!(store.holder_of("service-a").unwrap(), Held::By(holder("ana@ci")));
    assert_eq!(store.holder_of("other").unwrap(), Held::Free);
    drop(claim);
    assert_eq!(store.holder_of("service-a").unwrap(), Held::Free);
    let _claim = store.claim(&["rule"], &holder("ben@ci")).unwrap();
    assert_eq!(store.holder_of("rule").unwrap(), Held::By(holder("ben@ci")));
}

#[test]
fn a_claim_on_several_is_all_or_nothing() {
    let (_folder, store) = store();
    let _held = store.claim(&["b"], &holder("ana@ci")).unwrap();
    let refused = store.claim(&["c", "b", "a"], &holder("ben@ci"));
    assert!(matches!(refused, Err(ClaimError::Held { resource, .. }) if resource == "b"));
    let _rest = store.claim(&["a", "c", "a"], &holder("ben@ci")).unwrap();
}

#[test]
fn words_wait_in_order_until_they_are_on_the_tape() {
    let (_folder, store) = store();
    let web = id("web-20261123-140509-00aa");
    store.create(&web).unwrap();
    store.leave_word(&web, &told("rollback", 20)).unwrap();
    store.leave_word(&web, &told("pause", 10)).unwrap();
    assert_eq!(words(&store, &web), ["pause", "rollback"]);
    let taken = store.take_words(&web).unwrap();
    assert_eq!(taken.waiting[0].told, told("pause", 10));
    taken.waiting.into_iter().next().unwrap().done().unwrap();
    assert_eq!(words(&store, &web), ["rollback"]);
}

#[test]
fn what_is_no_word_is_set_aside_and_said() {
    let (_folder, store) = store();
    let web = id("web-20261123-140509-00aa");
    let folder = store.create(&web).unwrap().path.join("words");
    std::fs::write(folder.join("000-odd.json"), "{\"word\":").unwrap();
    std::fs::write(folder.join(".half-written"), "{").unwrap();
    store.leave_word(&web, &told("rollback", 20)).unwrap();
    let taken = store.take_words(&web).unwrap();
    assert_eq!((taken.waiting.len(), taken.set_aside.len()), (1, 1));
    assert!(taken.set_aside[0].starts_with("000-odd.json: "), "{:?}", taken.set_aside);
    assert!(store.take_words(&web).unwrap().set_aside.is_empty());
    assert!(folder.join("set-aside/000-odd.json").exists());
}

#[test]
fn no_word_can_be_left_for_a_rollout_that_is_not_there() {
    let (_folder, store) = store();
    assert!(matches!(store.leave_word(&id("web"), &told("pause", 1)), Err(StoreError::Unknown(_))));
    assert!(words(&store, &id("web")).is_empty());
}
