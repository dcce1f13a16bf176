//! `report`, `watch` and the list of `history`: what is read of journals, old, torn, damaged and running.

use std::path::Path;

use super::support::{Sandbox, end};

const OVER: &str = "web-20261123-140509-beef";
const OTHER: &str = "web-20261124-090000-0a1b";

/// Puts a journal of the repository in place of a rollout.
fn recorded(sandbox: &Sandbox, name: &str, change: impl Fn(String) -> String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals").join(name);
    let folder = sandbox.state().join("rollouts").join(OVER);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("tape.jsonl"), change(std::fs::read_to_string(file).unwrap())).unwrap();
}

#[test]
fn every_old_journal_has_a_page() {
    let journals = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals")).unwrap();
    let mut seen = 0;
    for name in journals.map(|recorded| recorded.unwrap().file_name().into_string().unwrap()) {
        let sandbox = Sandbox::new();
        recorded(&sandbox, &name, |text| text);
        let page = sandbox.run(&["report"]).is(0).harmless();
        // Later formats end before the traffic is read back.
        let over = name.starts_with("format-1");
        let title = if over { "rolled back: web is served by web-blue" } else { "web is going back" };
        let exit = if over { "11: rolled back by a person" } else { "nobody drives it" };
        for part in ["<!DOCTYPE html>", title, exit, "rollback by ana@ci: checkout is slow", "turned back here"] {
            assert!(page.out.contains(part), "{part} is not in the page of {name}\n{}", page.out);
        }
        let markdown = sandbox.run(&["report", "web", "--format", "markdown"]).is(0).harmless();
        assert!(markdown.out.starts_with(&format!("## {title}")), "{}", markdown.out);
        assert!(markdown.out.contains("ana@&#8203;ci"), "{}", markdown.out);
        seen += 1;
    }
    assert!(seen >= 4);
}

#[test]
fn a_damaged_journal_has_a_page_as_far_as_it_goes() {
    let sandbox = Sandbox::new();
    recorded(&sandbox, "format-3.jsonl", |text| text.replacen("SIGTERM", "SIGHUPS", 1));
    for format in ["html", "markdown"] {
        let page = sandbox.run(&["report", "--format", format]).is(0).harmless();
        page.says(&["as far as the journal can be read", "is damaged"]);
    }
    recorded(&sandbox, "format-3.jsonl", |text| text[..text.len() - 20].to_owned());
    sandbox.run(&["report"]).is(0).says(&["are no whole line"]);
    recorded(&sandbox, "format-3.jsonl", |text| text.replacen("\"format\":3", "\"format\":9", 1));
    sandbox.run(&["report"]).is(15);
}

#[test]
fn a_page_goes_where_it_is_asked_to() {
    let sandbox = Sandbox::new();
    sandbox.rollout(OVER, 23);
    let said = sandbox.run(&["report", "web", "--output", "page.html"]).is(0).says(&["written: page.html"]);
    assert_eq!(said.out, "");
    let page = std::fs::read_to_string(sandbox.path().join("page.html")).unwrap();
    assert!(page.ends_with("</html>\n"));
    sandbox.run(&["report", "--output", "nowhere/page.html"]).is(2).says(&["cannot write nowhere/page.html"]);
    sandbox.run(&["report", "--json"]).is(2).says(&["history ROLLOUT --json"]);
    sandbox.run(&["report", "nope"]).is(2).says(&["no rollout is called `nope`"]);
}

#[test]
fn watching_what_is_over_tells_it_and_ends_as_it_ended() {
    let sandbox = Sandbox::new();
    sandbox.rollout(OVER, 23);
    let told = sandbox.run(&["watch"]).is(11).harmless();
    told.says(&["step 1 of 8", "going back: rollback by ana@ci", "\n\n↩ rolled back: web is served by"]);
    let events = sandbox.run(&["watch", "web", "--json"]).is(11).harmless().json();
    assert_eq!((&events[0]["type"], &events.last().unwrap()["type"]), (&"version".into(), &"finished".into()));
    sandbox.run(&["watch", "nope"]).is(2).says(&["no rollout is called `nope`"]);
    sandbox.run(&["watch", "web", "--timeout", "soon"]).is(2).says(&["a time-out is from 1s to 7 days"]);
}

