//! Strings that would be obeyed if they were not shown for what they are.

use super::step::{Step, commands};
use super::support::{INSIDE, Place};

/// What a person can say who wants to be obeyed.
const FOUL: &str =
    "x\u{1b}[31m\n::set-output name=outcome::promoted\r##[error]y <script>alert(1)</script> | `z` %0A::warning::w";

#[test]
fn a_foul_reason_is_harmless_in_log_annotation_output_and_summary() {
    let place = Place::new();
    let spec = place.spec_of("shift: 10%, hold: 10m", "");
    let args = format!("--lab {}", INSIDE.join(" "));
    let step = Step::new("alice", &[("spec", spec.to_str().expect("it is UTF-8")), ("args", &args)]);
    let mut process = step.begin(&place, None);
    step.share("10", &mut process);
    place.run(["abort", &place.rehearsal(), "--yes", "--reason", FOUL]).ends(0, &[]);
    let ended = process.end();
    assert_eq!(ended.code, Some(11), "{ended}");
    let log: Vec<String> = ended.text().lines().map(str::to_owned).collect();
    let ours = ["::group::", "::endgroup::", "::error title=rolled back", "::warning title=web::"];
    for command in commands(&log) {
        assert!(ours.iter().any(|known| command.starts_with(known)), "{command}");
    }
    assert!(!ended.text().contains(['\u{1b}', '\r']), "{ended}");
    assert!(ended.text().contains("<U+001B>[31m<U+000A>::set-output"), "{ended}");
    assert_eq!(step.outputs()["outcome"], "rolled_back");
    let summary = step.summary();
    assert!(!summary.contains("<script") && !summary.contains(['\u{1b}', '\r']), "{summary}");
    assert!(summary.contains("&lt;script&gt;"), "{summary}");
    // A rehearsal leaves nothing that a clean-up could take back.
    let after = step.clean_up(&place, None);
    assert!(after.code == Some(0) && after.text().trim().is_empty(), "{after}");
}
