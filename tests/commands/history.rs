//! `status` and `history`: with nothing there, one rollout, several, by id, by its beginning, by name.

use super::support::Sandbox;

const OVER: &str = "web-20261123-140509-beef";
const WAITING: &str = "web-20261124-090000-0a1b";
const WHOLE: usize = 23;

#[test]
fn an_empty_machine_says_so() {
    let sandbox = Sandbox::new();
    let none = sandbox.run(&["history"]).is(0).says(&["no rollouts yet"]);
    assert_eq!(none.out, "");
    let none = sandbox.run(&["history", "--json"]).is(0);
    assert_eq!((none.out.as_str(), none.err.as_str()), ("", ""));
    for command in ["status", "resume", "rollback", "abort", "pause", "continue", "approve"] {
        sandbox.run(&[command]).is(2).says(&["there is no rollout in this store yet", "tidegate run SPEC"]);
        sandbox.run(&[command, "nope"]).is(2).says(&["no rollout is called `nope`", "tidegate history"]);
        let said = sandbox.run(&[command, "--json"]).is(2);
        let line = &said.json()[0];
        assert_eq!((&line["type"], &line["exit"]), (&"error".into(), &2.into()), "{line}");
        assert_eq!(said.err, "");
    }
    sandbox.run(&["history", "nope"]).is(2).says(&["no rollout is called `nope`"]);
}

#[test]
fn a_rollout_is_found_by_id_beginning_and_name() {
    let sandbox = Sandbox::new();
    sandbox.rollout(OVER, WHOLE);
    sandbox.rollout("web-20261123-150000-0001", WHOLE);
    sandbox.rollout("shop-20261123-150000-0001", WHOLE);
    for text in [OVER, "web-20261123-140509"] {
        sandbox.run(&["status", text]).is(0).says(&[OVER]);
    }
    // A name means the newest.
    sandbox.run(&["status", "web"]).is(0).says(&["web-20261123-150000-0001"]);
    let both = [OVER, "web-20261123-150000-0001", "tidegate history"];
    sandbox.run(&["status", "web-2026"]).is(2).says(&both);
    sandbox.run(&["history", "web-2026", "--json"]).is(2).says(&both[..2]);
    sandbox.run(&["status", ""]).is(2).says(&["no rollout is called ``"]);
    sandbox.run(&["status", "../../etc"]).is(2);
}

#[test]
fn what_is_not_over_comes_first() {
    let sandbox = Sandbox::new();
    sandbox.rollout(WAITING, 3);
    sandbox.rollout("web-20261125-000000-ffff", WHOLE);
    let status = sandbox.run(&["status"]).is(0).harmless().says(&[WAITING, "Nobody drives it", "tidegate resume"]);
    assert!(status.out.contains("step 1 of 8"), "{}", status.out);
    sandbox.run(&["status", "web"]).is(0).says(&[WAITING]);
    let json = sandbox.run(&["status", "--json"]).is(0).harmless().json();
    assert_eq!((&json[0]["id"], &json[0]["runner"]), (&WAITING.into(), &false.into()));
    assert_eq!(json[0]["outcome"], serde_json::Value::Null);
}

#[test]
fn the_list_has_a_line_for_each() {
    let sandbox = Sandbox::new();
    sandbox.rollout(OVER, WHOLE);
    sandbox.rollout(WAITING, 3);
    sandbox.rollout("broken-20261123-140509-beef", 0);
    let list = sandbox.run(&["history"]).is(0).harmless();
    assert_eq!(list.out.lines().count(), 3, "{}", list.out);
    for (id, state) in [(OVER, "rolled back"), (WAITING, "abandoned"), ("broken-2", "unreadable")] {
        assert!(list.out.lines().any(|line| line.contains(id) && line.contains(state)), "{}", list.out);
    }
    let json = sandbox.run(&["history", "--json"]).is(0).json();
    assert_eq!(json.len(), 3);
    assert!(json.iter().all(|line| line["lab"] == false));
    let waiting = json.iter().find(|line| line["id"] == WAITING).unwrap();
    assert_eq!((&waiting["state"], &waiting["driven"]), (&"not_over".into(), &false.into()));
    let over = json.iter().find(|line| line["id"] == OVER).unwrap();
    assert_eq!((&over["by"], &over["driven"]), (&"ana@laptop".into(), &serde_json::Value::Null));
    assert!(list.out.contains(" in place of web:"), "names the release: {}", list.out);
    sandbox.run(&["status", "broken"]).says(&["error[TG0"]);
}

#[test]
fn rehearsals_are_listed_where_they_are_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.rehearsal(OVER, WHOLE);
    let list = sandbox.run(&["history"]).is(0).says(&["1 rehearsal not shown: `--lab` shows them too"]);
    assert_eq!(list.out, "");
    sandbox.run(&["history", "--lab"]).is(0).says(&[OVER, "(lab)"]);
    assert_eq!(sandbox.run(&["history", "--lab", "--json"]).is(0).json()[0]["lab"], true);
}

#[test]
fn a_rollout_is_told_again_from_its_journal() {
    let sandbox = Sandbox::new();
    sandbox.rollout(OVER, WHOLE);
    let told = sandbox.run(&["history", "web"]).is(0).harmless();
    let parts = ["step 1 of 8", "going back: rollback by ana@ci: checkout is slow", "↩ rolled back: web is served by"];
    let told = told.says(&parts);
    assert!(told.out.contains("\n\n↩ rolled back"), "the account stands apart: {}", told.out);
    let events = sandbox.run(&["history", "web", "--json"]).is(0).harmless().json();
    assert_eq!((&events[0]["type"], &events[0]["format"]), (&"version".into(), &1.into()));
    assert_eq!(events.last().unwrap()["outcome"], "rolled_back");
    assert!(events[1..].iter().all(|event| event["at"].is_string()));
}

#[test]
fn a_torn_or_damaged_journal_is_told_as_far_as_it_goes() {
    let sandbox = Sandbox::new();
    sandbox.rollout(OVER, WHOLE);
    let path = sandbox.state().join("rollouts").join(OVER).join("tape.jsonl");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    sandbox.run(&["history", OVER]).is(0).says(&["no whole line"]);
    std::fs::write(&path, whole.replacen("ana@laptop", "eve@laptop", 1)).unwrap();
    sandbox.run(&["history", OVER]).is(0).harmless().says(&["is damaged"]);
    sandbox.run(&["resume", OVER]).is(15).says(&["forward is closed", "tidegate rollback"]);
}

#[test]
fn a_state_folder_that_cannot_be_is_told() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("plain", "");
    sandbox.run(&["history", "--state-dir", &file]).is(1).says(&["cannot make plain", "--state-dir"]);
    let mut homeless = sandbox.command(&["history"]);
    homeless.env_remove("HOME").env_remove("TIDEGATE_STATE_DIR");
    super::support::end(homeless).is(2).says(&["no HOME", "--state-dir"]);
    let mut home = sandbox.command(&["history"]);
    home.env_remove("TIDEGATE_STATE_DIR");
    super::support::end(home).is(0);
    assert!(sandbox.path().join("home/.local/state/tidegate").is_dir());
}
