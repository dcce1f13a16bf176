//! The closing account of each ending.

use super::super::sample::{ASCII, FINE, FOUL, ID, NARROW, Page, all, at, denied, plan, share, story, stranded};
use super::*;
use crate::domain::fleet::Role;
use crate::machine::{Foreign, Kept, Leaving, StaysOff, Stranding, Undone};

fn summary(notices: &[(Timestamp, Notice)]) -> Summary {
    let mut summary = Summary::new();
    for (at, notice) in notices {
        summary.take(*at, notice);
    }
    summary
}

fn check(summary: &Summary, style: Style, expected: &str) {
    let text = summary.text(ID, &plan(), style);
    assert_eq!(text, expected.trim_start_matches('\n'), "\n{text}");
}

fn ending(last: Vec<Notice>) -> Summary {
    let mut notices = story()[..10].to_vec();
    notices.extend(last.into_iter().map(|notice| (at(1_942), notice)));
    summary(&notices)
}

#[test]
fn a_rollback_says_why_and_what_it_cost() {
    check(
        &summary(&story()),
        FINE,
        "
↩ rolled back: web is served by web-blue, the release before

  why          gate candidate-errors failed (19.8 against at most 1 at 14:06:00)
  traffic      back on web-blue at 14:07:32, after 0.6s; the rule gave the
               candidate at most 25%
  candidate    served 1,204 requests, 238 of them failed (19.8%)
  time         7m 25s, 2026-11-23T14:05:09Z to 14:12:34Z, by alice@ci
  release      family web with images app=registry.example.com/web:v2 in place
               of web:41
  where        eu-west-1, account 123456789012, cluster prod

  next         tidegate history web-20261123-140509-0a1b
",
    );
}

#[test]
fn stickiness_that_stays_off_comes_with_the_call_that_turns_it_on() {
    let mut story = story();
    story.insert(12, (at(444), Notice::StickinessOff { why: StaysOff::Refused(denied()) }));
    let (summary, plan) = (summary(&story), plan());
    let text = summary.text(ID, &plan, FINE);
    assert!(text.contains("  left undone  stickiness of the rule stays off: ModifyRule: AccessDenied\n"), "{text}");
    assert!(
        text.contains("  By hand:\n  1. turn stickiness on again") && text.contains("aws elbv2 modify-rule"),
        "{text}"
    );
    let calls = &summary.json(ID, &plan)["calls"];
    let command = calls[0]["command"].as_str().unwrap();
    assert!(command.ends_with(&format!("--actions '{}'", plan.before.actions_json)), "{command}");
    assert_eq!(calls.as_array().map(Vec::len), Some(1));
}

#[test]
fn a_promotion_says_who_why_and_what_was_skipped() {
    let by = || "bob".to_owned();
    let mut summary = ending(vec![
        Notice::Promoting { by: by(), reason: Some("it is urgent".to_owned()) },
        Notice::Skipped { step: 4, by: by() },
        Notice::Skipped { step: 6, by: by() },
        Notice::Finished(Outcome::Promoted),
    ]);
    summary.reason = None;
    let text = summary.text(ID, &plan(), FINE);
    assert!(text.contains("  promoted     promoted by bob (it is urgent); skipped: hold 5m, hold 10m\n"), "{text}");
    assert_eq!(summary.json(ID, &plan())["promoted"]["skipped"], serde_json::json!(["hold 5m", "hold 10m"]));
}

#[test]
fn a_rollback_fits_40_columns() {
    check(
        &summary(&story()),
        NARROW,
        "
<- rolled back: web is served by
   web-blue, the release before

  why          gate candidate-errors
               failed (19.8 against at
               most 1 at 14:06:00)
  traffic      back on web-blue at
               14:07:32, after 0.6s; the
               rule gave the candidate
               at most 25%
  candidate    served 1,204 requests,
               238 of them failed
               (19.8%)
  time         7m 25s,
               2026-11-23T14:05:09Z to
               14:12:34Z, by alice@ci
  release      family web with images
               app=registry.example.com/
               web:v2 in place of web:41
  where        eu-west-1, account
               123456789012, cluster
               prod

  next         tidegate history web-20261123-140509-0a1b
",
    );
}

#[test]
fn a_promotion_is_brief() {
    let notices = [
        (at(0), Notice::Started { by: "alice@ci".to_owned() }),
        (at(30), Notice::Shifted { share: Share::ALL, took: Duration::from_millis(400) }),
        (at(900), Notice::Committed),
        (at(901), Notice::LeftUndone { what: Undone::OldSlot(Kept::Refused(denied())) }),
        (at(901), Notice::Counted(Served { requests: 52_114, failed: 0, since_full: Some(41_204) })),
        (at(1_200), Notice::Finished(Outcome::Promoted)),
    ];
    check(
        &summary(&notices),
        ASCII,
        "
ok promoted: web is served by web-green, the new release

  traffic      the rule gave the candidate all of it
  candidate    served 52,114 requests, none of them failed
  time         20m, 2026-11-23T14:05:09Z to 14:25:09Z, by alice@ci
  left undone  the old stable slot keeps its tasks: ModifyRule: AccessDenied
  release      family web with images app=registry.example.com/web:v2 in place
               of web:41
  where        eu-west-1, account 123456789012, cluster prod

  next         tidegate resume web-20261123-140509-0a1b
",
    );
}

