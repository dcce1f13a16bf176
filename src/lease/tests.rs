//! The lease: who may take what, and what a silent owner can still do.

use super::*;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn id(text: &str) -> RolloutId {
    RolloutId::parse(text).unwrap()
}

fn owner(by: &str) -> Owner {
    Owner { by: by.into(), process: String::new(), since: START }
}

fn begun() -> Control {
    begin(None, &id("web-1"), owner("ana"), 1).unwrap()
}

fn after(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

#[test]
fn a_rule_is_free_when_its_last_rollout_is_over_and_epochs_count_on() {
    let control = begun();
    assert_eq!(begin(Some(&control), &id("web-2"), owner("ben"), 2), Err(LeaseRefusal::UnderWay(control.clone())));
    let over = Held::new(control, START).next(Phase::Over, 3);
    let next = begin(Some(&over), &id("web-2"), owner("ben"), 4).unwrap();
    assert_eq!((next.epoch, next.phase), (2, Phase::Active));
}

#[test]
fn only_a_silent_or_absent_owner_is_taken_over() {
    let control = begun();
    let take = |found: &Control, life| take_over(found, &id("web-1"), life, owner("ben"), 9);
    assert_eq!(take(&control, Life::Possible), Err(LeaseRefusal::Owned(control.clone())));
    assert_eq!(take(&control, Life::Gone).unwrap().epoch, 2);
    let left = Held::new(control, START).handed_over(5);
    assert_eq!(take(&left, Life::Possible).unwrap().owner, Some(owner("ben")));
}

#[test]
fn going_back_waits_for_nobody_but_a_commit() {
    let control = begun();
    let preempt = |found: &Control, life| preempt(found, &id("web-1"), life, owner("ben"), 9);
    let taken = preempt(&control, Life::Possible).unwrap();
    assert_eq!((taken.epoch, taken.phase), (2, Phase::Aborting));
    let committing = Held::new(control, START).next(Phase::Committing, 7);
    assert_eq!(preempt(&committing, Life::Possible), Err(LeaseRefusal::Committing(committing.clone())));
    assert_eq!(preempt(&committing, Life::Gone).unwrap().phase, Phase::Committing);
}

#[test]
fn what_is_over_or_anothers_is_not_taken() {
    let over = Held::new(begun(), START).next(Phase::Over, 3);
    assert_eq!(preempt(&over, &id("web-1"), Life::Gone, owner("ben"), 9), Err(LeaseRefusal::Over(over.clone())));
    let control = begun();
    let another = take_over(&control, &id("web-2"), Life::Gone, owner("ben"), 9);
    assert_eq!(another, Err(LeaseRefusal::Another(control)));
}

#[test]
fn what_is_over_is_reopened_unless_another_rollout_had_the_rule_since() {
    let reopen = |found: &Control| reopen(Some(found), &id("web-1"), Phase::Aborting, owner("ben"), 9);
    assert_eq!(reopen(&begun()), Err(LeaseRefusal::UnderWay(begun())));
    let over = Held::new(begun(), START).next(Phase::Over, 3);
    let reopened = reopen(&over).unwrap();
    assert_eq!((reopened.epoch, reopened.phase), (2, Phase::Aborting));
    let next = begin(Some(&over), &id("web-2"), owner("cleo"), 4).unwrap();
    assert_eq!(reopen(&next), Err(LeaseRefusal::Another(next.clone())));
}

#[test]
fn a_phase_only_moves_on() {
    let back = Held::new(Control { phase: Phase::Aborting, ..begun() }, START);
    assert_eq!(back.next(Phase::Active, 2).phase, Phase::Aborting);
    assert_eq!(back.next(Phase::Committing, 2).phase, Phase::Aborting);
    assert!(back.control().goes_back() && !begun().goes_back());
    assert_eq!(back.next(Phase::Over, 2).phase, Phase::Over);
    let committing = Held::new(Control { phase: Phase::Committing, ..begun() }, START);
    assert_eq!(committing.next(Phase::Active, 2).phase, Phase::Committing);
    assert_eq!(committing.next(Phase::Aborting, 2).phase, Phase::Aborting);
    let over = Held::new(back.next(Phase::Over, 2), START);
    assert_eq!(over.next(Phase::Active, 3).phase, Phase::Over);
}

#[test]
fn what_is_sent_has_landed_before_anybody_may_take_over() {
    let mut held = Held::new(begun(), START);
    let mut watch = Watch::default();
    // One who looks on sees the body at the earliest when it is written.
    assert_eq!(watch.look(held.control(), START), Life::Possible);
    let last = held.send_until();
    assert!(held.may_send(last) && !held.may_send(last + Duration::from_millis(1)));
    assert!(last + WRITE_WINDOW <= START + LEASE);
    assert_eq!(watch.look(held.control(), after(45)), Life::Possible);
    assert!(!held.is_old(after(45)) && held.is_old(after(46)));
    assert_eq!(watch.look(held.control(), after(46)), Life::Gone);
    let renewed = held.next(Phase::Active, 2);
    held.renewed(renewed, after(40));
    assert!(held.may_send(after(50)));
    assert_eq!(watch.look(held.control(), after(50)), Life::Possible);
    assert_eq!(watch.patience(after(60)), Duration::from_secs(35));
}

#[test]
fn silence_is_counted_between_reads_however_long_they_take() {
    let read = |asked, answered| Looked { asked: after(asked), answered: after(answered) };
    let mut watch = Watch::default();
    // The owner may have written it right before the slow answer.
    assert_eq!(watch.look(&begun(), read(0, 44)), Life::Possible);
    assert_eq!(watch.look(&begun(), read(46, 200)), Life::Possible);
    assert_eq!(watch.look(&begun(), read(89, 89)), Life::Possible);
    assert_eq!(watch.look(&begun(), read(90, 90)), Life::Gone);
}

#[test]
fn a_renewal_counts_from_when_it_was_asked_for_and_never_backwards() {
    let mut held = Held::new(begun(), after(10));
    let body = held.next(Phase::Active, 2);
    held.renewed(body, after(5));
    assert_eq!(held.send_until(), after(10) + LEASE.saturating_sub(WRITE_WINDOW));
}

#[test]
fn another_epoch_owner_or_rollout_fences() {
    let held = Held::new(begun(), START);
    assert!(!held.is_fenced_by(&held.next(Phase::Aborting, 5)));
    assert!(held.is_fenced_by(&Control { epoch: 2, ..begun() }));
    assert!(held.is_fenced_by(&Control { rollout: id("web-2"), ..begun() }));
    // The document was removed, and somebody else began another.
    assert!(held.is_fenced_by(&Control { owner: Some(owner("ben")), ..begun() }));
    assert!(!held.is_fenced_by(&held.handed_over(6)), "it was this owner who left");
}
