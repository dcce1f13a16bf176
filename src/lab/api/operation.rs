//! An operation's input and output, in the same form for every protocol.

use hyper::body::Bytes;
use serde_json::Value;

use crate::account::Account;
use crate::metrics::store::Store;
use crate::past::Past;
use crate::value::{text, whole};

/// One operation on the account.
pub(super) struct Call<'a> {
    /// The control plane.
    pub account: &'a mut Account,
    /// The metrics from before the lab began that nobody has looked at yet.
    pub past: &'a mut Past,
    /// The metrics.
    pub store: &'a mut Store,
    /// Lab time.
    pub now: u64,
    /// What is read is as it was at this moment.
    pub read_at: u64,
    /// The input.
    pub input: &'a Value,
}

/// The code of what the lab does not play. AWS has no such code: it is not AWS that refuses.
pub(super) const NOT_PLAYED: &str = "NotPlayedByTheLab";

/// What an operation gives.
pub(super) type OperationResult = Result<Value, Refusal>;

/// An answer that is more than members: S3's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers by lower-case name.
    pub headers: Vec<(String, String)>,
    /// The body, as it goes out.
    pub body: Bytes,
}

/// What a performed operation gives, in the form that its protocol tells.
pub(super) enum Output {
    /// The members of a structure.
    Members(Value),
    /// A whole answer.
    Reply(Reply),
}

/// An error as AWS tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The code.
    pub code: &'static str,
    /// The message.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
}

impl Refusal {
    /// A client's mistake.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into(), status: 400 }
    }

    /// What AWS would do and the lab cannot: it says so, where doing nothing would look like having done it.
    pub(crate) fn not_played(message: impl Into<String>) -> Refusal {
        Refusal::new(NOT_PLAYED, message)
    }
}

/// The members that page an answer, and the refusal of a wrong token.
pub(super) struct Paging {
    /// The member with the token.
    pub token: &'static str,
    /// The member with the size of a page.
    pub size: &'static str,
    /// The largest, and usual, size of a page.
    pub limit: usize,
    /// The code for a wrong token or size.
    pub code: &'static str,
}

impl Paging {
    /// The page of all items that the input asks for, and the token of the next one.
    pub(crate) fn cut<T>(&self, input: &Value, all: Vec<T>) -> Result<(Vec<T>, Option<String>), Refusal> {
        let wrong = |what: &str| Refusal::new(self.code, format!("Invalid {what}"));
        let start = match text(input, self.token).filter(|token| !token.is_empty()) {
            None => 0,
            Some(token) => {
                let place = token.strip_prefix("lab-").and_then(|place| place.parse().ok());
                place.filter(|place| *place <= all.len()).ok_or_else(|| wrong(self.token))?
            }
        };
        let size = match input.get(self.size) {
            None | Some(Value::Null) => self.limit,
            Some(_) => whole(input, self.size)
                .filter(|size| (1..=self.limit as i64).contains(size))
                .ok_or_else(|| wrong(self.size))? as usize,
        };
        let next = (start + size < all.len()).then(|| format!("lab-{}", start + size));
        Ok((all.into_iter().skip(start).take(size).collect(), next))
    }
}

/// Puts a token into an answer, if there is one.
pub(super) fn with_token(mut answer: Value, key: &str, token: Option<String>) -> Value {
    if let (Some(token), Some(members)) = (token, answer.as_object_mut()) {
        members.insert(key.to_owned(), Value::String(token));
    }
    answer
}

/// Asks something of an account without a lab around it.
#[cfg(test)]
pub(super) fn on_account<T>(account: &mut Account, now: u64, input: &Value, ask: impl FnOnce(&mut Call<'_>) -> T) -> T {
    let config = crate::config::LabConfig { rps: 0.0, ..Default::default() };
    let (mut past, mut store) = (Past::new(account, &config, now), Store::new(0));
    ask(&mut Call { account, past: &mut past, store: &mut store, now, read_at: now, input })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAGING: Paging = Paging { token: "Marker", size: "PageSize", limit: 3, code: "Wrong" };

    #[test]
    fn pages_follow_each_other() {
        let all = || vec![1, 2, 3, 4, 5];
        let (page, next) = PAGING.cut(&json!({}), all()).expect("the first page");
        assert_eq!(page, [1, 2, 3]);
        let (page, next) = PAGING.cut(&json!({"Marker": next}), all()).expect("the second page");
        assert_eq!((page, next), (vec![4, 5], None));
        let (page, _) = PAGING.cut(&json!({"PageSize": "2"}), all()).expect("a small page");
        assert_eq!(page, [1, 2]);
    }

    #[test]
    fn wrong_tokens_and_sizes_are_refused() {
        for input in [json!({"Marker": "x"}), json!({"Marker": "lab-9"}), json!({"PageSize": 4})] {
            assert!(PAGING.cut(&input, vec![1, 2]).is_err(), "{input}");
        }
    }
}
