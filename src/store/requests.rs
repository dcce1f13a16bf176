//! What one process tells a runner in another: one file a request, taken in the order they were left, and
//! removed only once the runner has it on its journal. A request waits for a runner that is not there yet.

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, rollout_key};
use crate::domain::approval::Approval;
use crate::domain::clock::Timestamp;
use crate::domain::name::RolloutId;

/// The folder for requests, within a rollout's.
const FOLDER: &str = "words";
/// Where files go that are no requests.
const ASIDE: &str = "set-aside";
/// The longest file that is read as a request.
const REQUEST_BYTES: usize = 64 * 1024;
/// How many requests are taken at once; the rest waits for the next time.
const AT_ONCE: usize = 100;

/// A request as it is left for a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftRequest {
    /// The request as it is typed: `pause`.
    pub request: String,
    /// Who says it, as `user@host`.
    pub by: String,
    /// Why, if they said.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What it approves, if that is what it does.
    pub approves: Option<Approval>,
}

/// The requests that wait, in the order they were left.
#[derive(Debug, Default)]
pub struct Requests {
    /// Those that can be read.
    pub waiting: Vec<WaitingRequest>,
    /// Files that were no requests, by name and with what is wrong; they are out of the way now.
    pub set_aside: Vec<String>,
}

/// A request that waits. It is taken again until it is [done](Store::request_is_done).
#[derive(Debug, PartialEq)]
pub struct WaitingRequest {
    /// What is said.
    pub told: LeftRequest,
    key: String,
}

impl WaitingRequest {
    /// What it is called among all that were ever left for its rollout.
    pub fn key(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

/// A request as it stands in its file.
#[derive(Serialize, Deserialize)]
struct RequestFile {
    #[serde(rename = "word")]
    request: String,
    by: String,
    reason: Option<String>,
    at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approves: Option<ApprovalFile>,
}

#[derive(Serialize, Deserialize)]
struct ApprovalFile {
    step: usize,
    release: String,
    #[serde(default)]
    undecided: Vec<String>,
}

impl Store {
    /// Leaves a request for the runner of a rollout, whether or not there is one now. It is durable when
    /// this returns, and can be put away again.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn leave_word(&self, id: &RolloutId, told: LeftRequest) -> Result<WaitingRequest, StoreError> {
        let LeftRequest { request, by, reason, at, approves } = told.clone();
        let approves = approves.map(|Approval { step, release, undecided }| ApprovalFile { step, release, undecided });
        let file = RequestFile { request, by, reason, at: at.as_millis(), approves };
        let body = serde_json::to_vec(&file).unwrap_or_default();
        let name = format!("{:015}-{:016x}.json", told.at.as_millis(), fastrand::u64(..));
        let key = format!("{}/{FOLDER}/{name}", rollout_key(id));
        self.backend.put(&key, body).await?;
        Ok(WaitingRequest { told, key })
    }

    /// The requests that wait for the runner of a rollout.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn take_words(&self, id: &RolloutId) -> Result<Requests, StoreError> {
        let folder = format!("{}/{FOLDER}", rollout_key(id));
        let mut requests = Requests::default();
        for name in self.backend.list(&folder).await?.into_iter().take(AT_ONCE) {
            let key = format!("{folder}/{name}");
            let Some(text) = self.backend.get(&key).await? else { continue };
            match parse(&text) {
                Ok(told) => requests.waiting.push(WaitingRequest { told, key }),
                Err(why) => {
                    requests.set_aside.push(format!("{}: {why}", name.escape_debug()));
                    self.backend.put(&format!("{}/{ASIDE}/{name}", rollout_key(id)), text).await?;
                    self.backend.remove(&key).await?;
                }
            }
        }
        Ok(requests)
    }

    /// Puts a request away: it is in the journal.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn request_is_done(&self, request: &WaitingRequest) -> Result<(), StoreError> {
        self.backend.remove(&request.key).await
    }
}

fn parse(text: &[u8]) -> Result<LeftRequest, String> {
    if text.len() > REQUEST_BYTES {
        return Err("it is longer than a word can be".to_owned());
    }
    let file: RequestFile = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let RequestFile { request, by, reason, at, approves } = file;
    let approves = approves.map(|ApprovalFile { step, release, undecided }| Approval { step, release, undecided });
    Ok(LeftRequest { request, by, reason, at: Timestamp::from_millis(at), approves })
}
