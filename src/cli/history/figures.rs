//! Totals over the rollouts of a store: for people, for programs, for Prometheus.

use std::io::Write;
use std::path::Path;

use super::list::Row;
use crate::cli::context::Context;
use crate::cli::{Exit, Failure, terminal};
use crate::domain::text::many;
use crate::report::delivery::{Delivery, Figures, prometheus};

/// Who may read the file of metrics: everybody, because whoever collects it is somebody else.
const READABLE: u32 = 0o644;

fn counted(rows: &[Row]) -> Vec<Delivery> {
    rows.iter().filter(|row| !row.is_lab).filter_map(Row::delivery).collect()
}

/// Shows the figures of a name, or of all.
pub(super) fn show(context: &Context, rows: &[Row], name: Option<&str>) -> Result<(), Failure> {
    let figures = Figures::of(name, &counted(rows), context.clock().now());
    if let Some(figures) = &figures {
        if context.json() {
            terminal::print_json(&figures.json())?;
        } else {
            terminal::print(&figures.text(terminal::page_style(context)))?;
        }
    }
    if !context.json() {
        let rehearsals = rows.iter().filter(|row| row.is_lab).count();
        if rehearsals > 0 {
            terminal::say(&format!("not counted: {} in a lab", many(rehearsals as u64, "rehearsal")));
        }
        if figures.is_none() {
            terminal::say("no rollout to count yet");
        }
    }
    Ok(())
}

/// Writes the figures of each name where Prometheus's collector finds them: a reader sees all of them or none.
pub(super) fn export(context: &Context, rows: &[Row], file: &Path) -> Result<(), Failure> {
    let text = prometheus(&Figures::by_name(&counted(rows), context.clock().now()));
    if file == Path::new("-") {
        return terminal::print(&text);
    }
    replace(file, text.as_bytes())
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot write {}: {error}", file.display())))
}

/// Puts a file in the place of what was there, at once.
fn replace(file: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = std::fs::Permissions::from_mode(READABLE);
    // The collector reads `*.prom` only: a file that is not whole has another name.
    let mut new =
        tempfile::Builder::new().prefix(".tidegate-").suffix(".tmp").permissions(permissions).tempfile_in(folder)?;
    new.write_all(content)?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}
