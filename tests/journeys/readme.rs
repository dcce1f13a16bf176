//! Every command that the README shows, run as it stands there; those of its section for a new service are run in
//! [`super::beginnings`].

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Lab, Place, Process};
use crate::takeovers::Half;

/// Another speed than what a person watches, for machines with other work: the specs are those of the README.
const SPEED: [&str; 2] = ["--lab-speed", "20"];

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("it is there")
}

/// The words of each command in its blocks, without what is said of it.
fn commands() -> Vec<Vec<String>> {
    let readme = readme();
    let blocks = readme.split("\n```console\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap_or_default());
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The arguments of `tidegate`, where that is what is run.
fn arguments(command: &[String]) -> Option<&[String]> {
    match command {
        [cargo, run, dashes, rest @ ..] if cargo == "cargo" && run == "run" && dashes == "--" => Some(rest),
        [program, rest @ ..] if program == "tidegate" => Some(rest),
        _ => None,
    }
}

/// The commands of one kind; there is at least one.
fn those(name: &str, is_lab: bool) -> Vec<Vec<String>> {
    let all = commands();
    let all = all.iter().filter_map(|command| arguments(command));
    let found = all.filter(|words| words[0] == name && words.iter().any(|word| word == "--lab") == is_lab);
    let found: Vec<_> = found.map(<[String]>::to_vec).collect();
    assert!(!found.is_empty(), "the README shows no {name}");
    found
}

#[test]
fn no_command_of_the_readme_is_left_out() {
    for command in commands() {
        let Some(words) = arguments(&command) else {
            assert_eq!(command, ["cargo", "test"], "who runs this?");
            continue;
        };
        let run = ["init", "doctor", "plan", "run", "rollback", "simulate"];
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
        let words = words.iter().map(|word| if word.starts_with("s3://") { store.as_str() } else { word });
        let mut command = half.lab.tidegate(&place, words.chain(["--yes"]));
        let back = Process::start(&mut command).end();
        back.ends(0, &["all traffic is on"]);
        half.lab.is_all_on("web-blue");
        half.ends_overruled(&back);
    }
}

#[test]
fn it_names_every_command_and_no_other() {
    let readme = readme();
    let table = readme.lines().skip_while(|line| *line != "| command | |").take_while(|line| line.starts_with('|'));
    let cells = table.filter_map(|line| line.split('|').nth(1));
    let quoted = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
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
