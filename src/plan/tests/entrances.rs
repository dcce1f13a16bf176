//! What leads to the slots beside the rollout's rule.

use super::*;
use crate::domain::fleet::{Above, Entrance, OtherRule};
use crate::gate::ProbeRule;

const TEST: &str = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:listener-rule/app/web/1/8/9";

/// A rule on `port` that looks at `headers` and leads to `slot`.
fn rule(port: u16, headers: &[&str], slot: &SlotView) -> Entrance {
    let headers = headers.iter().map(|header| (*header).to_owned()).collect();
    let target_group = slot.place.target_group.clone();
    let what = format!("rule 9 forwards to {} too", slot.place.target_group_name);
    let rule = OtherRule { rule: TEST.into(), port, headers, target_group, ..OtherRule::default() };
    Entrance { what, rule: Some(rule), tolerated: false }
}

/// A rule on port 443 that looks at this host, or at this path.
fn looking_at(host: Option<&str>, path: Option<&str>, slot: &SlotView) -> Entrance {
    let entrance = rule(443, &[], slot);
    let of = |pattern: Option<&str>| pattern.map(ToOwned::to_owned).into_iter().collect();
    let rule = entrance.rule.map(|rule| OtherRule { hosts: of(host), paths: of(path), ..rule });
    Entrance { rule, ..entrance }
}

fn registry() -> Entrance {
    let what = "service web-blue registers its tasks in Cloud Map, as srv-1".into();
    Entrance { what, rule: None, tolerated: false }
}

/// A spec with a probe that goes to `url` and sends `header`.
fn probing(url: &str, header: Option<&str>) -> Spec {
    let probe = ProbeRule {
        url: url.into(),
        headers: header.iter().map(|name| ((*name).to_owned(), "green".to_owned())).collect(),
        status: 200,
        contains: None,
        times: 1,
        timeout: minutes(1),
        within: minutes(5),
    };
    let mut spec = blue_green();
    spec.gates.push(Gate { name: "home".into(), check: Check::Probe(probe), watch: false });
    spec
}

#[test]
fn another_way_to_a_slot_is_refused_unless_only_tests_come_by_it() {
    let at = survey();
    let (stable, candidate) = (&at.blue, &at.green);
    let bare = blue_green();
    let by_port = probing("http://{load_balancer}:8080/", None);
    let by_header = probing("https://{load_balancer}/health", Some("x-slot"));
    let elsewhere = probing("http://10.0.0.1:8080/", Some("X-Slot"));
    let check = |spec: &Spec, entrance: Entrance, fits: bool| {
        // What leads to what serves is no way for a probe of the candidate, which needs one of its own.
        let rule_of = |slot| Entrance {
            rule: entrance.rule.clone().map(|rule| OtherRule { target_group: slot, ..rule }),
            ..entrance.clone()
        };
        let both = vec![entrance.clone(), rule_of(candidate.place.target_group.clone())];
        let survey = Survey { entrances: if fits { both } else { vec![entrance.clone()] }, ..survey() };
        match compile(spec, &survey, registered()) {
            Ok(plan) => assert!(fits && plan.before.test_rules.iter().all(|rule| rule == TEST), "{entrance:?}"),
            Err(refused) => {
                let said = refused.to_string();
                assert!(!fits && said.contains(&entrance.what), "{entrance:?}: {said}");
                let helps = |help: &String| help.contains("give ");
                let told = refused.0.iter().find(|one| one.wrong.contains(&entrance.what));
                assert!(told.and_then(|one| one.help.as_ref()).is_some_and(helps), "{:?}", refused.0);
            }
        }
    };
    check(&bare, rule(8080, &[], stable), false);
    check(&bare, rule(8080, &[], candidate), false);
    check(&bare, registry(), false);
    check(&by_port, rule(8080, &[], candidate), true);
    check(&by_port, rule(8081, &[], candidate), false);
    // A listener of its own that leads to what serves is no test.
    check(&by_port, rule(8080, &[], stable), false);
    check(&by_header, rule(443, &["x-slot"], candidate), true);
    check(&by_header, rule(443, &["x-slot"], stable), true);
    check(&by_header, rule(443, &["x-other"], candidate), false);
    check(&by_header, rule(443, &[], candidate), false);
    check(&by_header, rule(8443, &["x-slot"], stable), false);
    // The probe asks for /health and sends the host "green".
    let by_host = probing("https://{load_balancer}/health?full", Some("Host"));
    check(&by_host, looking_at(Some("gr?en"), None, candidate), true);
    check(&by_host, looking_at(Some("web.*"), None, candidate), false);
    check(&by_host, looking_at(None, Some("/hea*"), candidate), true);
    check(&by_host, looking_at(None, Some("/admin/*"), candidate), false);
    check(&by_host, looking_at(None, Some("/*"), candidate), false);
    check(&elsewhere, rule(8080, &["x-slot"], candidate), false);
}

#[test]
fn what_brings_back_what_served_goes_on_beside_other_ways_and_tells_them() {
    let entrances = vec![Entrance { tolerated: true, ..rule(80, &[], &survey().blue) }];
    let plan = compile(&blue_green(), &Survey { entrances, ..survey() }, registered()).unwrap();
    assert!(plan.warnings.iter().any(|said| said.contains("rule 9 forwards to web-blue too")), "{:?}", plan.warnings);
    assert!(plan.before.test_rules.is_empty());
}

#[test]
fn a_rule_that_takes_requests_before_the_rollouts_is_named() {
    let one = |rule: &str, all| Above { rule: rule.into(), what: format!("rule {rule} (path /x)"), all };
    let said = |above: Vec<Above>| {
        let mut at = survey();
        at.rule.above = above;
        // The probe goes by rule 9 on another port, which leads to the candidate.
        at.entrances = vec![rule(8080, &[], &at.green)];
        let spec = probing("http://{load_balancer}:8080/", None);
        let warnings = compile(&spec, &at, registered()).unwrap().warnings;
        warnings.into_iter().filter(|said| said.contains("asked before rule 10")).collect::<Vec<_>>()
    };
    let all = "rule 4 (path /x) is asked before rule 10 and takes all of its requests: its weights lead nobody";
    assert_eq!(said(vec![one("3", false), one("4", true)]), [all]);
    let part = "asked before rule 10, and taking a part of its requests, which this rollout does not move: ";
    let three = "rule 1 (path /x); rule 2 (path /x); rule 3 (path /x)";
    let many: Vec<Above> = ["1", "2", "3", "4", "5"].map(|rule| one(rule, false)).into();
    assert_eq!(said(many), [format!("{part}{three} and 2 more")]);
    assert_eq!(said(vec![one("3", false)]), [format!("{part}rule 3 (path /x)")]);
    assert!(said(vec![]).is_empty());
    assert!(said(vec![one(TEST, true)]).is_empty(), "a rule that only tests come by is no stranger");
}

#[test]
fn the_listeners_of_code_deploys_test_traffic_are_moved_by_it() {
    let listener = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:listener/app/web/1/8";
    for (test, fits) in [(listener, true), (&listener[..listener.len() - 1], false)] {
        let mut at = drivers::live("CODE_DEPLOY", "");
        at.entrances = vec![rule(8080, &[], &at.green)];
        at.code_deploy.as_mut().unwrap().test_listeners = vec![test.to_owned()];
        let spec = drivers::with(drivers::code_deploy(), drivers::all_at_once());
        let compiled = compile(&spec, &at, registered());
        let said = compiled.as_ref().err().map(ToString::to_string);
        assert_eq!(compiled.is_ok(), fits, "{said:?}");
    }
}
