//! Specs that are read whole, specs that are refused, and text that was never meant as one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::domain::safeguard::DeadMan;
use crate::domain::traffic::Share;
use crate::gate::compare::Feed;
use crate::gate::{Check, Gate, MetricSource, SplitRule, TasksRule};

/// Set to write what the code says into the files that hold what it should say.
const BLESS: &str = "TIDEGATE_BLESS";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn specs_in(name: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut specs: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    specs.sort();
    specs
}

fn source(path: &Path) -> Source {
    let name = path.file_name().unwrap().to_str().unwrap();
    let variables = BTreeMap::from([
        ("NUMBER".to_owned(), "443".to_owned()),
        ("WORD".to_owned(), "ten".to_owned()),
        ("EMPTY".to_owned(), String::new()),
    ]);
    Source { path: name.to_owned(), bytes: fs::read(path).unwrap(), variables }
}

fn text(text: impl Into<Vec<u8>>) -> Result<Spec, Problems> {
    parse(&Source { path: "spec.yaml".to_owned(), bytes: text.into(), ..Source::default() })
}

/// Compares `said` with what the file at `path` holds, or writes it there.
#[expect(clippy::disallowed_methods, reason = "whether to write is for the person who runs the test")]
fn expect_file(path: &Path, said: &str) {
    if std::env::var(BLESS).is_ok() {
        fs::write(path, said).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(said, expected, "{} differs; {BLESS}=1 writes it anew", path.display());
}

const LEAST: &str = "
version: 1
name: web
target:
  cluster: prod
  rule: { load_balancer: web, port: 443, priority: 10 }
  slots:
    blue: { service: web-blue, target_group: web-blue }
    green: { service: web-green, target_group: web-green }
release: { registered: web:42 }
strategy: { blue_green: {} }
";

#[test]
fn every_spec_beside_the_schema_is_read() {
    let specs = specs_in("rollout-specs");
    assert!(specs.len() >= 6);
    for path in specs {
        let source = source(&path);
        let first = source.bytes.split(|byte| *byte == b'\n').next().unwrap();
        assert_eq!(String::from_utf8_lossy(first), "# yaml-language-server: $schema=./tidegate.schema.json");
        if let Err(problems) = parse(&source) {
            panic!("{}", problems.render(false, 100));
        }
    }
}

#[test]
fn the_schema_beside_the_specs_is_the_one_of_this_build() {
    let said = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    expect_file(&folder("rollout-specs/tidegate.schema.json"), &said);
}

#[test]
fn every_wrong_spec_is_told_what_is_wrong() {
    for path in specs_in("tests/specs") {
        let Err(problems) = parse(&source(&path)) else { panic!("{} is read without a problem", path.display()) };
        assert!(problems.count() > 0, "{} is refused for no reason", path.display());
        expect_file(&path.with_extension("txt"), &problems.render(false, 100));
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let spec = text(LEAST).unwrap();
    assert_eq!((spec.policies, spec.limits), (Policies::default(), Limits::default()));
    assert_eq!(spec.strategy, Strategy::BlueGreen { warm: Duration::from_secs(600) });
    let compare = Check::Compare(Box::default());
    let checks = [compare, Check::Tasks(TasksRule::default()), Check::Split(SplitRule::default())];
    assert!(spec.gates.iter().map(|gate| &gate.check).eq(&checks));
}

#[test]
fn a_switch_is_pushed_past_five_minutes_in_the_default_group_unless_it_says_otherwise() {
    let role = "arn:aws:iam::123456789012:role/guards/dead-man";
    let spec = text(format!("{LEAST}dead_man: {{ role: \"{role}\" }}")).unwrap();
    let dead_man = DeadMan { role: role.to_owned(), after: Duration::from_secs(300), group: "default".to_owned() };
    assert_eq!(spec.dead_man, Some(dead_man));
    assert_eq!((text(LEAST).unwrap().dead_man, text(LEAST).unwrap().store), (None, None));
}

#[test]
fn a_store_is_a_bucket_with_or_without_a_prefix() {
    for store in ["s3://my-deployments", "s3://my-deployments/tidegate/web"] {
        assert_eq!(text(format!("{LEAST}store: {store}")).unwrap().store.as_deref(), Some(store));
    }
}

#[test]
fn a_default_is_the_same_when_it_is_written_out() {
    let written = "gates:
  - compare:
      alpha: 1%
      errors: { ratio: 1.1, excess: 0.03%, weight: 45% }
      latency: { slower: 3%, odds: 1.15, weight: 45% }
      margins: { errors: 0.3%, slow: 1% }
      unproven: pass
      warm_up: 60s
      feed: { load_balancer: {} }";
    let budget = "strategy:
  harm_budget: { requests: 50, ceiling: 50%, within: 30m, holdback: 5%, bake: 10m, warm: 10m }";
    let plain = text(LEAST.replace("blue_green", "harm_budget")).unwrap();
    let whole = text(LEAST.replace("strategy: { blue_green: {} }", budget) + written).unwrap();
    assert_eq!(plain, whole);
}

#[test]
fn judge_chooses_what_is_judged_and_by_how_much_of_the_evidence() {
    let parts = |gate: &str| {
        let spec = text(format!("{LEAST}gates: [{{ compare: {gate} }}]")).unwrap();
        let Check::Compare(rule) = &spec.gates[0].check else { panic!("it compares") };
        [rule.errors.weight, rule.refused.weight, rule.latency.weight]
    };
    assert_eq!(parts("{}"), [0.45, 0.05, 0.45]);
    assert_eq!(parts("{ judge: { errors: 45%, refused: 5%, latency: 45% } }"), parts("{}"));
    assert_eq!(parts("{ judge: { errors: 60%, refused: 20% } }"), [0.6, 0.2, 0.0]);
    assert_eq!(parts("{ errors: { weight: 90% }, latency: { weight: 0% } }"), [0.9, 0.05, 0.0]);
}

#[test]
fn naming_any_gate_leaves_out_the_comparison_unless_the_budget_needs_it() {
    let names = |text: String| self::text(text).unwrap().gates.into_iter().map(|gate| (gate.name, gate.watch));
    let check = |strategy: &str, gates: &str, expected: &[(&str, bool)]| {
        let found: Vec<_> = names(LEAST.replace("blue_green", strategy) + gates).collect();
        let expected: Vec<_> = expected.iter().map(|(name, watch)| ((*name).to_owned(), *watch)).collect();
        assert_eq!(found, expected, "{strategy}, {gates}");
    };
    let (compare, tasks, split) = (("compare", false), ("tasks", false), ("split", true));
    check("blue_green", "", &[compare, tasks, split]);
    check("blue_green", "gates: [{ tasks: {} }]", &[tasks, split]);
    check("blue_green", "gates: [{ alarm: { name: a } }]", &[("a", false), tasks, split]);
    check("harm_budget", "gates: [{ tasks: {} }]", &[tasks, compare, split]);
    check("harm_budget", "gates: [{ compare: { name: c } }]", &[("c", false), tasks, split]);
    check("blue_green", "gates: [{ split: {} }]", &[("split", false), tasks]);
}

#[test]
fn a_split_gate_counts_where_the_gate_that_compares_does() {
    let feed = "{ custom: { namespace: Web, dimensions: { s: <service> }, requests: r, errors: e } }";
    let spec = text(format!("{LEAST}gates: [{{ compare: {{ feed: {feed} }} }}]")).unwrap();
    let feeds: Vec<_> = spec.gates.iter().filter_map(Gate::feed).collect();
    assert_eq!(feeds.len(), 2);
    assert_eq!(feeds[0], feeds[1]);
    assert!(matches!(feeds[0], Feed::Custom(custom) if custom.period == Duration::from_secs(10)));
}

#[test]
fn a_feeds_header_keeps_its_variable() {
    let feed = "{ prometheus: { url: \"http://p:9090\", headers: { authorization: \"${T:-x}\" }, \
                requests: \"r{s='<service>'}[<window>]\", errors: \"e{s='<service>'}[<window>]\" } }";
    let spec = text(format!("{LEAST}gates: [{{ compare: {{ feed: {feed} }} }}]")).unwrap();
    let Some(Feed::Prometheus(feed)) = spec.gates[0].feed() else { panic!("no server") };
    assert_eq!(feed.headers, [("authorization".to_owned(), "${T:-x}".to_owned())]);
}

#[test]
fn a_canary_ends_with_everything() {
    let strategy = "strategy: { canary: { steps: [{ shift: 5 }, { hold: 1h30m }] } }";
    let spec = text(LEAST.replace("strategy: { blue_green: {} }", strategy)).unwrap();
    let Strategy::Canary { steps, .. } = spec.strategy else { panic!("not a canary") };
    let shift = |permille| StepSpec::Shift(Share::from_permille(permille).unwrap());
    assert_eq!(steps, [shift(50), StepSpec::Hold(Duration::from_secs(5400)), shift(1000)]);
}

#[test]
fn a_metric_comes_from_prometheus_and_its_header_keeps_its_variable() {
    let gates = r#"gates: [{ metric: { name: p, above: 0.5, period: 15s, prometheus: { url: "http://p:9090/x",
        query: "sum(rate(e{s='<service>'}[<window>])) < 3 > b", headers: { authorization: "${T:-x}" } } } }]"#;
    let spec = text(format!("{LEAST}{gates}")).unwrap();
    let Check::Metric(rule) = &spec.gates[0].check else { panic!("not a metric") };
    let MetricSource::Prometheus(metric) = &rule.source else { panic!("not from Prometheus") };
    assert_eq!((metric.url.as_str(), rule.period), ("http://p:9090/x", Duration::from_secs(15)));
    assert_eq!(metric.headers, [("authorization".to_owned(), "${T:-x}".to_owned())]);
}

