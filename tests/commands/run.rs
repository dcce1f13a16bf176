//! `tidegate run`: before anything happens, and a whole rollout as its lines and its events tell it.

use super::support::{Sandbox, end, example};

#[test]
fn without_a_terminal_the_answer_is_given_in_advance() {
    let sandbox = Sandbox::new();
    for words in [&["run", "SPEC"][..], &["run", "SPEC", "--lab"], &["run", "SPEC", "--json"]] {
        let words: Vec<String> = words.iter().map(|word| word.replace("SPEC", &example("canary.yaml"))).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = sandbox.run(&words).is(2).says(&["cannot ask for confirmation: no terminal", "`--yes`"]);
        assert!(!said.out.contains("started"), "{}", said.out);
    }
    assert!(!sandbox.state().exists(), "nothing was begun");
}

#[test]
fn a_lab_s_words_without_a_lab_are_refused() {
    let sandbox = Sandbox::new();
    let spec = example("canary.yaml");
    for words in [["--lab-candidate", "errors=5%"], ["--lab-speed", "10"], ["--lab-fault", "error=5%"]] {
        sandbox.run(&["run", &spec, "--yes", words[0], words[1]]).is(2).says(&["--lab"]);
    }
    sandbox.run(&["run", &spec, "--lab", "--lab-speed", "1000"]).is(2).says(&["a number from 0.1 to 100"]);
}

#[test]
fn without_a_region_or_credentials_it_says_what_is_missing() {
    let sandbox = Sandbox::new();
    let spec = example("canary.yaml");
    for command in [&["plan"][..], &["run", "--yes"]] {
        let words = [command, &[spec.as_str()]].concat();
        sandbox.run(&words).is(2).says(&["no region", "`target.region`", "`--region`", "AWS_REGION"]);
        let words = [&words[..], &["--region", "eu-west-1"]].concat();
        let said = sandbox.run(&words).is(16).says(&["no credentials found", "`--profile`", "`--lab`"]);
        assert!(said.err.lines().all(|line| line.len() < 200), "{}", said.err);
        let json = sandbox.run(&[&words[..], &["--json"]].concat()).is(16).json();
        assert_eq!(json[0]["exit"], 16);
    }
    let words = ["plan", &spec, "--region", "eu-west-1", "--profile", "nobody"];
    sandbox.run(&words).is(16).says(&["with profile nobody"]);
}

#[test]
fn an_endpoint_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    let spec = example("canary.yaml");
    let mut command =
        sandbox.command(&["plan", &spec, "--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:9"]);
    command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y");
    end(command).is(1).says(&["http://127.0.0.1:9", "Connection refused", "nothing was changed"]);
}

#[test]
fn a_rehearsal_tells_lines_and_an_account() {
    let sandbox = Sandbox::new();
    let spec = sandbox.quick("");
    let said = sandbox.run(&["run", &spec, "--lab", "--yes", "--lab-speed", "60"]).is(0).harmless();
    // A machine that is busy does not keep the speed, and says so before.
    let first = said.err.lines().find(|line| line.starts_with("rollout web-")).unwrap().to_owned();
    let takes = said.err.lines().find(|line| line.starts_with("it takes ")).unwrap_or_default();
    assert!(takes.ends_with("× real time"), "{}", said.err);
    assert!(said.out.starts_with("✔ promoted: web is served by web-green, the new release\n\n"), "{}", said.out);
    let said =
        said.says(&["step 1 of 10: register the task definition", "10% on the candidate, read back", "clients sent"]);
    assert!(said.out.lines().all(|line| line.chars().count() <= 100), "{}", said.out);
    // It is kept, told again, and over.
    sandbox.run(&["history", "--lab"]).is(0).says(&["promoted", "(lab)"]);
    sandbox.run(&["status"]).is(0).says(&["promoted: web is served by web-green"]);
    let id = first.strip_prefix("rollout ").and_then(|rest| rest.split([':', ' ']).next()).unwrap();
    sandbox.run(&["rollback", id]).is(15).says(&["was promoted at", "it was a rehearsal"]);
    sandbox.run(&["resume", id]).is(0).says(&["nothing to go on with"]);
}

#[test]
fn a_rehearsal_for_programs_is_lines_of_json() {
    let sandbox = Sandbox::new();
    let spec = sandbox.quick(
        "  - metric:
      name: errors
      inputs:
        errors: { metric: HTTPCode_Target_5XX_Count, statistic: Sum, of: candidate, absent: zero }
        requests: { metric: RequestCount, statistic: Sum, of: candidate }
      expression: 100 * errors / requests
      above: 5
",
    );
    let words = ["run", &spec, "--lab", "--yes", "--json", "--lab-speed", "60", "--lab-candidate", "errors=100%"];
    let said = sandbox.run(&words).is(10).harmless();
    let events = said.json();
    assert_eq!((&events[0]["type"], &events[0]["format"]), (&"version".into(), &1.into()));
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    for kind in ["started", "step_started", "shifted", "judged", "retreating", "traffic_back", "finished", "lab"] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    let finished = events.iter().find(|event| event["type"] == "finished").unwrap();
    assert_eq!((&finished["outcome"], &finished["reason"]["kind"]), (&"rolled_back".into(), &"breach".into()));
    let told = sandbox.run(&["history", "web", "--json"]).is(0).json();
    assert_eq!(told[1..], events[1..events.len() - 1], "told again, it is the same story");
}
