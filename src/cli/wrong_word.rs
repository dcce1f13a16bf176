//! Leads from the words of other tools to the commands that do the same here.

use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A word that people try, and what does that here. None of them is a command, so that none starts anything.
const MEANT: [(&str, &str); 22] = [
    ("undo", "tidegate rollback NAME --to previous"),
    ("revert", "tidegate rollback NAME --to previous"),
    ("deploy", "tidegate run SPEC"),
    ("apply", "tidegate run SPEC"),
    ("up", "tidegate run SPEC"),
    ("release", "tidegate run SPEC"),
    ("start", "tidegate run SPEC"),
    ("diff", "tidegate plan SPEC"),
    ("preview", "tidegate plan SPEC"),
    ("dry-run", "tidegate plan SPEC"),
    ("verify", "tidegate doctor SPEC"),
    ("check", "tidegate doctor SPEC"),
    ("lint", "tidegate validate SPEC"),
    ("logs", "tidegate history NAME"),
    ("events", "tidegate history NAME"),
    ("dashboard", "tidegate watch NAME"),
    ("list", "tidegate history"),
    ("ls", "tidegate history"),
    ("cancel", "tidegate abort NAME"),
    ("stop", "tidegate abort NAME"),
    ("unpause", "tidegate continue NAME"),
    ("test", "tidegate run SPEC --lab"),
];

/// The error with what was probably meant, where the word is known from elsewhere.
pub(super) fn led(mut error: Error) -> Error {
    let (said, likeness) = match error.kind() {
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        _ => return error,
    };
    let Some(ContextValue::String(said)) = error.get(said) else { return error };
    let Some(meant) = meant(said, std::env::args().nth(1).as_deref()) else { return error };
    let tip = StyledStr::from(format!("`{meant}` does that"));
    error.remove(likeness);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    error
}

fn meant(said: &str, command: Option<&str>) -> Option<&'static str> {
    if said == "--dry-run" && command == Some("run") {
        return Some("tidegate plan SPEC");
    }
    MEANT.into_iter().find(|(word, _)| *word == said).map(|(_, meant)| meant)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_word_of_others_leads_to_a_command_that_is_there() {
        let definition = super::super::Cli::command();
        let known: Vec<_> = definition.get_subcommands().map(clap::Command::get_name).collect();
        for (word, meant) in MEANT {
            assert!(!known.contains(&word), "{word} is a command");
            let command = meant.split(' ').nth(1).unwrap();
            assert!(known.contains(&command), "{meant}");
        }
    }

    #[test]
    fn a_dry_run_is_a_plan() {
        assert_eq!(meant("--dry-run", Some("run")), Some("tidegate plan SPEC"));
        assert_eq!(meant("--dry-run", Some("plan")), None);
    }
}
