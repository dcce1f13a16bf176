//! The tidegate binary: parse arguments, run, exit with the code.

fn main() {}
