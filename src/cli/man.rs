//! `tidegate man [DIR]`: manual pages, made of the command line's definition.

use std::path::PathBuf;

use super::{Exit, Failure, definition, terminal};
use crate::domain::text::many;

/// Print the manual page, or write one for every command to a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate man > tidegate.1
  tidegate man ~/.local/share/man/man1
  tidegate man | man -l -")]
pub(super) struct Args {
    /// The folder, which is there.
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let command = definition();
    let unwritten = |error: std::io::Error| Failure::new(Exit::Usage, format!("cannot write manual pages: {error}"));
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(unwritten)?;
        terminal::print(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Done);
    };
    let pages = command.get_subcommands().filter(|one| !one.is_hide_set()).count() as u64 + 1;
    clap_mangen::generate_to(command, dir).map_err(unwritten)?;
    terminal::say(&format!(
        "{} written to {}",
        many(pages, "page"),
        crate::domain::text::escape(&dir.display().to_string())
    ));
    Ok(Exit::Done)
}
