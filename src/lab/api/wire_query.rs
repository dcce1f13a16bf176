//! The query protocol: forms in, XML out.

use hyper::body::Bytes;
use serde_json::{Map, Value};

use super::operation::Refusal;
use super::wire_call::{ApiRequest, Protocol, Service};
use super::wire_cbor::is_moment;
use super::wire_text::{escape, query_code};
use crate::value::date;

/// Reads a form: `Actions.member.1.Type=forward` is the first element of a list.
pub(super) fn read(query: Option<&str>, body: &Bytes) -> Result<ApiRequest, Refusal> {
    let mut input = Value::Object(Map::new());
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    for (key, value) in pairs.chain(form_urlencoded::parse(body)) {
        let path: Vec<&str> = key.split('.').filter(|part| *part != "member").collect();
        put(&mut input, &path, &value)?;
    }
    let members = input.as_object_mut();
    let take = |key: &str| match members.as_ref().and_then(|members| members.get(key)) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (action, version) = (take("Action"), take("Version"));
    let Some(operation) = action else {
        return Err(Refusal::new("MissingAction", "the request names no Action"));
    };
    let service = match version.as_deref() {
        Some("2015-12-01") => Service::Elbv2,
        Some("2010-08-01") => Service::CloudWatch,
        Some("2011-06-15") => Service::Sts,
        Some("2010-05-08") => Service::Iam,
        Some("2010-03-31") => Service::Sns,
        _ => {
            let message = "the Version is of no service that the lab serves";
            return Err(Refusal::new("InvalidAction", message));
        }
    };
    if let Some(members) = input.as_object_mut() {
        members.shift_remove("Action");
        members.shift_remove("Version");
    }
    Ok(ApiRequest::new(service, Protocol::Query, &operation, input))
}

/// Lists are longer than this in no request.
const LIST_LIMIT: usize = 2_000;

fn put(into: &mut Value, path: &[&str], value: &str) -> Result<(), Refusal> {
    let malformed = || Refusal::new("MalformedInput", "the form mixes lists and structures");
    let [part, rest @ ..] = path else {
        // An empty list comes as its bare name.
        if into.is_null() {
            *into = Value::String(value.to_owned());
        }
        return Ok(());
    };
    if let Ok(place) = part.parse::<usize>() {
        if into.is_null() {
            *into = Value::Array(Vec::new());
        }
        let list = into.as_array_mut().ok_or_else(malformed)?;
        if place == 0 || place > LIST_LIMIT {
            return Err(malformed());
        }
        if list.len() < place {
            list.resize(place, Value::Null);
        }
        return put(&mut list[place - 1], rest, value);
    }
    if into.is_null() {
        *into = Value::Object(Map::new());
    }
    let members = into.as_object_mut().ok_or_else(malformed)?;
    put(members.entry((*part).to_owned()).or_insert(Value::Null), rest, value)
}

fn namespace(service: Service) -> &'static str {
    match service {
        Service::CloudWatch => "http://monitoring.amazonaws.com/doc/2010-08-01/",
        Service::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        _ => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
    }
}

/// Writes an answer.
pub(super) fn tell(asked: &ApiRequest, output: &Value, id: &str) -> String {
    let operation = &asked.operation;
    let mut xml = format!("<{operation}Response xmlns=\"{}\">", namespace(asked.service));
    element(&mut xml, &format!("{operation}Result"), output);
    xml.push_str("<ResponseMetadata>");
    element(&mut xml, "RequestId", &Value::String(id.to_owned()));
    xml + "</ResponseMetadata></" + operation + "Response>"
}

/// Writes a refusal.
pub(super) fn refuse(refusal: &Refusal, id: &str) -> String {
    let side = if refusal.status < 500 { "Sender" } else { "Receiver" };
    let text = |text: &str| Value::String(text.to_owned());
    let mut xml = format!("<ErrorResponse xmlns=\"{}\"><Error><Type>{side}</Type>", namespace(Service::Elbv2));
    element(&mut xml, "Code", &text(query_code(refusal.code)));
    element(&mut xml, "Message", &text(&refusal.message));
    xml.push_str("</Error>");
    element(&mut xml, "RequestId", &text(id));
    xml.push_str("</ErrorResponse>");
    xml
}

fn element(xml: &mut String, name: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    // Maps are told entry by entry, without the list around them.
    if let ("entry", Value::Array(entries)) = (name, value) {
        for entry in entries {
            element(xml, name, entry);
        }
        return;
    }
    xml.push('<');
    xml.push_str(name);
    xml.push('>');
    match value {
        Value::Null => {}
        Value::Bool(flag) => xml.push_str(if *flag { "true" } else { "false" }),
        Value::Number(seconds) if is_moment(name) => {
            xml.push_str(&date((seconds.as_f64().unwrap_or_default() * 1e3) as u64));
        }
        Value::Number(number) => xml.push_str(&number.to_string()),
        Value::String(text) => escape(xml, text),
        Value::Array(all) => {
            for one in all {
                let is_list_of_moments = is_moment(name) && one.is_number();
                match one.as_f64().filter(|_| is_list_of_moments) {
                    Some(at) => element(xml, "member", &Value::String(date((at * 1e3) as u64))),
                    None => element(xml, "member", one),
                }
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                element(xml, key, value);
            }
        }
    }
    xml.push_str("</");
    xml.push_str(name);
    xml.push('>');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_become_lists_and_structures() {
        let body = "Action=ModifyRule&Version=2015-12-01&RuleArn=arn%3Ax&Actions.member.1.Type=forward\
            &Actions.member.1.ForwardConfig.TargetGroups.member.2.Weight=10\
            &Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight=90&Conditions=";
        let asked = read(None, &Bytes::from_static(body.as_bytes())).expect("the form is right");
        assert_eq!(asked.operation, "ModifyRule");
        let expected = json!({"RuleArn": "arn:x", "Conditions": "", "Actions": [{"Type": "forward",
            "ForwardConfig": {"TargetGroups": [{"Weight": "90"}, {"Weight": "10"}]}}]});
        assert_eq!(asked.input, expected);
    }

    #[test]
    fn broken_forms_are_refused() {
        for body in ["", "Action=X", "Action=X&Version=1", "Action=X&Version=2015-12-01&A.1=x&A.b=y"] {
            assert!(read(None, &Bytes::from_static(body.as_bytes())).is_err(), "{body}");
        }
    }

    #[test]
    fn answers_are_xml() {
        let mut xml = String::new();
        element(&mut xml, "R", &json!({"L": [{"A": 1}, {"B": "<&>"}], "E": [], "N": null}));
        assert_eq!(xml, "<R><L><member><A>1</A></member><member><B>&lt;&amp;&gt;</B></member></L><E></E></R>");
    }
}
