//! The plan on a wide and on a narrow page.

use std::time::Duration;

use super::super::sample;
use super::*;
use crate::gate::compare::{Baseline, CompareRule, Threshold};
use crate::gate::{Check, Gate};
use crate::plan::Release;

const NARROW: &str = "
Plan for web

  where      eu-west-1, account
             123456789012
  cluster    prod
  rule       listener-rule/app/web/50dc6
             c495c0c9188/f2f7dc8efc522ab
             2/9683b2d02a6cabee
  stable     blue: service web-blue,
             target group web-blue
  candidate  green: service web-green,
             target group web-green
  release    web:41 -> a new revision
             from family web with images
             app=registry.example.com/we
             b:v2
  driver     pair: tidegate writes the
             rule, between two services
  fence      the runner's own;
             target.writer_role would
             have AWS keep one too

Steps (weights: stable/candidate)
   1  register the task definition
      weights 100/0
      starts after 0s, may take 1m
   2  prepare 4 candidate tasks
      weights 100/0
      starts after 0s - 1m, may take 15m
   3  probe smoke
      weights 100/0
      starts after 0s - 16m, may take 2m
   4  shift 25% to the candidate
      weights 100/0 -> 75/25
      starts after 0s - 18m, may take 5m
   5  hold 5m
      weights 75/25
      starts after 0s - 23m, may take
      20m
   6  shift 100% to the candidate
      weights 75/25 -> 0/100
      starts after 5m - 43m, may take 5m
   7  hold 10m
      weights 0/100
      starts after 5m - 48m, may take
      25m
   8  commit
      weights 0/100
      starts after 15m - 1h 13m, may
      take 1m
   9  retire the old stable slot
      weights 0/100
      starts after 15m - 1h 14m, may
      take 30m

Gates. No data is never a pass.
  tasks: tasks are healthy within 5m
    and fewer than 3 crash
    needs the service's tasks and the
    load balancer's health checks
  candidate-errors: 100 * errors /
    requests is at most 1 in 2 of 3 per
    1m
    needs 3 datapoints of 1m, each with
    at least 20 in requests, after each
    step: errors = Sum
    HTTPCode_Target_5XX_Count of the
    candidate slot, requests = Sum
    RequestCount of the candidate slot
  web-5xx: alarm web-5xx is quiet
    needs the state and history of alarm
    web-5xx
  smoke:
    http://{load_balancer}:8080/health
    answers 200 3 times in a row
    needs answers within 2s each, before
    any traffic; gives up after 1m
  When a gate fails: go back. When the
  runner is told to stop: go back. When
  somebody else writes the rule: go
  back.

The way back, from any step before the
commit; a person is called after 30m.
  1. only if web-blue has no healthy
     target: give it back its 4 tasks of
     web:41
  2. set the rule's weights to web-blue
     100, web-green 0; read them back
  3. wait until web-green had no request
     for 3 closed minutes
  4. set web-green back to 0 tasks of
     web:40
  From steps 1 to 3: tasks and settings
  alone, as no traffic has moved; a
  registered task definition stays.
  From steps 4 to 8: the traffic at
  once, then tasks and settings.
  From step 9: no way back any more; the
  release before is rolled out like a
  new one.

! the rule has no gate on latency: a
  slow release would pass

Forward in 20m at least, 1h 44m at most;
pauses by people come on top.
";

fn check(page: Page, expected: &str) {
    let text = text(&sample::plan(), page);
    assert_eq!(text, expected.trim_start_matches('\n'), "\n{text}");
    assert!(text.lines().all(|line| columns(line) <= page.width));
}

#[test]
fn a_plan_fits_80_columns() {
    check(
        Page { width: 80, unicode: true },
        "
Plan for web

  where      eu-west-1, account 123456789012
  cluster    prod
  rule       listener-rule/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6
             cabee
  stable     blue: service web-blue, target group web-blue
  candidate  green: service web-green, target group web-green
  release    web:41 → a new revision from family web with images
             app=registry.example.com/web:v2
  driver     pair: tidegate writes the rule, between two services
  fence      the runner's own; target.writer_role would have AWS keep one too

      step                          starts after  stable/candidate  limit
   1  register the task definition  0s            100/0             1m
   2  prepare 4 candidate tasks     0s – 1m       100/0             15m
   3  probe smoke                   0s – 16m      100/0             2m
   4  shift 25% to the candidate    0s – 18m      100/0 → 75/25     5m
   5  hold 5m                       0s – 23m      75/25             20m
   6  shift 100% to the candidate   5m – 43m      75/25 → 0/100     5m
   7  hold 10m                      5m – 48m      0/100             25m
   8  commit                        15m – 1h 13m  0/100             1m
   9  retire the old stable slot    15m – 1h 14m  0/100             30m

Gates. No data is never a pass.
  tasks: tasks are healthy within 5m and fewer than 3 crash
    needs the service's tasks and the load balancer's health checks
  candidate-errors: 100 * errors / requests is at most 1 in 2 of 3 per 1m
    needs 3 datapoints of 1m, each with at least 20 in requests, after each
    step: errors = Sum HTTPCode_Target_5XX_Count of the candidate slot, requests
    = Sum RequestCount of the candidate slot
  web-5xx: alarm web-5xx is quiet
    needs the state and history of alarm web-5xx
  smoke: http://{load_balancer}:8080/health answers 200 3 times in a row
    needs answers within 2s each, before any traffic; gives up after 1m
  When a gate fails: go back. When the runner is told to stop: go back. When
  somebody else writes the rule: go back.

The way back, from any step before the commit; a person is called after 30m.
  1. only if web-blue has no healthy target: give it back its 4 tasks of web:41
  2. set the rule's weights to web-blue 100, web-green 0; read them back
  3. wait until web-green had no request for 3 closed minutes
  4. set web-green back to 0 tasks of web:40
  From steps 1 to 3: tasks and settings alone, as no traffic has moved; a
  registered task definition stays.
  From steps 4 to 8: the traffic at once, then tasks and settings.
  From step 9: no way back any more; the release before is rolled out like a new
  one.

! the rule has no gate on latency: a slow release would pass

Forward in 20m at least, 1h 44m at most; pauses by people come on top.
",
    );
}

