//! How long `tidegate --help` takes, as a ratio to a program that does nothing and to the AWS CLI.
//!
//! `cargo build --release && cargo run --release --example startup [PROGRAM…]` times the `tidegate` of the same
//! profile, `true`, and each further PROGRAM with `--version`, such as `aws`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each is started; they take turns, so that a busy moment touches all of them.
const ROUNDS: usize = 40;

fn main() -> Result<(), String> {
    let mut contenders = vec![("true".to_owned(), Vec::new()), (beside()?, vec!["--help"])];
    contenders.extend(std::env::args().skip(1).map(|program| (program, vec!["--version"])));
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

/// The `tidegate` that was built with this example.
fn beside() -> Result<String, String> {
    let this = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let built: Option<PathBuf> = this.parent().and_then(Path::parent).map(|folder| folder.join("tidegate"));
    let built = built.filter(|path| path.exists()).ok_or("there is no tidegate of this profile: build it first")?;
    Ok(built.display().to_string())
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
