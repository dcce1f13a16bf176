//! RPC v2 CBOR: the same structures, with moments tagged.

use ciborium::Value as Cbor;
use hyper::body::Bytes;
use serde_json::{Map, Number, Value};

use super::operation::Refusal;

/// The tag of a moment in seconds.
const MOMENT: u64 = 1;
/// Structures may lie this deep in each other.
const DEPTH_LIMIT: usize = 64;

/// How CodeDeploy's members are called that hold moments.
const CODEDEPLOY_MOMENTS: [&str; 6] =
    ["createTime", "startTime", "endTime", "completeTime", "lastUpdatedAt", "firstUsedTime"];

/// Whether a member holds moments.
pub(super) fn is_moment(key: &str) -> bool {
    key == "Timestamps" || key.ends_with("Timestamp") || CODEDEPLOY_MOMENTS.contains(&key)
}

/// Reads an input; no body is an empty one.
pub(super) fn read(body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let wrong = || Refusal::new("SerializationException", "the body is not a CBOR map");
    let value = ciborium::from_reader::<Cbor, _>(body.as_ref()).map_err(|_| wrong())?;
    match from_cbor(value, 0) {
        Some(value @ Value::Object(_)) => Ok(value),
        _ => Err(wrong()),
    }
}

/// Writes an output.
pub(super) fn tell(output: Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into memory fails only on values that CBOR cannot hold, and JSON has none.
    let _ = ciborium::into_writer(&to_cbor(output, false), &mut bytes);
    bytes
}

fn from_cbor(value: Cbor, depth: usize) -> Option<Value> {
    if depth > DEPTH_LIMIT {
        return None;
    }
    Some(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(flag) => Value::Bool(flag),
        Cbor::Text(text) => Value::String(text),
        Cbor::Float(float) => Value::Number(Number::from_f64(float)?),
        Cbor::Integer(number) => Value::Number(i64::try_from(number).ok()?.into()),
        Cbor::Tag(_, inner) => from_cbor(*inner, depth + 1)?,
        Cbor::Array(all) => {
            let all = all.into_iter().map(|one| from_cbor(one, depth + 1));
            Value::Array(all.collect::<Option<_>>()?)
        }
        Cbor::Map(pairs) => {
            let pairs =
                pairs.into_iter().map(|(key, value)| Some((key.into_text().ok()?, from_cbor(value, depth + 1)?)));
            Value::Object(pairs.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn to_cbor(value: Value, is_moment_here: bool) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(flag) => Cbor::Bool(flag),
        Value::String(text) => Cbor::Text(text),
        Value::Number(number) if is_moment_here => {
            Cbor::Tag(MOMENT, Box::new(Cbor::Float(number.as_f64().unwrap_or_default())))
        }
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Cbor::Integer(whole.into()),
            None => Cbor::Float(number.as_f64().unwrap_or_default()),
        },
        Value::Array(all) => Cbor::Array(all.into_iter().map(|one| to_cbor(one, is_moment_here)).collect()),
        Value::Object(members) => {
            let there = members.into_iter().filter(|(_, value)| !value.is_null());
            let pairs = there.map(|(key, value)| {
                let is_moment = is_moment(&key);
                (Cbor::Text(key), to_cbor(value, is_moment))
            });
            Cbor::Map(pairs.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_tagged_and_numbers_keep_their_kind() {
        let bytes = tell(json!({"Timestamps": [1.5], "Values": [2.0], "Period": 60, "No": null}));
        let read: Cbor = ciborium::from_reader(bytes.as_slice()).expect("it was just written");
        let expected = Cbor::Map(vec![
            (Cbor::Text("Timestamps".into()), Cbor::Array(vec![Cbor::Tag(1, Box::new(Cbor::Float(1.5)))])),
            (Cbor::Text("Values".into()), Cbor::Array(vec![Cbor::Float(2.0)])),
            (Cbor::Text("Period".into()), Cbor::Integer(60.into())),
        ]);
        assert_eq!(read, expected);
    }

    #[test]
    fn the_moments_of_codedeploy_are_tagged_too() {
        let bytes = tell(json!({"deploymentInfo": {"createTime": 2.0, "status": "Ready"}}));
        let read: Cbor = ciborium::from_reader(bytes.as_slice()).expect("it was just written");
        let info = vec![
            (Cbor::Text("createTime".into()), Cbor::Tag(1, Box::new(Cbor::Float(2.0)))),
            (Cbor::Text("status".into()), Cbor::Text("Ready".into())),
        ];
        assert_eq!(read, Cbor::Map(vec![(Cbor::Text("deploymentInfo".into()), Cbor::Map(info))]));
    }

    #[test]
    fn malformed_bodies_are_refused() {
        for body in [&b"\xff"[..], b"\x01", b"{}"] {
            assert!(read(&Bytes::copy_from_slice(body)).is_err(), "{body:?}");
        }
    }
}
