//! Control documents as they are written.
//!
//! The document of a listener rule leads; that of an ECS service only says which rule's rollout uses it. Nothing
//! in them is secret: names, a process number, a count.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::LastLine;
use super::error::LeaseError;
use crate::domain::clock::Timestamp;
use crate::domain::name::RolloutId;
use crate::domain::text::hex;
use crate::lease::{Control, Owner, Phase};

/// The version of the written form. A later one is not taken by this program.
const SCHEMA: u32 = 1;
/// Where control documents are.
pub(super) const CONTROL: &str = "control";

#[derive(Serialize, Deserialize)]
struct OwnerFile {
    by: String,
    #[serde(default)]
    process: String,
    since: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PhaseFile {
    Active,
    Aborting,
    Committing,
    Over,
}

#[derive(Serialize, Deserialize)]
struct ControlFile {
    schema: u32,
    nonce: u64,
    resource: String,
    rollout: String,
    epoch: u64,
    owner: Option<OwnerFile>,
    phase: PhaseFile,
    /// How far the rollout's journal goes at least; absent before it was written, and where an earlier version wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    journal: Option<JournalFile>,
}

#[derive(Serialize, Deserialize)]
struct JournalFile {
    lines: u64,
    chain: String,
}

/// A service's document: it follows a rule's.
#[derive(Serialize, Deserialize)]
struct FollowerFile {
    schema: u32,
    nonce: u64,
    resource: String,
    rollout: String,
    rule: String,
}

/// Where a resource's document is.
pub(super) fn key(resource: &str) -> String {
    format!("{CONTROL}/{}", hex(&Sha256::digest(resource)[..16]))
}

pub(super) fn encode(resource: &str, control: &Control, last: Option<LastLine>) -> Vec<u8> {
    let owner = control.owner.as_ref();
    let file = ControlFile {
        schema: SCHEMA,
        nonce: control.nonce,
        resource: resource.to_owned(),
        rollout: control.rollout.to_string(),
        epoch: control.epoch,
        owner: owner.map(|o| OwnerFile { by: o.by.clone(), process: o.process.clone(), since: o.since.as_millis() }),
        phase: match control.phase {
            Phase::Active => PhaseFile::Active,
            Phase::Aborting => PhaseFile::Aborting,
            Phase::Committing => PhaseFile::Committing,
            Phase::Over => PhaseFile::Over,
        },
        journal: last.map(|LastLine { lines, chain }| JournalFile { lines, chain }),
    };
    serde_json::to_vec(&file).unwrap_or_default()
}

pub(super) fn decode(body: &[u8]) -> Result<Control, String> {
    let file: ControlFile = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if file.epoch == u64::MAX {
        return Err(format!("no epoch can follow {}", u64::MAX));
    }
    Ok(Control {
        nonce: file.nonce,
        rollout: RolloutId::parse(&file.rollout)?,
        epoch: file.epoch,
        owner: file.owner.map(|o| Owner { by: o.by, process: o.process, since: Timestamp::from_millis(o.since) }),
        phase: match file.phase {
            PhaseFile::Active => Phase::Active,
            PhaseFile::Aborting => Phase::Aborting,
            PhaseFile::Committing => Phase::Committing,
            PhaseFile::Over => Phase::Over,
        },
    })
}

/// How far the journal of a rollout goes at least, as its rule's document says.
pub(super) fn last_line(body: &[u8], rollout: &RolloutId) -> Option<LastLine> {
    let file: ControlFile = serde_json::from_slice(body).ok()?;
    let JournalFile { lines, chain } = file.journal.filter(|_| file.rollout == rollout.as_str())?;
    Some(LastLine { lines, chain })
}

/// Refuses a body of a later program, unless only the way back is wanted.
pub(super) fn schema(resource: &str, body: &[u8]) -> Result<(), LeaseError> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    match serde_json::from_slice(body) {
        Ok(Schema { schema }) if schema > SCHEMA => Err(LeaseError::TooNew { resource: resource.to_owned(), schema }),
        _ => Ok(()),
    }
}

/// The rule that a body is the document of, with what it says; `None` for a service's, and for what means nothing.
pub(super) fn of_rule(body: &[u8]) -> Option<(String, Control)> {
    let file: ControlFile = serde_json::from_slice(body).ok()?;
    Some((file.resource, decode(body).ok()?))
}

/// The body of a service's document: this rule's rollout uses it.
pub(super) fn encode_follower(service: &str, (rule, rollout): (&str, &RolloutId), nonce: u64) -> Vec<u8> {
    let (resource, rollout, rule) = (service.to_owned(), rollout.to_string(), rule.to_owned());
    serde_json::to_vec(&FollowerFile { schema: SCHEMA, nonce, resource, rollout, rule }).unwrap_or_default()
}

/// The rule whose rollout uses a service, and that rollout.
pub(super) fn decode_follower(body: &[u8]) -> Result<(String, RolloutId), String> {
    let file: FollowerFile = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok((file.rule, RolloutId::parse(&file.rollout)?))
}
