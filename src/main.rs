//! The tidegate binary: parse arguments, run, exit with the code.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate::cli::main()
}
