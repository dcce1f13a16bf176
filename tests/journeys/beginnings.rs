//! From a live service to its first rollout: `init`, `doctor`, `plan`, `run`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{BESIDE, Ended, Lab, Place, example, patient};

const ALARM: &str = "GraniteServiceVersion20100801.PutMetricAlarm";
const COMPOSITE: &str = "GraniteServiceVersion20100801.PutCompositeAlarm";

/// Where a place's first spec is.
fn first(place: &Place) -> PathBuf {
    place.state().with_file_name("first.yaml")
}

/// `init` in a lab, its file in the place.
fn init(place: &Place, lab: &Lab, words: &[&str]) -> Ended {
    let file = first(place).display().to_string();
    lab.run(place, [&["init", "--cluster", "prod", "--output", &file], words].concat())
}

fn value(ended: &Ended) -> Value {
    ended.last("init")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("it was written")
}

/// The commands of the README's section for new users, by their words.
fn readme() -> Vec<Vec<String>> {
    let readme = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let section = readme.split_once("## Your own service").expect("it is there").1;
    let block = section.split("```").nth(1).expect("it has commands").trim_start_matches("console");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    block.lines().filter(|line| !line.is_empty()).map(words).collect()
}

#[test]
fn the_readmes_four_commands_roll_a_live_pair_out() {
    let place = Place::new();
    let lab = Lab::playing(&place, &example("approval.yaml"), &["--speed", "30", "--lab-rps", "5"]);
    let commands = readme();
    let names: Vec<&str> = commands.iter().map(|words| words[1].as_str()).collect();
    assert_eq!(names, ["init", "doctor", "plan", "run"]);
    for words in &commands {
        assert_eq!(words[0], "tidegate");
        let more: &[&str] = if words[1] == "run" { &["--yes"] } else { &[] };
        let mut command = lab.tidegate(&place, words[1..].iter().map(String::as_str).chain(more.iter().copied()));
        command.current_dir(place.state().parent().expect("it has one"));
        let ended = crate::support::Process::start(&mut command).end();
        ended.ends(0, &[]);
    }
    lab.is_all_on("web-green");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn what_init_writes_for_a_service_that_ecs_shifts_rolls_it_out() {
    let place = Place::new();
    let lab = Lab::playing(&place, &example("ecs.yaml"), &["--speed", "30", "--lab-rps", "5"]);
    init(&place, &lab, &["--service", "web"]).ends(0, &["ecs fits"]);
    let file = first(&place);
    // As it was written, but for the time that it takes.
    let quick = text(&file).replace("hold: 5m", "hold: 1m").replace("warm: 10m", "warm: 1m");
    std::fs::write(&file, patient(&quick)).expect("it can be written");
    let file = file.display().to_string();
    lab.run(&place, ["doctor", &file]).ends(0, &["nothing fails"]);
    lab.run(&place, ["run", &file, "--yes"]).ends(0, &["promoted"]);
    lab.is_all_on("web-green");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn each_kind_of_service_gets_a_spec_that_plans_and_a_target_that_is_well() {
    let kinds =
        [("ecs.yaml", "ecs", "web"), ("task-sets.yaml", "task_sets", "web"), ("codedeploy.yaml", "codedeploy", "web")];
    for (spec, driver, service) in kinds {
        let place = Place::new();
        let lab = Lab::start(&place, &example(spec));
        let ended = init(&place, &lab, &["--service", service, "--json"]);
        ended.ends(0, &[]);
        let told = value(&ended);
        assert_eq!((&told["driver"], &told["missing"]), (&json!(driver), &json!([])), "{told:#}");
        assert_eq!(told["other_drivers"].as_array().map(Vec::len), Some(3), "{told:#}");
        let file = first(&place);
        assert_eq!(told["spec"], text(&file), "what is told is not what is written");
        assert!(text(&file).starts_with("# yaml-language-server: $schema=./tidegate.schema.json\n"));
        let file = file.display().to_string();
        lab.run(&place, ["plan", &file]).ends(0, &[]);
        lab.run(&place, ["doctor", &file]).ends(0, &["nothing fails"]);
    }
}

#[test]
fn a_pair_is_found_from_either_service_and_written_the_same() {
    let place = Place::new();
    let lab = Lab::start(&place, &example("approval.yaml"));
    let spec = |words: &[&str]| value(&init(&place, &lab, &[words, &["--force", "--json"]].concat()))["spec"].clone();
    let blue = spec(&["--service", "web-blue"]);
    let written = blue.as_str().expect("it is written");
    for line in ["    blue: { service: web-blue, target_group: web-blue }", "  - alarm: { name: web-5xx }"] {
        assert!(written.contains(line), "{written}");
    }
    let strip = |spec: &Value| {
        let lines = spec.as_str().expect("it is text").lines().filter(|line| !line.starts_with("# Made by"));
        lines.map(|line| line.to_owned() + "\n").collect::<String>()
    };
    for words in [&["--service", "web-green"][..], &["--service", "web-green", "--service", "web-blue"]] {
        assert_eq!(strip(&spec(words)), strip(&blue), "{words:?}");
    }
    // What is there is kept; standard output has the spec and nothing else.
    init(&place, &lab, &["--service", "web-blue"]).ends(2, &["is there already", "`--force` writes over it"]);
    let out = lab.run(&place, ["init", "--cluster", "prod", "--service", "web-blue", "--output", "-"]);
    out.ends(0, &["driver"]);
    assert_eq!(out.lines.join("\n") + "\n", written);
}

#[test]
fn a_test_listener_is_no_second_choice_and_a_probe_through_it_is_proposed() {
    let place = Place::new();
    let lab = Lab::start(&place, &example("blue-green.yaml"));
    let ended = init(&place, &lab, &["--service", "web-green"]);
    ended.ends(15, &["first.yaml is written", "port 9001", "let a probe gate go there"]);
    let written = text(&first(&place));
    assert!(written.contains("  # - probe: { name: smoke, url: \"http://{load_balancer}:9001/"), "{written}");
    assert!(written.contains("port: 443, priority: 10"), "{written}");
}

#[test]
fn a_wrong_name_is_answered_with_what_was_meant() {
    let place = Place::new();
    let lab = Lab::start(&place, &example("approval.yaml"));
    let run = |words: &[&str]| lab.run(&place, [&["init"], words].concat());
    run(&["--cluster", "prd", "--service", "web-blue"]).ends(2, &["no ECS cluster `prd`", "did you mean `prod`?"]);
    run(&["--cluster", "prod", "--service", "web-bleu"]).ends(2, &["did you mean `web-blue`?", "web-green"]);
    run(&["--cluster", "prod", "--service", "web-blue", "--priority", "11"])
        .ends(2, &["--load-balancer web --port 443 --priority 10", "web-blue 100, web-green 0"]);
    let hostile = run(&["--cluster", "prod\u{1b}[31m", "--service", "x\ny"]);
    assert!(!hostile.text().contains('\u{1b}'), "{hostile}");
    hostile.ends(2, &[]);
    assert!(!first(&place).exists());
}

#[test]
fn several_rules_are_told_apart_by_what_names_them() {
    let place = Place::new();
    let lab = Lab::start(&place, &example("approval.yaml"));
    let groups = groups(&lab);
    let listener = lab.rule().replace(":listener-rule/", ":listener/");
    let listener = listener.rsplit_once('/').expect("it has a parent").0.to_owned();
    let forward = |n: usize, field: &str| format!("Actions.member.1.ForwardConfig.TargetGroups.member.{n}.{field}");
    lab.elb(
        "CreateRule",
        &[
            ("ListenerArn", &listener),
            ("Priority", "20"),
            ("Conditions.member.1.Field", "path-pattern"),
            ("Conditions.member.1.Values.member.1", "/api"),
            ("Actions.member.1.Type", "forward"),
            (&forward(1, "TargetGroupArn"), &groups[0]),
            (&forward(1, "Weight"), "1"),
            (&forward(2, "TargetGroupArn"), &groups[1]),
            (&forward(2, "Weight"), "0"),
        ],
    );
    let several = init(&place, &lab, &["--service", "web-blue"]);
    several.ends(2, &["2 rules forward to service web-blue", "--priority 10", "--priority 20: path /api"]);
    // Each is found, and refused until it alone leads to the slots.
    let other = "and this rollout does not move what comes there";
    init(&place, &lab, &["--service", "web-blue", "--priority", "20", "--json"]).ends(15, &["priority: 20", other]);
    init(&place, &lab, &["--service", "web-blue", "--rule", lab.rule(), "--force", "--json"])
        .ends(15, &["priority: 10", other]);
}

/// The ARNs of the rule's target groups, blue first.
fn groups(lab: &Lab) -> Vec<String> {
    let rule = lab.elb("DescribeRules", &[("RuleArns.member.1", lab.rule())]);
    let arns = rule.split("<TargetGroupArn>").skip(1).filter_map(|part| Some(part.split_once('<')?.0.to_owned()));
    let mut arns: Vec<String> = arns.filter(|arn| arn.contains("targetgroup/web-")).collect();
    arns.sort();
    arns.dedup();
    assert_eq!(arns.len(), 2, "{rule}");
    arns
}

#[test]
fn what_is_missing_is_said_with_the_terraform_that_adds_it() {
    let place = Place::new();
    let lab = Lab::start(&place, &example("approval.yaml"));
    let blue = groups(&lab).remove(0);
    lab.elb(
        "ModifyRule",
        &[("RuleArn", lab.rule()), ("Actions.member.1.Type", "forward"), ("Actions.member.1.TargetGroupArn", &blue)],
    );
    let ended = init(&place, &lab, &["--service", "web-blue"]);
    ended.ends(
        15,
        &[
            "missing: the rule forwards to one target group only, web-blue: there is no second slot",
            "target group web-green is there: forward to it with weight 0; service web-green is there",
            ":targetgroup/web-green/",
            "ignore_changes = [action]",
        ],
    );
    assert!(!ended.to_string().contains("resource \"aws_"), "what is there is not made anew: {ended}");
    assert!(!first(&place).exists(), "a spec without a second slot was written");
    // A target group that nobody fills.
    let place = Place::new();
    let lab = Lab::start(&place, &example("approval.yaml"));
    let delete = json!({"cluster": "prod", "service": "web-green", "force": true});
    lab.ask_json("AmazonEC2ContainerServiceV20141113.DeleteService", &delete);
    init(&place, &lab, &["--service", "web-blue"])
        .ends(15, &["no other service of cluster prod registers its tasks in web-green", "desired_count   = 0"]);
}

/// An alarm on the load balancer, which is OK.
fn alarm_on_balancer(lab: &Lab, name: &str) {
    let balancer = lab.rule().split(":listener-rule/").nth(1).expect("it is an ARN");
    let balancer = balancer.split('/').take(3).collect::<Vec<_>>().join("/");
    let body = json!({
        "AlarmName": name, "Namespace": "AWS/ApplicationELB", "MetricName": "HTTPCode_ELB_5XX_Count",
        "Dimensions": [{"Name": "LoadBalancer", "Value": balancer}], "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 10.0, "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    });
    lab.ask_json(ALARM, &body);
}

#[test]
fn a_composite_alarm_is_proposed_in_place_of_what_rings_it() {
    let place = Place::new();
    let lab = Lab::start(&place, &example("approval.yaml"));
    let compose = |name: &str, rule: &str| {
        lab.ask_json(COMPOSITE, &json!({"AlarmName": name, "AlarmRule": rule}));
    };
    alarm_on_balancer(&lab, "web-elb");
    let elsewhere = json!({
        "AlarmName": "queue", "Namespace": "AWS/SQS", "MetricName": "ApproximateAgeOfOldestMessage", "Statistic": "Maximum",
        "Period": 60, "EvaluationPeriods": 1, "Threshold": 10.0, "ComparisonOperator": "GreaterThanThreshold",
    });
    lab.ask_json(ALARM, &elsewhere);
    compose("web-errors", "ALARM(\"web-5xx\") AND NOT ALARM(queue)");
    compose("far-away", "ALARM(queue)");
    compose("everything", "ALARM(web-errors) OR ALARM(queue)");
    let ended = init(&place, &lab, &["--service", "web-blue", "--json"]);
    ended.ends(0, &[]);
    assert_eq!(value(&ended)["alarms"], json!(["everything", "web-errors", "web-elb"]), "{ended}");
    let written = text(&first(&place));
    for line in [
        "  - alarm: { name: everything, watch: true } # composed of web-5xx, web-errors; queue can ring it too",
        "{ name: web-errors",
        "# composed of web-5xx; it is ",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    lab.run(&place, ["plan", &first(&place).display().to_string()]).ends(0, &[]);
}

#[test]
fn names_that_others_chose_stay_names() {
    let place = Place::new();
    let lab = Lab::start(&place, &example("approval.yaml"));
    let alarm = |name: &str| alarm_on_balancer(&lab, name);
    let odd = "5xx }: [${HOME}] # \"quoted\" \\ 'it' - &a *b";
    let foul = "red\u{1b}[31m\n  - command: { run: [evil] }";
    for name in [odd, foul, "compare", "TargetTracking-service/prod/web-blue-AlarmLow"] {
        alarm(name);
    }
    let ended = init(&place, &lab, &["--service", "web-blue", "--json"]);
    ended.ends(0, &[]);
    let told = value(&ended);
    assert_eq!(told["alarms"], json!([odd, "web-5xx"]), "{told:#}");
    let written = text(&first(&place));
    assert!(!written.contains(|c: char| c.is_control() && c != '\n') && !written.contains("evil"), "{written}");
    let plan = lab.run(&place, ["plan", "--json", &first(&place).display().to_string()]);
    plan.ends(0, &[]);
    assert!(plan.text().contains("${HOME}"), "the alarm's name was filled in: {plan}");
    let page = init(&place, &lab, &["--service", "web-blue", "--force"]);
    assert!(!page.text().contains('\u{1b}'), "{page}");
    page.ends(0, &["is not proposed: a spec cannot name it"]);
}

#[test]
fn a_read_that_is_not_allowed_is_named_and_done_without_where_that_can_be() {
    let place = Place::new();
    let lab = Lab::playing(&place, &example("approval.yaml"), &BESIDE);
    let as_one = |denied: &str| {
        let file = first(&place).display().to_string();
        let mut command =
            lab.tidegate(&place, ["init", "--cluster", "prod", "--service", "web-blue", "--force", "--output", &file]);
        command.envs(lab.all_but(&[denied]));
        crate::support::Process::start(&mut command).end()
    };
    as_one("cloudwatch:DescribeAlarms").ends(0, &["alarms are not proposed: DescribeAlarms", "not authorized"]);
    as_one("elasticloadbalancing:DescribeRules").ends(16, &["DescribeRules", "not authorized"]);
    as_one("ecs:ListServices").ends(16, &["ListServices", "`--service` twice names both services"]);
}

/// The lines of the page for the first hour, as a shell takes them.
fn quickstart() -> String {
    let page = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/docs/quickstart.md"));
    page.split("```").nth(1).expect("it has commands").trim_start_matches("console").to_owned()
}

#[test]
fn the_quickstart_leads_from_nothing_to_an_undone_release() {
    let place = Place::new();
    let folder = place.state().parent().expect("it has one").to_owned();
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).expect("it can be made");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tidegate"), bin.join("tidegate")).expect("it can be linked");
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("rollout-specs");
    std::os::unix::fs::symlink(specs, folder.join("rollout-specs")).expect("it can be linked");
    let lines = quickstart();
    assert_eq!(lines.lines().filter(|line| !line.is_empty()).count(), 10, "{lines}");
    let mut shell = place.tidegate([""; 0]);
    let environment: Vec<_> =
        shell.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    shell = std::process::Command::new("sh");
    // The requests are fewer than a person sees, for machines with other work.
    let lines = lines.replace("--lab-speed 30", "--lab-speed 30 --lab-rps 5");
    let lines = format!("trap 'test -z \"${{TIDEGATE_LAB_PID:-}}\" || kill \"$TIDEGATE_LAB_PID\"' EXIT\n{lines}");
    shell.args(["-euxc", &lines]).env_clear().current_dir(&folder);
    shell.envs(environment.into_iter().filter_map(|(name, value)| Some((name, value?))));
    shell.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()));
    let ended = crate::support::Process::start(&mut shell).end();
    ended.ends(0, &["in place of web:1", "web:1 (app example/web:1) in place of web:2", "unset TIDEGATE_LAB_PID"]);
}
