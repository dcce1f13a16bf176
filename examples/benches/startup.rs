//! How long `tidegate --help` takes, as a ratio to a program that does nothing and to the AWS CLI.
//!
//! `cargo bench --bench startup -- [PROGRAM…]` times the release build of `tidegate`, `true`, and each further PROGRAM
//! with `--version`, such as `aws`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each is started; they take turns, so that a busy moment touches all of them.
const ROUNDS: usize = 40;

fn main() -> Result<(), String> {
    let mut contenders =
        vec![("true".to_owned(), Vec::new()), (env!("CARGO_BIN_EXE_tidegate").to_owned(), vec!["--help"])];
    // Cargo tells each benchmark that it is one.
    let programs = std::env::args().skip(1).filter(|argument| argument != "--bench");
    contenders.extend(programs.map(|program| (program, vec!["--version"])));
    let mut figures: Vec<Vec<Duration>> = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for ((program, arguments), figures) in contenders.iter().zip(&mut figures) {
            figures.push(start(program, arguments)?);
        }
    }
    for figures in &mut figures {
        figures.sort();
    }
    let nothing = figures[0][ROUNDS / 2];
    for ((program, arguments), figures) in contenders.iter().zip(&figures) {
        let (least, median, most) = (figures[0], figures[ROUNDS / 2], figures[ROUNDS - 1]);
        let ratio = median.as_secs_f64() / nothing.as_secs_f64();
        let name = Path::new(program).file_name().unwrap_or_default().display();
        let words = arguments.join(" ");
        println!("{name} {words}: least {least:.1?}, median {median:.1?}, most {most:.1?}; {ratio:.1} times `true`");
    }
    Ok(())
}

fn start(program: &str, arguments: &[&str]) -> Result<Duration, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "a stopwatch, and nothing of tidegate's")]
    let began = Instant::now();
    let status = command.status().map_err(|error| format!("{program} does not start: {error}"))?;
    let took = began.elapsed();
    if status.success() { Ok(took) } else { Err(format!("{program} ends with {status}")) }
}
