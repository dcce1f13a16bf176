//! The store fails, or answers nonsense, in the middle of a rollout.

use crate::support::Place;
use crate::takeovers::Half;

#[test]
fn a_store_that_is_throttled_holds_the_rollout_and_ends_nothing() {
    let mut half = Half::reach("", "20");
    half.lab.dial("throttle=100%@s3.PutObject");
    half.runner.event("waiting");
    assert!(!half.lab.is_back());
    half.lab.dial("none");
    half.runner.event("continued");
    assert!(!half.lab.is_back());
    half.lab.run(&Place::new(), ["rollback", "web", "--yes"]).ends(0, &["all traffic is on web-blue"]);
    half.runner.end().ends(14, &["took over"]);
}

#[test]
fn a_journal_whose_first_line_means_nothing_closes_no_way_back() {
    for damaged in ["", "{\"format\":4,\"garbage\":true}\n"] {
        let half = Half::reach("", "20");
        half.runner.signal("STOP");
        half.lab.overwrite("v1/rollouts/", "/journal/00000000.json", damaged);
        let words = ["rollback", "web", "--yes"];
        half.lab.run(&Place::new(), words).ends(0, &["going by the rule's tags", "all traffic is on web-blue"]);
        half.lab.is_all_on("web-blue");
        half.runner.signal("CONT");
    }
}
