//! Journals that are cut or damaged, and rollouts that stand in each other's way.

use crate::support::{Lab, Place};

/// A lab with a rollout whose runner was killed at its first share.
fn killed(place: &Place) -> Lab {
    let spec = place.spec("");
    let lab = Lab::start(place, &spec);
    let mut runner = lab.roll_out(place, &spec);
    runner.share(10);
    runner.kill();
    lab
}

#[test]
fn a_torn_tail_of_a_journal_in_one_file_is_cut_and_said() {
    let place = Place::new();
    let lab = killed(&place);
    // As an earlier version would have left it.
    let mut recorded = place.recorded();
    recorded.extend(br#"{"seq":99,"at":17"#);
    std::fs::write(place.rollout().join("tape.jsonl"), recorded).expect("it can be written");
    std::fs::remove_dir_all(place.rollout().join("journal")).expect("it can be removed");
    let ended = lab.run(&place, ["resume", "--json"]);
    ended.ends(0, &["the last line of the journal was not whole: 17 bytes cut", r#""outcome":"promoted""#]);
    lab.is_all_on("web-green");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
    let again = lab.run(&place, ["history", "web"]);
    again.ends(0, &["promoted"]);
    assert!(!again.text().contains("no whole line"), "{again}");
}

#[test]
fn a_flipped_byte_closes_the_way_forward_and_not_the_way_back() {
    let place = Place::new();
    let lab = killed(&place);
    // A line in the middle: what comes after it is not believed.
    let lines = place.lines();
    let middle = &lines[lines.len() / 2];
    let mut line = std::fs::read(middle).expect("it is there");
    line[20] ^= 1;
    std::fs::write(middle, &line).expect("it can be written");
    let damaged = place.recorded();
    lab.run(&place, ["resume"]).ends(15, &["damaged", "forward is closed", "tidegate rollback web-"]);
    assert_eq!(lab.green_percent(), 10);
    let ended = lab.run(&place, ["rollback", "--yes"]);
    ended.ends(0, &["going back by what was written before it", "rolled back"]);
    lab.is_all_on("web-blue");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
    // The way back is in the journal, the damaged one is kept beside it, and the target is free again.
    lab.run(&place, ["status"]).ends(0, &["rolled back"]);
    let kept = std::fs::read(place.rollout().join("tape.damaged.jsonl")).expect("the damaged journal is kept");
    assert_eq!(kept, damaged);
    lab.run(&place, ["rollback", "--yes"]).ends(0, &["already on stable since"]);
    lab.roll_out(&place, &place.spec("")).event("started");
}

#[test]
fn a_second_runner_is_refused_and_told_who_is_first() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.event("started");
    let refused = lab.roll_out(&place, &spec).end();
    refused.ends(14, &["alice@", "rollout web-", "tidegate status web-"]);
    runner.share(10);
    let refused = lab.roll_out(&place, &spec).end();
    refused.ends(14, &["alice@", "rollout web-", "tidegate rollback web-"]);
    lab.run(&place, ["resume"]).ends(14, &["alice@"]);
    runner.kill();
    // An unfinished rollout holds the target as well as a running one.
    let refused = lab.roll_out(&place, &spec).end();
    refused.ends(14, &["is not over", "tidegate resume web-", "tidegate rollback web-"]);
    lab.run(&place, ["rollback", "--yes"]).ends(0, &[]);
    lab.roll_out(&place, &spec).event("started");
}

#[test]
fn a_guard_takes_the_traffic_back_whose_journal_has_lost_its_first_line_and_leaves_the_rest_to_a_person() {
    for empty in [false, true] {
        let place = Place::new();
        let lab = killed(&place);
        let first = &place.lines()[0];
        let mut line = std::fs::read(first).expect("it is there");
        line[20] ^= 1;
        std::fs::write(first, if empty { Vec::new() } else { line }).expect("it can be written");
        let ended = lab.run(&place, ["guard", "--once"]);
        ended.ends(12, &["going by the rule's tags", "waits for a person, who does the rest by hand"]);
        lab.is_all_on("web-blue");
        assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
    }
}
