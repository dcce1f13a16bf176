//! What is wrong with a spec, beside its line.

use super::step::{Step, commands, count};
use super::support::Place;

#[test]
fn each_problem_of_a_spec_is_annotated_at_its_place() {
    let place = Place::new();
    let spec = place.spec("colour: green\nlimits: { retreat: soon }\n");
    let top = spec.parent().expect("it lies in a folder").to_str().expect("it is UTF-8");
    for command in ["validate", "run"] {
        let inputs = [("command", command), ("spec", "rollout.yaml"), ("working-directory", top)];
        let step = Step::new("alice", &inputs).with("GITHUB_WORKSPACE", top);
        let ended = step.begin(&place, None).end();
        assert_eq!(ended.code, Some(2), "{ended}");
        let log: Vec<String> = ended.text().lines().map(str::to_owned).collect();
        let found = commands(&log);
        let text = std::fs::read_to_string(&spec).expect("it is there");
        let line = text.lines().position(|line| line.starts_with("colour")).expect("it is there") + 1;
        let at = format!("title=invalid spec,file=rollout.yaml,line={line},endLine={line},col=1,endColumn=7::");
        assert!(found.iter().any(|line| line.contains(&at)), "{at}: {ended}");
        assert_eq!(step.outputs()["exit-code"], "2");
    }
}

#[test]
fn no_more_errors_are_annotated_than_github_shows() {
    let place = Place::new();
    let many = (0..30).map(|n| format!("key{n}: 1")).collect::<Vec<_>>().join("\n");
    let spec = place.spec(&many);
    let step = Step::new("alice", &[("spec", spec.to_str().expect("it is UTF-8"))]);
    let ended = step.begin(&place, None).end();
    let log: Vec<String> = ended.text().lines().map(str::to_owned).collect();
    assert_eq!((ended.code, count(&log, "error")), (Some(2), 10), "{ended}");
}
