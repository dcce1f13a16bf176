//! A plan that was reviewed: followed as it is, or refused when the account is not as it was.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Lab, Place};

#[test]
fn a_reviewed_plan_is_done_without_a_question() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let (spec_path, file) = (spec.display().to_string(), spec.with_extension("plan").display().to_string());
    let planned = lab.run(&place, ["plan", &spec_path, "--out", &file, "--detailed-exitcode", "--no-simulate"]);
    planned.ends(2, &["does exactly this, until", "~ app.image: ", "From steps 1 to 3: tasks and settings alone"]);
    let mode = std::fs::metadata(&file).expect("it was written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it is open to its owner alone");
    // The spec may change or go: what was reviewed is done.
    std::fs::remove_file(&spec).expect("it was written");
    // Nobody can be asked here, and nobody has to be.
    let ended = lab.run(&place, ["run", &file, "--json"]);
    ended.ends(0, &[r#""outcome":"promoted""#]);
    lab.is_all_on("web-green");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
    // Done once, it is stale: the slots have changed their roles.
    let again = lab.run(&place, ["run", &file]);
    again.ends(15, &["is stale", "the stable slot: then blue", "now green"]);
}

#[test]
fn a_plan_whose_rule_changed_is_refused_with_what_changed() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let (spec, file) = (spec.display().to_string(), spec.with_extension("plan").display().to_string());
    lab.run(&place, ["plan", &spec, "--out", &file, "--no-simulate"]).ends(0, &[]);
    lab.write_weights(7, 0);
    lab.run(&place, ["run", &file])
        .ends(15, &["is stale", "the rule's weights: then web-blue", "now web-blue 7, web-green 0"]);
    lab.write_weights(50, 50);
    lab.run(&place, ["run", &file, "--json"]).ends(15, &["is stale", "both slots carry weight"]);
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0), "nothing was begun");
    // Edited, it is nothing at all.
    let text = std::fs::read_to_string(&file).expect("it was written");
    std::fs::write(&file, text.replacen("web-green", "web-greem", 1)).expect("it can be written");
    lab.run(&place, ["run", &file]).ends(15, &["it is not as it was written"]);
}
