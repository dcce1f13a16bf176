//! Where the rollouts of this machine are kept, so that a command with nothing but a rollout's id, name or spec works in
//! any shell: as it was printed, without the flags and variables of the shell in which the rollout began.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::context::{Context, Found, Globals};
use super::paths::absolute;
use super::{Failure, target};
use crate::domain::name::RolloutId;

/// How many rollouts are remembered, the newest.
const REMEMBERED: usize = 500;
/// The folder of what is remembered, in the user's state folder.
const FOLDER: &str = "places";

impl Context {
    /// The surroundings for a command on the rollout `text`: where no flag and no variable says where rollouts are kept,
    /// its spec does, or what this machine remembers. A spec's path becomes the spec's name.
    ///
    /// # Errors
    /// When `text` is a path, and no spec can be read there.
    pub(super) fn recalled(mut self, text: &mut String) -> Result<Self, Failure> {
        // No name and no id has one of these.
        if text.contains(['/', '.']) {
            let spec = Head::read(Path::new(text))?;
            *text = spec.name;
            if spec.store.is_some() {
                self.globals.fill(Kept { store: spec.store, region: spec.region, ..Kept::default() });
                return Ok(self);
            }
        }
        if let Some(kept) = self.places().and_then(|folder| find(&folder, text)) {
            self.globals.fill(kept);
        }
        Ok(self)
    }

    /// Remembers where a rollout is kept; its spec may say so. What cannot be remembered must be said again by flags,
    /// and is no reason to stop.
    pub(super) fn remember(&self, id: &RolloutId, of_spec: Option<&str>) {
        let Some(folder) = self.places() else { return };
        let kept = Kept { store: self.store_url(of_spec).map(str::to_owned), ..self.globals.kept() };
        let (entry, text) = (folder.join(id.as_str()), kept.to_json().to_string());
        // One that is known stays as old as it is: to look at it makes it no newer.
        let is_known = std::fs::read_to_string(&entry).is_ok_and(|known| known == text);
        if !is_known && std::fs::create_dir_all(&folder).is_ok() {
            let _ = std::fs::write(entry, text);
            forget_oldest(&folder);
        }
    }

    fn places(&self) -> Option<PathBuf> {
        self.state_folder().ok().map(|folder| folder.join(FOLDER))
    }
}

impl Found {
    /// Remembers where it was found, so that what is printed of it works in another shell too.
    pub(super) fn remembered_by(self, context: &Context) -> Self {
        if !self.is_lab {
            context.remember(&self.id, None);
        }
        self
    }
}

/// How a rollout's store and account are reached: the flags that say so.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kept {
    store: Option<String>,
    state_dir: Option<PathBuf>,
    region: Option<String>,
    profile: Option<String>,
    endpoint_url: Option<String>,
}

impl Kept {
    fn to_json(&self) -> Value {
        json!({
            "store": self.store, "state_dir": self.state_dir, "region": self.region, "profile": self.profile,
            "endpoint_url": self.endpoint_url,
        })
    }

    fn of_json(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Self {
            store: text("store"),
            state_dir: text("state_dir").map(PathBuf::from),
            region: text("region"),
            profile: text("profile"),
            endpoint_url: text("endpoint_url"),
        }
    }
}

impl Globals {
    fn kept(&self) -> Kept {
        Kept {
            store: None,
            state_dir: self.state_dir.as_deref().map(absolute),
            region: self.region.clone(),
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
        }
    }

    /// Takes over what nobody said. One who said where rollouts are kept means that place, as it was said.
    fn fill(&mut self, kept: Kept) {
        let is_said = self.store.as_deref().is_some_and(|said| !said.is_empty()) || self.state_dir.is_some();
        if is_said {
            return;
        }
        (self.store, self.state_dir) = (kept.store, kept.state_dir);
        self.region = self.region.take().or(kept.region);
        self.profile = self.profile.take().or(kept.profile);
        self.endpoint_url = self.endpoint_url.take().or(kept.endpoint_url);
    }
}

/// Where the rollout with this id is kept, or the one with this name that this machine came to know last.
fn find(folder: &Path, text: &str) -> Option<Kept> {
    let known = remembered(folder);
    let exact = known.iter().find(|id| id.as_str() == text);
    let since = |id: &RolloutId| std::fs::metadata(folder.join(id.as_str())).and_then(|about| about.modified()).ok();
    let named = || known.iter().filter(|id| id.name() == text).max_by_key(|id| (since(id), id.started()));
    let bytes = std::fs::read(folder.join(exact.or_else(named)?.as_str())).ok()?;
    serde_json::from_slice(&bytes).ok().map(|value| Kept::of_json(&value))
}

fn remembered(folder: &Path) -> Vec<RolloutId> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| RolloutId::parse(entry.file_name().to_str()?).ok()).collect()
}

fn forget_oldest(folder: &Path) {
    let mut ids = remembered(folder);
    ids.sort_by(|a, b| b.started().cmp(&a.started()));
    for old in ids.iter().skip(REMEMBERED) {
        let _ = std::fs::remove_file(folder.join(old.as_str()));
    }
}

/// What a spec says of itself, whatever else is wrong with it: who takes traffic back has not the variables of the
/// pipeline that gives it away.
struct Head {
    name: String,
    store: Option<String>,
    region: Option<String>,
}

impl Head {
    fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = target::read_bytes(path)?;
        let tree: serde_yaml::Value = serde_yaml::from_slice(&bytes).unwrap_or_default();
        // A variable is filled in by nobody here.
        let text = |value: &serde_yaml::Value| value.as_str().filter(|text| !text.contains("${")).map(str::to_owned);
        match text(&tree["name"]) {
            Some(name) => Ok(Self { name, store: text(&tree["store"]), region: text(&tree["target"]["region"]) }),
            None => {
                let wrong = format!("{} says no `name` of a rollout", path.display());
                Err(Failure::new(super::Exit::Usage, wrong).hint("name the rollout by its id or its spec's name"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "web-20261123-140509-0001";
    const NEW: &str = "web-20261124-140509-0002";
    const OTHER: &str = "web-api-20261125-140509-0003";

    fn kept(store: &str) -> Kept {
        Kept { store: Some(store.into()), region: Some("eu-west-1".into()), ..Kept::default() }
    }

    #[test]
    fn an_id_is_found_where_it_was_kept_and_a_name_where_its_latest_was() {
        let folder = tempfile::tempdir().unwrap();
        for (id, store) in [(OLD, "s3://old"), (NEW, "s3://new"), (OTHER, "s3://other")] {
            std::fs::write(folder.path().join(id), kept(store).to_json().to_string()).unwrap();
        }
        assert_eq!(find(folder.path(), OLD), Some(kept("s3://old")));
        assert_eq!(find(folder.path(), "web"), Some(kept("s3://new")));
        assert_eq!(find(folder.path(), "web-"), None);
        std::fs::write(folder.path().join(NEW), "{").unwrap();
        assert_eq!(find(folder.path(), NEW), None, "half of an entry is none");
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..=REMEMBERED {
            std::fs::write(folder.path().join(format!("web-20261123-{:06}-0001", 100_000 + n)), "{}").unwrap();
        }
        forget_oldest(folder.path());
        assert_eq!(remembered(folder.path()).len(), REMEMBERED);
        assert_eq!(find(folder.path(), "web-20261123-100000-0001"), None);
    }
}
