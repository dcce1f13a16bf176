//! `tidegate schema`: the JSON Schema of specs, for editors.

use super::{Exit, Failure, terminal};

pub(super) fn run() -> Result<Exit, Failure> {
    terminal::print(&format!("{:#}\n", crate::spec::schema()))?;
    Ok(Exit::Done)
}