#[test]
fn a_probes_header_keeps_its_variable() {
    let gates = "gates: [{ probe: { name: p, url: \"https://x/\", headers: { authorization: \"${T:-x}\" } } }]";
    let spec = text(format!("{LEAST}{gates}")).unwrap();
    let Check::Probe(probe) = &spec.gates[0].check else { panic!("not a probe") };
    assert_eq!(probe.headers, [("authorization".to_owned(), "${T:-x}".to_owned())]);
}

#[test]
fn what_others_are_asked_with_keeps_its_variables() {
    let gates = "
gates:
  - webhook: { name: w, url: \"https://x/${T}\", headers: { a: \"${T}\" }, watch: \"${W}\" }
  - command: { name: c, command: [./judge, \"${T}\"] }
";
    let variables = BTreeMap::from([("T".to_owned(), "sesame".to_owned()), ("W".to_owned(), "true".to_owned())]);
    let bytes = format!("{LEAST}{gates}").into_bytes();
    let spec = parse(&Source { path: String::new(), bytes, variables }).unwrap();
    assert!(spec.gates[0].watch && !spec.gates[1].watch);
    assert!(!format!("{spec:?}").contains("sesame"), "{spec:?}");
}

#[test]
fn a_burn_rate_is_the_workbooks_unless_it_says_otherwise() {
    let spec = text(format!("{LEAST}gates: [{{ burn_rate: {{ name: budget, objective: 99.9 }} }}]")).unwrap();
    let Check::Burn(rule) = &spec.gates[0].check else { panic!("not a burn rate") };
    assert_eq!((rule.factor, rule.long.as_secs(), rule.short.as_secs()), (14.4, 3600, 300));
    assert!((rule.objective - 0.999).abs() < 1e-12);
}

#[test]
fn a_number_may_come_from_a_variable() {
    let text = LEAST.replace("443", "\"${PORT}\"");
    let variables = BTreeMap::from([("PORT".to_owned(), "8443".to_owned())]);
    let spec = parse(&Source { path: String::new(), bytes: text.into_bytes(), variables }).unwrap();
    assert!(matches!(spec.target.rule, RuleSpec::Place { port: 8443, .. }));
}

#[test]
fn what_a_variable_holds_is_never_repeated() {
    let secret = "s3cr3t value\u{202e}";
    for (field, reference) in [("name: web", "name: \"${S}\""), ("cluster: prod", "cluster: ${S}"), ("443", "\"${S}\"")]
    {
        let bytes = LEAST.replace(field, reference).into_bytes();
        let variables = BTreeMap::from([("S".to_owned(), secret.to_owned())]);
        let problems = parse(&Source { path: String::new(), bytes, variables }).unwrap_err();
        let said = problems.render(false, 100) + &problems.to_string();
        assert!(!said.contains("s3cr3t"), "{said}");
    }
}

#[test]
fn every_field_of_the_schema_is_a_page_of_the_manual() {
    fn visit(schema: &serde_json::Value, path: &str) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            assert!(field["title"].is_string(), "{path} has no title");
            assert!(field["description"].is_string(), "{path} has no description");
            let leaf = ["object", "array"].iter().all(|kind| field["type"] != *kind) && field.get("oneOf").is_none();
            let shows = field.get("examples").is_some() || field.get("enum").is_some();
            assert!(!leaf || shows, "{path} has no example");
            visit(field, &path);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key) {
                visit(inner, path);
            }
        }
        for choice in schema["oneOf"].as_array().into_iter().flatten() {
            visit(choice, path);
        }
    }
    visit(&schema(), "");
}

