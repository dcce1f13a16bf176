//! `tidegate plan`: the page, the JSON and the picture, for every example.

use serde_json::Value;

use super::support::{Sandbox, example};

const EXAMPLES: [&str; 7] = ["approval", "blue-green", "canary", "harm-budget", "images", "linear", "storefront"];

const PAGE: &str = "\
Plan for web-blue-green

  where      eu-west-1, account 123456789012
  cluster    prod
  rule       RULE
  stable     blue: service web-blue, target group web-blue
  candidate  green: service web-green, target group web-green
  release    web:1 → a new revision from file taskdef.json
  driver     pair: tidegate writes the rule, between two services
  fence      the runner's own; target.writer_role would have AWS keep one too

Changes against web:1
  + app.environment.LOG_LEVEL: (not shown)
  + app.environment.PORT: (not shown)
  + app.healthCheck.command: (not shown)
  + app.healthCheck.interval: 10
  + app.healthCheck.startPeriod: 20
  ~ app.image: example/web:1 to 123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:2
  + app.logConfiguration.logDriver: awslogs
  + app.logConfiguration.options.awslogs-group: /ecs/web
  + app.logConfiguration.options.awslogs-region: eu-west-1
  + app.logConfiguration.options.awslogs-stream-prefix: app
  + app.portMappings.8080.appProtocol: http
  + app.portMappings.8080.name: http
  + app.readonlyRootFilesystem: true
  + app.secrets.DATABASE_URL:
      arn:aws:secretsmanager:eu-west-1:123456789012:secret:web/database-AbCdEf
  + app.stopTimeout: 60
  ~ cpu: 0.25 vCPU to 0.5 vCPU
  + executionRoleArn: arn:aws:iam::123456789012:role/ecs-task-execution
  ~ memory: 0.5 GiB to 1 GiB
  + runtimePlatform.cpuArchitecture: ARM64
  + runtimePlatform.operatingSystemFamily: LINUX
  + tags.team: (not shown)
  + taskRoleArn: arn:aws:iam::123456789012:role/web-task

      step                          starts after  stable/candidate  limit
   1  register the task definition  0s            100/0             2m
   2  secure the way back           0s – 2m       100/0             2m
   3  prepare 4 candidate tasks     0s – 4m       100/0             15m
   4  probe smoke                   0s – 19m      100/0             2m
   5  shift 100% to the candidate   0s – 21m      100/0 → 0/100     5m
   6  hold 5m                       0s – 26m      0/100             20m
   7  commit                        5m – 46m      0/100             5m
   8  retire the old stable slot    5m – 51m      0/100             30m
   9  restore what was changed      10m – 1h 21m  0/100             2m

Gates. No data is never a pass.
  smoke: http://{load_balancer}:9001/healthz answers 200 3 times in a row
    needs answers within 5s each, before any traffic; gives up after 2m
  web-5xx: alarm web-5xx is quiet
    needs the state and history of alarm web-5xx
    now OK over the last 1m
  tasks: tasks are healthy within 5m and fewer than 3 crash
    needs the service's tasks and the load balancer's health checks
    now 4 of 4 targets of the stable slot are healthy
  split (only watches): the candidate gets the requests that its weight says, within a factor of
    1.25
    needs requests in both slots, by the load balancer's own count every 1m
  When a gate fails: go back. When the runner is told to stop: go back. When somebody else writes
  the rule: go back. Nothing follows from a gate that only watches.

The way back, from any step before the commit; a person is called after 30m.
  1. only if web-blue has no healthy target: give it back its 4 tasks of web:1
  2. set the rule's weights to web-blue 100, web-green 0; read them back
  3. wait until web-green had no request for 3 closed minutes
  4. set web-green back to 0 tasks of web:1
  5. take the rollout's tags off the rule
  From steps 1 to 4: tasks and settings alone, as no traffic has moved; a registered task definition
  stays.
  From steps 5 to 7: the traffic at once, then tasks and settings.
  From steps 8 to 9: no way back any more; the release before is rolled out like a new one.

What it takes
  calls      ecs:RegisterTaskDefinition 1, elasticloadbalancing:AddTags 2, ecs:UpdateService 2,
             elasticloadbalancing:ModifyRule 1, elasticloadbalancing:RemoveTags 1; about 11 reads a
             minute, 110 to 913 in all
  capacity   4 tasks of 0.5 vCPU and 1 GiB beside those that serve, for 10m to 1h 17m: 0.3 to 2.6
             vCPU-hours, 0.7 to 5.1 GiB-hours more
  allowed    every read of this plan; what it would write is tried only by writing; `tidegate
             iam-policy SPEC --for runner` lists all
  keys       they do not end by themselves

! nobody gives the traffic back if the runner's machine dies: the spec names no `dead_man`

Forward in 10m at least, 1h 23m at most; pauses by people come on top.
";

#[test]
fn a_plan_reads_as_one_page() {
    let said = Sandbox::new().run(&["plan", &example("blue-green.yaml"), "--lab", "--no-simulate"]).is(0).harmless();
    let rule = said.out.lines().find_map(|line| line.strip_prefix("  rule       ")).unwrap();
    assert!(rule.starts_with("listener-rule/app/web/"), "{rule}");
    assert_eq!(said.out, PAGE.replace("RULE", rule), "\n{}", said.out);
    assert_eq!(said.err, "");
}

