//! Python packages that tests need, fetched once into the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a command to its end and gives what it printed; what it was for is said when it fails.
pub fn run(what: &str, command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{what}: {error}"))?;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.success() { Ok(text) } else { Err(format!("{what}:\n{text}")) }
}

/// A folder of this name with what a list of requirements asks for, made anew when the list has changed.
pub fn packages(name: &str, list: &str) -> Result<PathBuf, String> {
    static FETCHING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = FETCHING.lock();
    let requirements = std::fs::read_to_string(Path::new(ROOT).join(list)).expect("a list");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let stamp = folder.join("requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == requirements) {
        return Ok(folder);
    }
    let _ = std::fs::remove_dir_all(&folder);
    let wanted: Vec<&str> = requirements.split_whitespace().collect();
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(&folder).args(&wanted);
    run(&format!("installing {} with pip", wanted.join(", ")), &mut pip)?;
    std::fs::write(&stamp, requirements).expect("the folder is there");
    Ok(folder)
}