#[test]
fn a_mark_at_the_start_of_the_file_and_foreign_line_ends_are_read() {
    assert!(text(format!("\u{feff}{LEAST}")).is_ok());
    assert!(text(LEAST.replace('\n', "\r\n")).is_ok());
}

#[test]
fn places_are_counted_in_characters() {
    let problems = text(format!("{LEAST}regiøn: x # ø").replace("cluster: prod", "cluster: \"prød\" # ø")).unwrap_err();
    let places: Vec<_> = problems.iter().map(|p| (p.place.line, p.place.column, p.place.length)).collect();
    assert_eq!(places, [(5, 12, 6), (12, 1, 6)]);
}

/// The processor time of this thread, which does not grow while the machine is busy with something else.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[test]
fn hostile_text_is_refused_at_once() {
    let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n".to_owned();
    let wide = (0..9_000).map(|n| format!("k{n}: {n}")).collect::<Vec<_>>().join("\n");
    let hostile = [
        ("alias bomb", bomb),
        ("brackets", "[".repeat(1 << 17)),
        ("braces", "{a: ".repeat(1 << 15)),
        ("deep list", "- ".repeat(1 << 16)),
        ("deep questions", "? ".repeat(1 << 16)),
        ("one key", format!("{}: 1", "k".repeat((1 << 17) - 10))),
        ("one value", format!("name: {}", "v".repeat((1 << 17) - 10))),
        ("one quoted value", format!("name: \"{}\"", "v".repeat((1 << 17) - 10))),
        ("one foreign value", format!("name: {}", "é".repeat((1 << 16) - 10))),
        ("references", format!("name: \"{}\"", "${X}".repeat((1 << 15) - 10))),
        ("one comment", format!("#{}", "c".repeat((1 << 17) - 1))),
        ("empty lines", "\n".repeat(1 << 17)),
        ("spaces", " ".repeat(1 << 17)),
        ("wide", wide),
        ("commas", format!("[{}]", "a,".repeat(1 << 15))),
        ("colons", ":".repeat(1 << 17)),
        ("anchors", "&a ".repeat(1 << 15)),
        ("tags", "!a ".repeat(1 << 15)),
        ("directives", "%a\n".repeat(1 << 15)),
        ("documents", "---\n".repeat(1 << 15)),
        ("block text", format!("name: |\n{}", "  v\n".repeat((1 << 15) - 10))),
        ("too large", "a".repeat(8 << 20)),
    ];
    for (name, hostile) in hostile {
        let started = thread_time();
        let problems = text(hostile).expect_err(name);
        let took = thread_time().saturating_sub(started);
        println!("{took:>12?} {name}: {}", problems.iter().next().unwrap().wrong);
        assert!(took < Duration::from_secs(2), "{name} took {took:?}");
        assert!(problems.render(true, 100).len() < 200_000, "{name}");
    }
}