#[test]
fn that_a_release_serves_is_said_only_of_requests_counted_since_it_has_all_the_weight() {
    let says = |served: Option<(u64, Option<u64>)>, sign, words: &str| {
        let counted = served.map(|(requests, since_full)| Served { requests, failed: 0, since_full });
        let notices = [
            Some((at(30), Notice::Shifted { share: Share::ALL, took: Duration::from_millis(400) })),
            counted.map(|served| (at(901), Notice::Counted(served))),
            Some((at(1_200), Notice::Finished(Outcome::Promoted))),
        ];
        let notices: Vec<_> = notices.into_iter().flatten().collect();
        assert_eq!(summary(&notices).headline(&plan()), (sign, format!("promoted: {words}")), "{served:?}");
    };
    says(Some((90, Some(80))), Sign::Good, "web is served by web-green, the new release");
    let none = "the rule gives web-green everything, and no request is counted there since";
    says(Some((90, Some(0))), Sign::Heed, none);
    says(Some((0, None)), Sign::Heed, none);
    // Those counted may all have come while it had a part of the weight, or before they were counted apart.
    let uncounted = "the rule gives web-green everything; what it serves since is not counted";
    says(Some((90, None)), Sign::Good, uncounted);
    says(None, Sign::Good, uncounted);
}

#[test]
fn a_stranded_rollout_says_what_to_do_by_hand() {
    check(
        &ending(vec![Notice::Finished(stranded())]),
        ASCII,
        r#"
x  stranded: web needs a person, now

  stranded     ModifyRule: AccessDenied
  why          gate candidate-errors failed (19.8 against at most 1 at 14:06:00)
  traffic      not verified to be back on web-blue; the rule gave the candidate
               at most 25%
  candidate    what it served was not counted
  time         32m 22s, 2026-11-23T14:05:09Z to 14:37:31Z, by alice@ci
  release      family web with images app=registry.example.com/web:v2 in place
               of web:41
  where        eu-west-1, account 123456789012, cluster prod

  By hand, in this order:
  1. see whether the stable slot has healthy targets
     aws elbv2 describe-target-health --region eu-west-1 \
       --target-group-arn arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web-blue/0123456789abcdef
  2. only if it has none: give it its tasks, and wait until they are healthy
     aws ecs update-service --region eu-west-1 --cluster prod \
       --service web-blue --desired-count 4
  3. give all traffic to the stable slot, as the rule stood before
     aws elbv2 modify-rule --region eu-west-1 \
       --rule-arn arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee \
       --actions '[{"Type":"forward","ForwardConfig":{"TargetGroups":[{"TargetGroupArn":"blue","Weight":100}]}}]'
  4. see who gets the traffic
     aws elbv2 describe-rules --region eu-west-1 \
       --rule-arns arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee
  5. once the candidate slot has had no requests for some minutes, set it back
     aws ecs update-service --region eu-west-1 --cluster prod \
       --service web-green --desired-count 0

  next         tidegate rollback web-20261123-140509-0a1b
"#,
    );
}

#[test]
fn a_hand_over_says_how_to_go_on() {
    let why = Leaving::StoppedAfterCommit("SIGINT".to_owned());
    let text = ending(vec![Notice::HandedOver { why }]).text(ID, &plan(), ASCII);
    assert!(text.starts_with("|| handed over: web is not finished\n"), "{text}");
    assert!(text.ends_with(&format!("next         tidegate resume {ID}\n")), "{text}");
    let why = Leaving::TakenOver { by: "bob@ci".to_owned() };
    let taken = ending(vec![Notice::HandedOver { why }]).text(ID, &plan(), ASCII);
    assert!(taken.contains("  handed over  bob@ci took over\n"), "{taken}");
    assert!(taken.ends_with(&format!("next         tidegate status {ID}\n")), "{taken}");
}

#[test]
fn a_foreign_write_prints_once_what_keeps_terraform_off() {
    let mut meddled = story();
    for to in [Foreign::Rule, Foreign::Service(Role::Stable)] {
        let found = "web-blue 30, web-green 70".to_owned();
        meddled.insert(3, (at(60), Notice::ForeignWrite { to, found, expected: share(25) }));
    }
    let text = summary(&meddled).text(ID, &plan(), ASCII);
    let blocks = "
  If Terraform wrote it: with these blocks it leaves alone what a rollout moves.
     # aws_lb_listener_rule
     lifecycle {
       ignore_changes = [action]
     }
     # aws_ecs_service
     lifecycle {
       ignore_changes = [task_definition, desired_count]
     }
";
    assert_eq!(text.matches(blocks).count(), 1, "{text}");
    assert!(!summary(&story()).text(ID, &plan(), ASCII).contains("lifecycle"));
}

#[test]
fn nothing_steers_the_terminal() {
    let notices: Vec<_> = all().into_iter().map(|notice| (at(0), notice)).collect();
    for end in [
        Notice::Finished(Outcome::Stranded { reason: None, why: Stranding::Overwritten { found: FOUL.to_owned() } }),
        notices[3].1.clone(),
    ] {
        let mut summary = summary(&notices);
        summary.take(at(1), &end);
        let text = summary.text("web\u{1b}", &plan(), ASCII);
        assert!(!text.replace('\n', "").contains(crate::domain::text::is_hidden), "{text:?}");
    }
}

#[test]
fn programs_read_the_same_account() {
    let value = ending(vec![Notice::Finished(stranded())]).json(ID, &plan());
    assert_eq!(value["outcome"], "stranded");
    assert_eq!(value["reason"]["kind"], "breach");
    assert_eq!(value["highest_percent"], 25);
    let command = value["calls"][2]["command"].as_str().unwrap();
    assert!(command.starts_with("aws elbv2 modify-rule --region eu-west-1 --rule-arn arn:"), "{command}");
}

#[test]
fn the_account_is_written_once_at_the_end() {
    let page = Page::default();
    let mut closing = Closing::new(Box::new(page.clone()), ID, FINE);
    for (at, notice) in story() {
        assert_eq!(page.text(), "");
        closing.write(at, &notice, &plan());
    }
    assert_eq!(page.text(), summary(&story()).text(ID, &plan(), FINE));
}
