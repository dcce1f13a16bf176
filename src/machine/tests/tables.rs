//! The tables of stages and phases: every row is a change that the machine may make, and every such change has a row.

use super::*;
use crate::machine::state::{Phase, Stage};

const STAGES: [Stage; 10] = [
    Stage::Checking,
    Stage::Acting,
    Stage::Settling,
    Stage::Probing(0),
    Stage::Holding(START),
    Stage::Ramping,
    Stage::Raising { to: Share::ALL, since: START },
    Stage::Asking,
    Stage::Quieting,
    Stage::Counting(0),
];
const PHASES: [Phase; 12] = [
    Phase::Checking,
    Phase::Reviving,
    Phase::Routing,
    Phase::Verifying,
    Phase::Marking,
    Phase::Disarming,
    Phase::Quieting,
    Phase::Restoring,
    Phase::Freeing,
    Phase::Mending,
    Phase::Unmarking,
    Phase::Counting,
];

/// The first and the last cell of every row of the table in a file's comments, without quotes.
fn rows(file: &str) -> Vec<(String, String)> {
    let rows = file.lines().filter_map(|line| line.strip_prefix("/// | ")?.strip_suffix(" |")).skip(1);
    let cells = rows.map(|row| row.split(" | ").map(|cell| cell.replace('`', "")).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].clone(), cells[2].clone())).collect()
}

/// The name of a variant, without what it holds.
fn name(variant: impl std::fmt::Debug) -> String {
    format!("{variant:?}").chars().take_while(|letter| letter.is_alphanumeric()).collect()
}

/// Holds a table against the changes that are made. Staying where it is is no change.
fn hold<T: Copy + std::fmt::Debug>(file: &str, all: &[T], anywhere: &[&str], leads_to: impl Fn(T, T) -> bool) {
    let rows = rows(file);
    assert!(rows.len() >= all.len() / 2, "the table is read: {rows:?}");
    for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to))) {
        let (from_name, to_name) = (name(from), name(to));
        let is_row = |(start, end): &(String, String)| {
            (*start == from_name || anywhere.contains(&start.as_str())) && *end == to_name
        };
        if from_name != to_name {
            assert_eq!(leads_to(from, to), rows.iter().any(is_row), "{from_name} to {to_name}");
        }
    }
    for (start, end) in &rows {
        let known = |cell: &String| all.iter().any(|one| name(one) == *cell) || cell.starts_with("any");
        assert!(known(start) && known(end), "{start} to {end}");
    }
}

#[test]
fn stages_change_as_their_table_says() {
    hold(include_str!("../forward/stage.rs"), &STAGES, &["any"], Stage::leads_to);
}

#[test]
fn phases_change_as_their_table_says() {
    let table = include_str!("../back/phase.rs");
    hold(table, &PHASES, &["any"], |from, to| from.leads_to(to, false));
    hold(table, &PHASES, &["any", "any, in a hurry"], |from, to| from.leads_to(to, true));
}
