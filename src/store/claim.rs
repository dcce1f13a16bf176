//! Who drives what: a claim on a listener rule or an ECS service, kept by a lock of the operating system,
//! so that a runner that crashes holds nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::name::RolloutId;

/// How often a lock that is taken is tried again: [`Store::holder_of`] takes it for an instant.
const TRIES: u32 = 5;
/// The time between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);
/// The longest text in a lock file that is believed.
const HOLDER_BYTES: u64 = 4096;

/// Who holds a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The person, as `user@host`.
    pub by: String,
    /// Their process.
    pub pid: u32,
    /// The rollout it runs.
    pub rollout: RolloutId,
    /// Since when.
    pub since: Timestamp,
}

/// Whether a resource is claimed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// By nobody.
    Free,
    /// By this one.
    By(Holder),
    /// By somebody who has not said who.
    Unnamed,
}

/// Why there is no claim.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Somebody else holds it.
    #[error("{resource} is being driven by {}", told(holder.as_ref()))]
    Held {
        /// The rule or service.
        resource: String,
        /// Who, if they said.
        holder: Option<Holder>,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn told(holder: Option<&Holder>) -> String {
    match holder {
        Some(h) => format!("{} (process {}), rollout {}, since {}", h.by, h.pid, h.rollout, h.since),
        None => "another process".to_owned(),
    }
}

/// The right to drive some resources, held until it is dropped or the process ends.
#[derive(Debug)]
#[must_use = "a claim is given back when it is dropped"]
pub struct Claim {
    locks: Vec<File>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        for lock in &self.locks {
            // The next holder writes its own name; this only keeps ours from being read in between.
            let _ = lock.set_len(0);
        }
    }
}

/// A holder as it stands in a lock file.
#[derive(Serialize, Deserialize)]
struct HolderFile {
    by: String,
    pid: u32,
    rollout: String,
    since: u64,
}

impl Store {
    /// Claims all of the resources, or none: always in the same order, so that two who want the same
    /// never each hold a part.
    ///
    /// # Errors
    /// When somebody else holds one of them, or the file system refuses.
    pub fn claim(&self, resources: &[&str], holder: &Holder) -> Result<Claim, ClaimError> {
        let mut sorted = resources.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut claim = Claim { locks: Vec::new() };
        for resource in sorted {
            let path = self.lock_path(resource);
            let mut lock = open(&path)?;
            if !try_lock(&lock, &path)? {
                return Err(ClaimError::Held { resource: resource.to_owned(), holder: read_holder(&mut lock) });
            }
            write_holder(&mut lock, holder).map_err(StoreError::io("write", &path))?;
            claim.locks.push(lock);
        }
        Ok(claim)
    }

    /// Whether somebody drives the resource now, and who.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn holder_of(&self, resource: &str) -> Result<Held, StoreError> {
        let path = self.lock_path(resource);
        if !path.exists() {
            return Ok(Held::Free);
        }
        let mut lock = open(&path)?;
        match lock.try_lock_shared() {
            Ok(()) => Ok(Held::Free),
            Err(TryLockError::WouldBlock) => Ok(read_holder(&mut lock).map_or(Held::Unnamed, Held::By)),
            Err(TryLockError::Error(source)) => Err(StoreError::Io { doing: "lock", path, source }),
        }
    }

    fn lock_path(&self, resource: &str) -> PathBuf {
        let digest = Sha256::digest(resource);
        let mut kept = [0; 16];
        kept.copy_from_slice(&digest[..16]);
        self.root.join("locks").join(format!("{:032x}.lock", u128::from_be_bytes(kept)))
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(StoreError::io("open", path))
}

fn try_lock(lock: &File, path: &Path) -> Result<bool, StoreError> {
    for attempt in 0..TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if attempt + 1 < TRIES => std::thread::sleep(BETWEEN_TRIES),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Io { doing: "lock", path: path.to_owned(), source });
            }
        }
    }
    Ok(false)
}

fn write_holder(lock: &mut File, holder: &Holder) -> std::io::Result<()> {
    let Holder { by, pid, rollout, since } = holder.clone();
    let file = HolderFile { by, pid, rollout: rollout.to_string(), since: since.as_millis() };
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(&serde_json::to_vec(&file)?)
}

fn read_holder(lock: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    lock.rewind().ok()?;
    lock.take(HOLDER_BYTES).read_to_end(&mut text).ok()?;
    let file: HolderFile = serde_json::from_slice(&text).ok()?;
    let rollout = RolloutId::parse(&file.rollout).ok()?;
    Some(Holder { by: file.by, pid: file.pid, rollout, since: Timestamp::from_millis(file.since) })
}