#[test]
fn no_damage_to_a_spec_makes_the_parser_panic() {
    let specs: Vec<Vec<u8>> = specs_in("rollout-specs").iter().map(|path| fs::read(path).unwrap()).collect();
    let wrong = specs_in("tests/specs").into_iter().map(|path| fs::read(path).unwrap());
    let specs: Vec<Vec<u8>> = specs.into_iter().chain(wrong).collect();
    let pieces = [
        "{", "}", "[", "]", ": ", "- ", "\n", "\t", "\"", "'", "|", ">", "&a", "*a", "!!x", "${", "}", "#", "%",
        "null", "~", "1e999", ".nan", "-1", "é", "\u{202e}", "\0", "shift", "hold", "    ", "\r", "? ", "<<: ",
    ];
    let mut die = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut bytes = specs[die.usize(..specs.len())].clone();
        for _ in 0..die.usize(1..6) {
            let at = die.usize(..=bytes.len());
            match die.u8(..4) {
                0 if at < bytes.len() => bytes[at] = die.u8(..),
                1 => drop(bytes.drain(at..(at + die.usize(..20)).min(bytes.len()))),
                2 => drop(bytes.splice(at..at, die.choice(pieces).unwrap().bytes())),
                _ => {
                    let from = die.usize(..=at);
                    let part = bytes[from..at.min(from + 40)].to_vec();
                    let to = die.usize(..=bytes.len());
                    drop(bytes.splice(to..to, part));
                }
            }
        }
        if let Err(problems) = text(bytes) {
            assert!(problems.count() > 0);
            let _ = problems.render(die.bool(), die.usize(..200));
        }
    }
}