#[test]
fn a_plan_fits_40_columns_of_ascii() {
    check(Page { width: 40, unicode: false }, NARROW);
}

#[test]
fn the_widest_table_fits_80_columns() {
    let mut plan = sample::plan();
    plan.gates[3].name = "a-probe-with-quite-a-long-name-indeed".to_owned();
    plan.before.stickiness = Some(Duration::from_secs(3_600));
    for step in &mut plan.steps {
        step.within = Duration::from_secs(7_200);
        if let Action::Shift(share) = &mut step.action {
            *share = Share::from_permille(999).unwrap();
        }
    }
    let text = text(&plan, Page { width: 80, unicode: true });
    assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
    assert!(text.contains("100/0 → 0.1/99.9"), "{text}");
    assert!(text.contains("5. turn stickiness on again, for 1h\n"), "{text}");
}

#[test]
fn foul_text_is_shown() {
    let mut plan = sample::plan();
    let foul = "a\u{1b}[31m\nb\u{202e}".to_owned();
    plan.target.cluster.clone_from(&foul);
    plan.gates[0].name.clone_from(&foul);
    plan.steps[4].action = Action::Approve(foul.clone());
    plan.warnings.push(foul);
    let text = text(&plan, Page { width: 80, unicode: true });
    assert!(!text.replace('\n', "").contains(crate::domain::text::is_hidden), "{text:?}");
}

#[test]
fn a_switch_is_told_before_the_way_back_and_its_end_within() {
    let text = text(&sample::secured(), Page { width: 80, unicode: true });
    let expected = "
The way back, from any step before the commit; a person is called after 30m.
  If the runner's machine dies, AWS does the second of these after 5m, as
  role/dead-man (schedule group default).
  1. only if web-blue has no healthy target: give it back its 4 tasks of web:41
  2. set the rule's weights to web-blue 100, web-green 0; read them back
  3. remove the dead-man's switch, and see that it is gone
  4. wait until web-green had no request for 3 closed minutes
  5. set web-green back to 0 tasks of web:40
  6. set autoscaling back to what it was
  7. take the rollout's tags off the rule
";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("secure the way back") && text.contains("restore what was changed"), "{text}");
}

/// What a plan finds and assumes that compares, on a page of 80 columns.
const FINDS: &str = "
What it finds at 20.1 requests a second, by 60 simulated rollouts of each
  a release that           goes back           half within  harmed
  is no worse              0 % (0 to 6)        -            0
  fails 1 %                98 % (91 to 100)    6m           13
  fails 0.5 %              40 % (29 to 53)     17m          210
  slows down from 20m on   0 % (0 to 6)        -            16,240
  Do not rely on it to find a release that fails 0.5 %, or one that slows down
  from 20m on.
  tidegate simulate SPEC --rps 20.1 --stable errors=0.100%,median=100.0ms

What the comparison assumes
  judged     failures 0.45%, refusals 0.05%, response times 0.45%: so often at
             most a release that is no worse goes back for it
  warm-up    response times do not count for 1m; if the release is slow, for 2m
             to 5m; up to its first 4,000 answers, 22m at most, while it gets
             faster. Errors count from the first request. Nothing is learned
             from earlier rollouts
  hosts      4 tasks a slot are few: their hosts may be faster or slower by 4%
             each, so only above 6.6% slower is worse
  noise      failures scatter 1.0 times as much as chance, speed by 3.1% a
             minute: as in the stable slot's past. Where the rollout's own
             minutes scatter more, those count
";

#[test]
fn what_is_found_and_what_is_not_is_said_in_a_few_plain_lines() {
    let mut plan = sample::plan();
    let mark = |share: f64, stable| Threshold {
        quantile: Some(1.0 - share),
        stable,
        candidate: stable,
        odds: 1.0,
        share,
        noise: 0.01,
        jitter: 0.0,
    };
    let baseline = Baseline { bins: 720, thresholds: vec![mark(0.5, 0.1), mark(0.25, 0.14)], ..Baseline::default() };
    let rule = CompareRule { baseline, hosts: Some(4), ..CompareRule::default() };
    plan.gates = vec![Gate { name: "compare".to_owned(), check: Check::Compare(Box::new(rule)), watch: false }];
    let release = |does, is_bad, back, within, minutes: Option<u64>, harmed| {
        let found = minutes.map(|minutes| Duration::from_millis(60_000 * minutes + 400));
        Release { does, is_bad, back, within, found, promoted: None, harmed }
    };
    let releases = vec![
        release("is no worse", false, 0.0, (0.0, 0.06), None, 0.0),
        release("fails 1 %", true, 0.983, (0.91, 0.997), Some(6), 13.2),
        release("fails 0.5 %", true, 0.4, (0.29, 0.53), Some(17), 210.0),
        release("slows down from 20m on", true, 0.0, (0.0, 0.06), None, 16_240.0),
    ];
    let command = "tidegate simulate SPEC --rps 20.1 --stable errors=0.100%,median=100.0ms".to_owned();
    let foreseen = Foreseen { rate: 20.1, runs: 60, releases, command };
    let facts = Facts { foreseen: Some(Ok(foreseen)), ..Facts::default() };
    let text = finds(&plan, Some(&facts), Page { width: 80, unicode: true });
    assert_eq!(text, FINDS, "\n{text}");
}
