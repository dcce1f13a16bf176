//! Every command that the README and the pages of `tidegate docs` show, run as it stands there; those of the README's
//! section for a new service are run in [`super::beginnings`], reviewed plans in [`super::plans`], and suites of recorded
//! series in `tests/commands/backtest_suite.rs`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::{Ended, Lab, Place, Process};
use crate::takeovers::Half;

/// Another speed than what a person watches, for machines with other work: the specs are those of the README.
const SPEED: [&str; 2] = ["--lab-speed", "20"];

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is there")
}

fn readme() -> String {
    read("README.md")
}

/// The pages of `tidegate docs` that are files.
fn pages() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/docs");
    let files = std::fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be read").path());
    let pages: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    assert!(pages.len() > 5, "{pages:?}");
    pages.into_iter().map(read).collect()
}

/// The words of each command that is shown, once: a line of a block in the README, and a line of its own that is set in
/// on a page.
fn commands() -> BTreeSet<Vec<String>> {
    let (readme, pages) = (readme(), pages());
    let blocks = readme.split("\n```console\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let starts = ["tidegate ", "exec tidegate ", "cargo run "];
    let on_pages = pages.iter().flat_map(|page| page.lines()).filter_map(|line| line.strip_prefix("    "));
    let on_pages = on_pages.filter(|line| starts.iter().any(|start| line.starts_with(start)));
    let lines = blocks.flat_map(str::lines).chain(on_pages);
    let lines = lines.map(|line| line.split(" #").next().unwrap_or_default());
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The arguments of `tidegate`, where that is what is run.
fn arguments(command: &[String]) -> Option<&[String]> {
    match command {
        [cargo, run, dashes, rest @ ..] if cargo == "cargo" && run == "run" && dashes == "--" => Some(rest),
        [exec, program, rest @ ..] if exec == "exec" && program == "tidegate" => Some(rest),
        [program, rest @ ..] if program == "tidegate" => Some(rest),
        _ => None,
    }
}

/// The arguments of the commands of one kind, each once; there is at least one.
fn those(name: &str, is_lab: bool) -> Vec<Vec<String>> {
    let all = commands();
    let all = all.iter().filter_map(|command| arguments(command));
    let found = all.filter(|words| words[0] == name && words.iter().any(|word| word == "--lab") == is_lab);
    let found: BTreeSet<_> = found.map(<[String]>::to_vec).collect();
    assert!(!found.is_empty(), "no page shows {name}");
    found.into_iter().collect()
}

#[test]
fn no_command_that_is_shown_is_left_out() {
    for command in commands() {
        let Some(words) = arguments(&command) else {
            assert_eq!(command, ["cargo", "test"], "who runs this?");
            continue;
        };
        let run = ["init", "doctor", "plan", "run", "rollback", "simulate", "backtest"];
        assert!(run.contains(&words[0].as_str()), "no test runs {command:?}");
    }
}

#[test]
fn its_rehearsals_end_as_it_says() {
    std::thread::scope(|scope| {
        for words in those("run", true) {
            scope.spawn(move || ends_as_it_says(&words));
        }
    });
}

fn ends_as_it_says(words: &[String]) {
    let is_bad = words.iter().any(|word| word == "--lab-candidate");
    let place = Place::new();
    let mut command = place.tidegate(words.iter().map(String::as_str).chain(SPEED));
    let ended = Process::start(command.current_dir(env!("CARGO_MANIFEST_DIR"))).end();
    ended.ends(if is_bad { 10 } else { 0 }, &[if is_bad { "rolled back: " } else { "promoted: " }]);
    if words.iter().any(|word| word == "errors=20%") {
        its_picture_is_of(&ended);
    }
}

/// Each line of the README's picture of a rollout is in what that rollout printed, whatever the numbers.
fn its_picture_is_of(ended: &Ended) {
    let readme = readme();
    let picture = readme.split("\n```text\n").nth(1).and_then(|rest| rest.split("\n```").next()).expect("there is one");
    let printed: BTreeSet<String> = ended.text().lines().map(without_numbers).collect();
    for line in picture.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(printed.contains(&without_numbers(line)), "no rollout prints {line:?}: {ended}");
    }
}

/// The line with one sign in place of each number.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for letter in line.chars() {
        let letter = if letter.is_ascii_digit() || letter == '.' { '#' } else { letter };
        if letter != '#' || !text.ends_with('#') {
            text.push(letter);
        }
    }
    text
}

#[test]
fn its_simulation_gives_figures() {
    for words in those("simulate", false) {
        let mut command = Place::new().tidegate(&words);
        let ended = Process::start(command.current_dir(env!("CARGO_MANIFEST_DIR"))).end();
        ended.ends(0, &["errors=1%,latency=+10%"]);
    }
}

#[test]
fn its_rollbacks_take_the_traffic_back() {
    for words in those("rollback", false) {
        let half = Half::reach("", "20");
        let place = Place::new();
        let store = Lab::store();
        let words = words.iter().map(|word| match word.as_str() {
            "ARN" => half.lab.rule(),
            bucket if bucket.starts_with("s3://") => store.as_str(),
            word => word,
        });
        let mut command = half.lab.tidegate(&place, words.chain(["--yes"]));
        let back = Process::start(&mut command).end();
        back.ends(0, &["all traffic is on"]);
        half.lab.is_all_on("web-blue");
        half.ends_overruled(&back);
    }
}

#[test]
fn the_page_of_commands_names_every_command_and_no_other() {
    let page = read("src/cli/docs/commands.md");
    let quoted = page.lines().filter_map(|line| line.strip_prefix("* `")?.split('`').next());
    let named: BTreeSet<&str> = quoted.filter_map(|words| words.split_whitespace().next()).collect();
    let help = Place::new().run(["--help"]);
    let text = help.lines.join("\n");
    let list = text.split_once("Commands:\n").expect("it lists them").1;
    let list = list.split("\n\n").next().unwrap_or_default();
    let starts = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let known: BTreeSet<&str> = starts.filter_map(|line| line.split_whitespace().next()).collect();
    let known: BTreeSet<&str> = known.into_iter().filter(|name| *name != "help").collect();
    assert_eq!(named, known);
}
