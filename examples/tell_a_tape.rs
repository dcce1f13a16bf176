//! Reads a rollout's tape and says how it went: the closing account is a fold over what happened.
//! `cargo run --example tell_a_tape -- ~/.local/state/tidegate/rollouts/<id>/tape.jsonl`

use std::error::Error;
use std::path::PathBuf;

use tidegate::journal::{TapeEnd, parse};
use tidegate::machine::Machine;
use tidegate::report::{Style, Summary};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from).ok_or("which tape? give its path")?;
    let tape = parse(&std::fs::read(path)?)?;
    let mut machine = Machine::new(tape.header.plan);
    let mut summary = Summary::new();
    for record in tape.records {
        for notice in machine.apply(record.at, record.event).notices {
            summary.take(record.at, &notice);
        }
    }
    let style = Style { color: false, unicode: true, width: 80 };
    print!("{}", summary.text(tape.header.id.as_str(), machine.plan(), style));
    if tape.end != TapeEnd::Clean {
        println!("the tape does not end cleanly: {:?}", tape.end);
    }
    Ok(())
}