#[test]
fn watching_ends_at_its_time_out() {
    let sandbox = Sandbox::new();
    sandbox.rollout(OTHER, 3);
    let said = sandbox.run(&["watch", "--timeout", "1s"]).is(13).harmless();
    let said = said.says(&["is not over after 1s of watching", "tidegate status web-"]);
    assert!(said.out.contains("step 1 of 8"), "{}", said.out);
    let json = sandbox.run(&["watch", "--timeout", "1s", "--json"]).is(13).json();
    assert_eq!(json.last().unwrap()["exit"], 13);
}

#[test]
fn watching_asks_which_when_several_are_not_over() {
    let sandbox = Sandbox::new();
    sandbox.rollout(OVER, 3);
    sandbox.rollout(OTHER, 3);
    sandbox.run(&["watch"]).is(2).says(&["2 rollouts are not over: say which", OVER, OTHER, "`tidegate watch web-"]);
    sandbox.run(&["watch", OVER, "--timeout", "1s"]).is(13);
}

#[test]
fn a_list_is_as_long_as_asked_and_of_the_name_that_is_asked() {
    let sandbox = Sandbox::new();
    for n in 0..25 {
        sandbox.rollout(&format!("web-20261123-1405{n:02}-beef"), if n == 24 { 3 } else { 23 });
    }
    sandbox.rollout("shop-20261123-150000-0001", 23);
    let list = sandbox.run(&["history"]).is(0).harmless().says(&["6 rollouts more: `--limit`"]);
    assert_eq!(list.out.lines().count(), 20);
    assert!(list.out.lines().all(|line| line.contains("ana") || line.contains("abandoned")), "says why: {}", list.out);
    assert_eq!(sandbox.run(&["history", "--limit", "3"]).is(0).out.lines().count(), 3);
    assert_eq!(sandbox.run(&["history", "--json"]).is(0).json().len(), 26);
    let shop = sandbox.run(&["history", "--name", "shop", "--json"]).is(0).json();
    assert_eq!((shop.len(), &shop[0]["name"], &shop[0]["exit"]), (1, &"shop".into(), &11.into()));
    assert!(shop[0]["why"].as_str().unwrap().contains("checkout is slow"), "{}", shop[0]);
    sandbox.run(&["history", "--name", "nope"]).is(2).says(&["no rollout of `nope` is in this store"]);
    sandbox.run(&["history", "web", "--limit", "3"]).is(2).says(&["cannot be used with"]);
    assert_eq!(sandbox.run(&["history", "--days", "1", "--json"]).is(0).out.lines().count() % 26, 0, "all or none");
}

#[test]
fn figures_are_told_to_people_programs_and_prometheus() {
    let sandbox = Sandbox::new();
    sandbox.run(&["history", "--figures"]).is(0).says(&["no rollout to count yet"]);
    sandbox.rollout(OVER, 23);
    sandbox
        .run(&["history", "--figures", "--name", "web"])
        .is(0)
        .harmless()
        .says(&["web\n\n  rollouts     1 in", "0 promoted"]);
    let json = sandbox.run(&["history", "--figures", "--json"]).is(0).json();
    assert_eq!((&json[0]["type"], &json[0]["rolled_back"]), (&"figures".into(), &1.into()));
    let out = sandbox.run(&["history", "--prometheus", "-"]).is(0).out;
    assert!(out.contains("tidegate_rollouts{name=\"web\",outcome=\"rolled_back\"} 1\n"), "{out}");
    let file = sandbox.file("tidegate.prom", "old");
    sandbox.run(&["history", "--prometheus", &file]).is(0);
    assert_eq!(std::fs::read_to_string(sandbox.path().join(&file)).unwrap(), out);
    let left = std::fs::read_dir(sandbox.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains(".tmp")));
    sandbox.run(&["history", "--prometheus", "nowhere/x.prom"]).is(2).says(&["cannot write nowhere/x.prom"]);
}

#[test]
fn hostile_words_in_a_reason_reach_no_reader() {
    let sandbox = Sandbox::new();
    // What stands in an argument is as foreign as what stands on a journal.
    let foul = "x\u{1b}[31m<script>::error::y";
    let mut command = sandbox.command(&["watch", foul]);
    command.env("TERM", "xterm");
    end(command).is(2).harmless();
    sandbox.run(&["history", "--name", foul]).is(2).harmless();
    sandbox.run(&["report", foul]).is(2).harmless();
}
