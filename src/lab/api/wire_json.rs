//! The JSON protocols.

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::operation::Refusal;

/// Reads an input; no body is an empty one.
pub(super) fn read(body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(Refusal::new("SerializationException", "the body is not a JSON object")),
    }
}

/// A refusal as a structure.
pub(super) fn refusal(refusal: &Refusal) -> Value {
    json!({"__type": refusal.code, "message": refusal.message})
}

/// A refusal as text.
pub(super) fn refuse(of: &Refusal) -> String {
    refusal(of).to_string()
}
