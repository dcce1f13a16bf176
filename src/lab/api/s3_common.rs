//! S3: what its operations have in common.

use super::operation::{Refusal, Reply};

/// What S3's answers are declared to be.
pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// What an operation gives.
pub(super) type S3Outcome = Result<Reply, Refusal>;

/// A refusal with its status.
pub(super) fn refusal(status: u16, code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { status, ..Refusal::new(code, message) }
}

/// An answer in XML.
pub(super) fn xml(body: &str) -> Reply {
    let headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
    Reply { status: 200, headers, body: (r#"<?xml version="1.0" encoding="UTF-8"?>"#.to_owned() + body).into() }
}
