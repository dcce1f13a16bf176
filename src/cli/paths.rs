//! Makes paths absolute, so that other processes find them.

use std::path::{Path, PathBuf};

/// Where a file is, from any folder: the journal says it of a rollout's spec, so that `resume` finds it.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
