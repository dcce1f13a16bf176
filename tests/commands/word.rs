//! `rollback`, `abort`, `pause`, `continue`, `approve`, `promote`, `resume`, `why` where no runner is there to hear them.

use super::support::{Sandbox, end_after};

const OVER: &str = "web-20261123-140509-beef";
const WAITING: &str = "web-20261124-090000-0a1b";
const REHEARSED: &str = "web-20261125-090000-0a1b";

#[test]
fn a_rollout_that_is_over_stays_over() {
    let sandbox = Sandbox::new();
    sandbox.rollout(OVER, 23);
    // Where the traffic is now is read from the rule, which nobody here may ask.
    for word in ["rollback", "abort"] {
        let said = sandbox.run(&[word]).is(16).says(&["is over: rolled back", "where the traffic is now is not known"]);
        assert!(!said.err.contains("already"), "{}", said.err);
        let json = sandbox.run(&[word, "--json"]).is(16).json();
        assert_eq!(json[0]["type"], "error");
    }
    for word in ["pause", "continue", "approve", "promote"] {
        sandbox.run(&[word]).is(15).says(&["is over: rolled back", "tidegate status"]);
    }
    sandbox.run(&["resume"]).is(11).says(&["nothing to go on with", "rolled back: web is served by web-blue"]);
    let json = sandbox.run(&["resume", "--json"]).is(11).json();
    assert_eq!(json[0]["outcome"], "rolled_back");
}

#[test]
fn a_word_that_nobody_hears_says_who_could() {
    let sandbox = Sandbox::new();
    sandbox.rollout(WAITING, 3);
    for word in ["pause", "continue", "approve", "promote"] {
        sandbox.run(&[word, "web"]).is(13).says(&["nobody drives rollout", "tidegate resume web-20261124"]);
    }
}

#[test]
fn why_is_answered_of_a_rollout_that_is_over_and_of_one_that_nobody_drives() {
    let sandbox = Sandbox::new();
    sandbox.rollout(OVER, 23);
    let over = sandbox.run(&["why"]).is(0).harmless();
    for words in ["why          rollback by", "checkout is slow", "next         nothing: it is over"] {
        assert!(over.out.contains(words), "{words}: {}", over.out);
    }
    let json = sandbox.run(&["why", OVER, "--json"]).is(0).json();
    assert_eq!((&json[0]["state"], &json[0]["reason"]["kind"]), (&"rolled_back".into(), &"operator".into()));
    sandbox.rollout(WAITING, 3);
    let waiting = sandbox.run(&["why", "web-20261124"]).is(0).harmless();
    assert!(waiting.out.contains("nobody drives it"), "{}", waiting.out);
    assert!(waiting.out.lines().count() <= 24, "{}", waiting.out);
}

#[test]
fn a_rehearsal_never_answers_for_the_live_rollout() {
    let sandbox = Sandbox::new();
    sandbox.rollout(WAITING, 3);
    sandbox.rehearsal(REHEARSED, 23);
    for words in [&["rollback", "web"][..], &["rollback"], &["abort", "web"]] {
        sandbox.run(words).is(2).says(&["tidegate rollback web-20261124-090000-0a1b --yes"]);
    }
    for words in [&["status"][..], &["status", "web"], &["pause", "web"], &["pause"]] {
        sandbox.run(words).says(&[WAITING]);
    }
    sandbox.run(&["rollback", REHEARSED]).is(0).says(&["already on stable since"]);
}

#[test]
fn a_rehearsal_is_acted_on_by_its_whole_id_only() {
    let sandbox = Sandbox::new();
    sandbox.rehearsal(REHEARSED, 3);
    for words in [&["rollback", "--yes"][..], &["rollback", "web", "--yes"], &["pause", "web-2026"], &["resume"]] {
        sandbox.run(words).is(2).says(&["a rehearsal in a lab is named by its whole id", REHEARSED]);
    }
    sandbox.run(&["rollback", REHEARSED, "--yes"]).is(15).says(&["ran in a lab inside its runner, which is gone"]);
}

#[test]
fn the_beginning_of_a_name_acts_on_nothing() {
    let sandbox = Sandbox::new();
    sandbox.rollout(WAITING, 3);
    for word in ["rollback", "abort", "pause", "continue", "approve", "promote", "resume"] {
        sandbox.run(&[word, "we"]).is(2).says(&["no rollout is called `we`"]);
        sandbox.run(&[word, "web-20261124"]).is(2).says(&["no rollout is called `web-20261124`", WAITING]);
    }
    sandbox.run(&["status", "web-20261124"]).is(0).says(&[WAITING]);
}

#[test]
fn going_back_needs_a_yes() {
    let sandbox = Sandbox::new();
    sandbox.rollout(WAITING, 3);
    for words in [&["rollback"][..], &["abort", "web"], &["rollback", "--json"]] {
        let said = sandbox.run(words).is(2);
        said.says(&["cannot ask for confirmation: no terminal", "tidegate rollback web-20261124-090000-0a1b --yes"]);
    }
}

#[test]
fn going_on_needs_the_release_and_says_where_it_looked() {
    let sandbox = Sandbox::new();
    sandbox.rollout(WAITING, 3);
    sandbox.run(&["resume", "web"]).is(2).says(&["specs/web.yaml", "tidegate rollback web-"]);
}

#[test]
fn a_way_back_without_credentials_is_told_at_once_and_ends_in_calls_for_a_person() {
    let sandbox = Sandbox::new();
    sandbox.rollout(WAITING, 3);
    let command = sandbox.command(&["rollback", "web", "--yes"]);
    // It is tried for as long as a way back may last; a signal says that nobody will allow it.
    let said = end_after(command, "the traffic can not be taken back, because that is denied", "INT").is(12).harmless();
    said.says(&[
        "stranded: web needs a person, now",
        "aws elbv2 modify-rule --region eu-west-1",
        "next         tidegate rollback",
    ]);
    sandbox.run(&["status"]).is(0).says(&["try the way back once more", "By hand, in this order:"]);
}
