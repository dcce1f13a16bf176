//! The command line as its own help shows it.

use super::*;

/// The examples in a command's help: each line a command of this program, as a shell would split it.
fn examples(command: &clap::Command) -> Vec<Vec<String>> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let shown = help.split_once("Examples:\n").map_or("", |(_, shown)| shown).to_owned();
    shown.lines().flat_map(|line| line.split(" | ")).filter_map(words).collect()
}

/// The words of one example up to what a shell takes for itself; `None` where it is another program's.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in line.trim().chars() {
        match c {
            '"' => quoted = !quoted,
            '>' | '#' if !quoted => break,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut()?.push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    // `VAR=value` before the program.
    let program = words.iter().position(|word| !word.contains('='))?;
    (words[program] == "tidegate").then(|| words.split_off(program))
}

#[test]
fn every_command_has_three_examples_that_it_takes() {
    let mut definition = definition();
    definition.build();
    for command in definition.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        let own: Vec<_> = examples(command).into_iter().filter(|words| words[1] == name).collect();
        assert!(own.len() >= 3, "{name} has {} examples", own.len());
        for words in examples(command) {
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{words:?}: {error}");
            }
        }
    }
}

#[test]
fn every_shell_gets_a_script_that_knows_every_command() {
    use clap_complete::Shell;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut definition(), "tidegate", &mut script);
        let script = String::from_utf8(script).unwrap();
        for command in definition().get_subcommands() {
            assert!(script.contains(command.get_name()), "{shell} does not know {}", command.get_name());
        }
    }
}