#[test]
fn every_example_has_a_page_a_picture_and_json() {
    let sandbox = Sandbox::new();
    for name in EXAMPLES {
        let spec = example(&format!("{name}.yaml"));
        let page = sandbox.run(&["plan", &spec, "--lab"]).is(0).harmless();
        let page = page.says(&["The way back", "Gates. No data is never a pass.", "Forward in "]);
        // A command is never broken: half of one could not be pasted.
        let fits = |line: &str| line.chars().count() <= 100 || line.starts_with("  tidegate ");
        assert!(page.out.lines().all(fits), "{}", page.out);
        let picture = sandbox.run(&["plan", &spec, "--lab", "--format", "mermaid"]).is(0).harmless().out;
        assert!(picture.starts_with("stateDiagram-v2\n"), "{picture}");
        for part in ["[*] --> s1", "--> promoted", "--> back", "back --> rolled_back", "stranded --> [*]"] {
            assert!(picture.contains(part), "no {part} in {picture}");
        }
        let comment =
            sandbox.run(&["plan", &spec, "--lab", "--no-simulate", "--format", "markdown"]).is(0).harmless().out;
        assert!(comment.starts_with("### Plan for <code>") && comment.len() < 60 * 1024, "{comment}");
        let json = sandbox.run(&["plan", &spec, "--lab", "--format", "json"]).is(0).harmless();
        is_whole(&serde_json::from_str(&json.out).unwrap());
    }
}

/// Checks that a plan has bounded steps, gates and a way back.
fn is_whole(plan: &Value) {
    assert_eq!((&plan["type"], &plan["format"]), (&"plan".into(), &1.into()));
    let steps = plan["steps"].as_array().unwrap();
    let actions: Vec<&str> = steps.iter().map(|step| step["action"].as_str().unwrap()).collect();
    assert!(actions.contains(&"shift") && actions.ends_with(&["commit", "retire", "settle"]), "{actions:?}");
    for step in steps {
        assert!(step["within_seconds"].as_u64().is_some_and(|within| within > 0), "no bound: {step}");
        let percent =
            |when: &str| ["stable_percent", "candidate_percent"].map(|side| step[when][side].as_f64().unwrap());
        assert_eq!(percent("after").iter().sum::<f64>(), 100.0, "{step}");
    }
    assert_eq!(steps.last().unwrap()["after"]["candidate_percent"], 100);
    let gates = plan["gates"].as_array().unwrap();
    assert!(gates.iter().all(|gate| gate["name"].is_string() && gate["question"].is_string()));
    assert!(plan["retreat"]["acts"].as_array().unwrap().len() >= 3);
    let (least, most) = (&plan["duration"]["least_seconds"], &plan["duration"]["most_seconds"]);
    assert!(least.as_u64() < most.as_u64(), "{least} {most}");
    assert!(plan["limits"]["retreat_seconds"].as_u64() > Some(0));
}

#[test]
fn json_is_what_json_asks_for() {
    let sandbox = Sandbox::new();
    let spec = example("canary.yaml");
    let said = sandbox.run(&["plan", &spec, "--lab", "--json"]).is(0);
    is_whole(&serde_json::from_str(&said.out).unwrap());
    sandbox.run(&["plan", &spec, "--lab", "--format", "yaml"]).is(2).says(&["text, json, mermaid, markdown"]);
}

#[test]
fn a_plan_says_what_is_known_and_what_it_costs_to_programs_too() {
    let sandbox = Sandbox::new();
    let spec = example("canary.yaml");
    let words = ["plan", &spec, "--lab", "--json", "--price", "0.04,0.004"];
    let plan: Value = serde_json::from_str(&sandbox.run(&words).is(0).out).unwrap();
    assert_eq!((&plan["nothing_to_do"], &plan["denied"]), (&false.into(), &Value::Array(Vec::new())));
    assert!(plan["release"]["changes"].as_array().unwrap().iter().any(|one| one["part"] == "app.image"), "{plan}");
    assert!(plan["calls"]["writes"].as_array().unwrap().iter().any(|one| one["operation"] == "ecs:UpdateService"));
    assert!(
        plan["capacity"]["vcpu_hours"]["most"].as_f64() > plan["capacity"]["vcpu_hours"]["least"].as_f64(),
        "{plan}"
    );
    assert_eq!(plan["capacity"]["price"]["gib_hour"], 0.004);
    assert_eq!(plan["retreat"]["from"][0]["first"], 1);
    assert!(plan["gates"].as_array().unwrap().iter().any(|gate| gate["now"].is_string()), "{plan}");
    assert!(!plan.to_string().contains("\"8080\""), "a variable's value is not shown");
}

#[test]
fn a_program_is_told_whether_there_is_something_to_do() {
    let sandbox = Sandbox::new();
    let spec = example("canary.yaml");
    sandbox
        .run(&["plan", &spec, "--lab", "--no-simulate", "--detailed-exitcode"])
        .is(2)
        .says(&["Changes against web:1"]);
    sandbox.run(&["plan", "missing.yaml", "--detailed-exitcode"]).is(1).says(&["cannot read the spec"]);
    sandbox.run(&["plan", "--detailed-exitcode"]).is(1).says(&["<SPEC|PLAN>"]);
    sandbox.run(&["plan", &spec, "--lab", "--out", "x"]).is(2).says(&["--lab"]);
    sandbox.run(&["plan", &spec, "--price", "cheap"]).is(2).says(&["two prices in dollars"]);
}

#[test]
fn a_plan_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    sandbox.run(&["plan", &example("canary.yaml"), "--lab"]).is(0);
    assert!(!sandbox.state().exists());
}
