//! Lines that vouch for themselves and for all before them: each ends in a hash over its text and the
//! hash of the line before.

use sha2::{Digest, Sha256};

use crate::domain::text::hex;

/// How many bytes of SHA-256 a line carries, in hex.
const KEPT: usize = 16;
const OPENING: &[u8] = b",\"chain\":\"";
const CLOSING: &[u8] = b"\"}";

/// The hash of the last line, in hex; it starts out as no line at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain(String);

impl Chain {
    fn after(&self, body: &[u8]) -> Chain {
        let digest = Sha256::new().chain_update(&self.0).chain_update(body).finalize();
        Chain(hex(&digest[..KEPT]))
    }

    /// How a line ends after which this comes, the newline included; nothing before the first.
    pub(super) fn end(&self) -> Vec<u8> {
        if self.0.is_empty() { Vec::new() } else { [OPENING, self.0.as_bytes(), CLOSING, b"\n"].concat() }
    }

    /// The hash, in hex.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes a line of a JSON object and moves on to it; the newline is included.
    pub(super) fn seal(&self, object: &str) -> (String, Chain) {
        let body = object.strip_suffix('}').unwrap_or(object);
        let chain = self.after(body.as_bytes());
        (format!("{body},\"chain\":\"{}\"}}\n", chain.0), chain)
    }

    /// Moves on to a line that has no newline, or `None` when it is not what was sealed here.
    pub(super) fn verify(&self, line: &[u8]) -> Option<Chain> {
        let tail = OPENING.len() + 2 * KEPT + CLOSING.len();
        let (body, tail) = line.split_at_checked(line.len().checked_sub(tail)?)?;
        let chain = self.after(body);
        let found = tail.strip_prefix(OPENING)?.strip_suffix(CLOSING)?;
        (found == chain.0.as_bytes()).then_some(chain)
    }
}
