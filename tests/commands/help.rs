//! `--help`, `--version`, and what is said to a wrong command line.

use super::support::Sandbox;

const COMMANDS: &[&str] = &[
    "init",
    "doctor",
    "validate",
    "plan",
    "run",
    "resume",
    "status",
    "why",
    "history",
    "rollback",
    "abort",
    "pause",
    "continue",
    "approve",
    "promote",
    "simulate",
    "backtest",
    "record",
    "iam-policy",
    "notify",
    "guard",
    "watch",
    "report",
    "lab",
    "schema",
    "explain",
    "docs",
    "completions",
    "man",
];

#[test]
fn every_command_says_what_it_does_and_how_it_is_used() {
    let sandbox = Sandbox::new();
    for command in COMMANDS {
        let help = sandbox.run(&[command, "--help"]).is(0).harmless();
        let (first, _) = help.out.split_once("\n\nUsage: tidegate ").unwrap_or_else(|| panic!("{}", help.out));
        assert!(!first.contains("\n\n") && !first.ends_with('.'), "{first}");
        let examples = help.out.split_once("\nExamples:\n").map_or("", |(_, examples)| examples);
        let all = examples.lines().all(|line| line.contains("tidegate "));
        assert!(!examples.is_empty() && all, "{command}: {}", help.out);
        assert!(examples.contains(&format!("tidegate {command}")), "{command}: {examples}");
        assert!(help.out.lines().all(|line| line.chars().count() <= 100), "{}", help.out);
        assert!(!help.out.contains(&sandbox.state().display().to_string()), "the environment is told: {}", help.out);
    }
}

#[test]
fn the_first_page_lists_every_command_and_every_exit_code() {
    let help = Sandbox::new().run(&["--help"]).is(0).harmless();
    for command in COMMANDS {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command} is not in\n{}", help.out);
    }
    assert_eq!(codes(&help.out), written(), "{}", help.out);
}

#[test]
fn the_readme_has_the_same_exit_codes() {
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let table =
        readme.lines().skip_while(|line| !line.starts_with("| exit code ")).take_while(|line| line.starts_with('|'));
    let mut codes: Vec<i32> =
        table.flat_map(|line| line.split('|')).filter_map(|cell| cell.trim().parse().ok()).collect();
    codes.sort_unstable();
    assert_eq!(codes, written());
}

/// The codes of the table in the help.
fn codes(help: &str) -> Vec<i32> {
    let table = help.split_once("Exit codes:\n").map_or("", |(_, table)| table);
    table.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// The codes as the program has them.
fn written() -> Vec<i32> {
    let source = include_str!("../../src/cli/exit.rs");
    source.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")?.1.parse().ok()).collect()
}

#[test]
fn a_wrong_word_is_answered_with_the_right_one() {
    let sandbox = Sandbox::new();
    for (wrong, right) in [("rolback", "'rollback'"), ("vaildate", "'validate'"), ("statu", "'status'")] {
        let said = sandbox.run(&[wrong]).is(2).says(&["unrecognized subcommand", right]);
        assert_eq!(said.out, "");
    }
    sandbox.run(&["run", "--yess", "x.yaml"]).is(2).says(&["'--yes'"]);
    let led =
        [("undo", "rollback NAME --to previous"), ("deploy", "run SPEC"), ("diff", "plan SPEC"), ("ls", "history")];
    for (wrong, right) in led {
        let said =
            sandbox.run(&[wrong]).is(2).says(&["unrecognized subcommand", &format!("`tidegate {right}` does that")]);
        assert!(!said.err.contains("similar"), "{}", said.err);
    }
    sandbox.run(&["run", "x.yaml", "--dry-run"]).is(2).says(&["`tidegate plan SPEC` does that"]);
    sandbox.run(&[]).is(2).says(&["Usage: tidegate"]);
    sandbox.run(&["plan"]).is(2).says(&["<SPEC|PLAN>"]);
    sandbox.run(&["plan", "x", "--endpoint-url", "lab"]).is(2).says(&["http://"]);
    sandbox.run(&["rollback", "--reason"]).is(2).says(&["--reason <REASON>"]);
}

#[test]
fn a_problem_s_code_can_be_looked_up() {
    let sandbox = Sandbox::new();
    let spec = sandbox.file("bad.yaml", "version: 1\nnam: web\n");
    let said = sandbox.run(&["validate", &spec]).is(2).says(&["error[TG0105]: "]);
    assert_eq!(
        sandbox.run(&["validate", &spec, "--json"]).is(2).json()[0]["problems"][0]["code"],
        "TG0105",
        "{}",
        said.err
    );
    sandbox.run(&["explain", "tg0105"]).is(0).harmless().says(&["TG0105: a field or value", "`tidegate docs spec`"]);
    assert_eq!(sandbox.run(&["explain", "--json"]).is(0).json()[0]["code"], "TG0101");
    let wrong = sandbox.run(&["explain", "TG9999"]).is(2).says(&["error[TG0202]: there is no code `TG9999`"]);
    assert_eq!(wrong.out, "");
}

#[test]
fn a_rollout_s_name_that_is_nearly_right_is_answered_with_the_right_one() {
    let sandbox = Sandbox::new();
    sandbox.rollout("checkout-20261123-140509-0a1b", 23);
    for wrong in ["chekout", "checkuot", "checkout-20261123-140509-0a1c"] {
        sandbox.run(&["status", wrong]).is(2).says(&["error[TG0203]: ", "did you mean `checkout"]);
    }
    let said = sandbox.run(&["status", "zzz"]).is(2);
    assert!(!said.err.contains("did you mean"), "{}", said.err);
}

#[test]
fn pages_scripts_and_documentation_are_made_of_the_program() {
    let sandbox = Sandbox::new();
    sandbox.run(&["completions", "bash"]).is(0).says(&["_tidegate()", "--detailed-exitcode"]);
    sandbox.run(&["completions", "tcsh"]).is(2).says(&["fish"]);
    sandbox.run(&["man"]).is(0).says(&[".TH tidegate 1"]);
    let dir = sandbox.path().join("man1");
    std::fs::create_dir(&dir).unwrap();
    sandbox.run(&["man", "man1"]).is(0);
    for command in COMMANDS {
        assert!(dir.join(format!("tidegate-{command}.1")).is_file(), "no page for {command}");
    }
    sandbox.run(&["man", "nowhere"]).is(2).says(&["cannot write manual pages"]);
    let topics = sandbox.run(&["docs"]).is(0).harmless().out;
    let named = topics.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    for topic in named {
        let page = sandbox.run(&["docs", topic]).is(0).harmless().out;
        assert!(page.lines().count() > 5, "{topic}: {page}");
    }
}

#[test]
fn the_version_is_one_line() {
    let version = Sandbox::new().run(&["--version"]).is(0);
    assert_eq!(version.out, format!("tidegate {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_schema_is_the_one_that_ships() {
    let schema = Sandbox::new().run(&["schema"]).is(0).harmless();
    let shipped = include_str!("../../rollout-specs/tidegate.schema.json");
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(read(&schema.out), read(shipped), "write it anew: tidegate schema > rollout-specs/tidegate.schema.json");
}
