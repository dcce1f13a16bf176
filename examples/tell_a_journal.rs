//! Reads a rollout's journal and says how it went: the closing account is a fold over what happened.
//! `cargo run -p tidegate-examples --bin tell_a_journal -- ~/.local/state/tidegate/rollouts/<id>/journal/*.json`, or one
//! file of JSON Lines.

use std::error::Error;

use tidegate::journal::{JournalEnd, parse};
use tidegate::machine::Machine;
use tidegate::report::{Style, Summary};

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = Vec::new();
    for path in std::env::args_os().skip(1) {
        text.extend(std::fs::read(path)?);
    }
    let recorded = parse(&text)?;
    let mut machine = Machine::new(recorded.header.plan);
    let mut summary = Summary::new();
    for record in recorded.records {
        for notice in machine.apply(record.at, record.event).notices {
            summary.take(record.at, &notice);
        }
    }
    let style = Style { color: false, unicode: true, width: 80 };
    print!("{}", summary.text(recorded.header.id.as_str(), machine.plan(), style));
    if recorded.end != JournalEnd::Clean {
        println!("the journal does not end cleanly: {:?}", recorded.end);
    }
    Ok(())
}
