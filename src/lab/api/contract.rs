//! The lab held against AWS's service models: what goes in is refused as AWS refuses it, and what goes out is checked
//! wherever the lab is built for tests, so that every answer that any test gets is one that AWS could have given.

use serde_json::Value;

use super::operation::{NOT_PLAYED, Output, Refusal};
use super::wire_call::{ApiRequest, Protocol, Service};
use super::wire_text::query_code;
use crate::model::Model;
use crate::model::check::{Breach, Checker, Wrong};

/// Codes that the models do not tell of the operations that give them, by service; `*` is any service.
///
/// What the API reference lists among a service's common errors, or has been seen of AWS, says so. Nothing proves the
/// rest: AWS refuses these calls, and under which code is a guess.
const UNMODELLED: &[(&str, &str, &str)] = &[
    ("*", NOT_PLAYED, "the lab's own"),
    ("*", "AccessDeniedException", "common errors"),
    ("*", "AccessDenied", "common errors"),
    ("*", "ExpiredToken", "common errors"),
    ("*", "ExpiredTokenException", "common errors"),
    ("*", "InvalidClientTokenId", "common errors"),
    ("*", "UnrecognizedClientException", "common errors"),
    ("*", "InvalidSignatureException", "common errors"),
    ("*", "SignatureDoesNotMatch", "common errors"),
    ("*", "RequestTimeTooSkewed", "common errors"),
    ("*", "InvalidAction", "common errors"),
    ("*", "UnknownOperationException", "common errors"),
    ("*", "SerializationException", "awsJson and RPC v2 CBOR, seen of AWS"),
    ("*", "MalformedInput", "awsQuery, seen of AWS"),
    ("*", "Throttling", "common errors"),
    ("*", "ThrottlingException", "common errors"),
    ("*", "InternalFailure", "common errors"),
    ("*", "InternalServerError", "common errors"),
    ("*", "InternalServerException", "common errors"),
    ("*", "ServiceFailure", "common errors"),
    ("elbv2", "ValidationError", "common errors"),
    ("elbv2", "TooManyTargetGroups", "told of CreateRule alone, unproven of the others"),
    ("iam", "ValidationError", "common errors"),
    ("sts", "ValidationError", "common errors"),
    ("cloudwatch", "ValidationException", "common errors, as ValidationError"),
    ("cloudwatch", "InvalidParameterValueException", "unproven"),
    ("cloudwatch", "InvalidParameterCombinationException", "unproven"),
    ("cloudwatch", "MissingRequiredParameterException", "unproven"),
    ("cloudwatch", "InternalServiceFault", "unproven where not modelled"),
    ("application-autoscaling", "ValidationException", "common errors"),
    ("scheduler", "ValidationException", "common errors"),
    ("codedeploy", "ValidationException", "common errors"),
    ("ssm", "ValidationException", "common errors"),
];

/// Words that AWS's documentation has and its models do not.
const UNMODELLED_WORDS: &[(&str, &str)] = &[
    // The description of `ServiceDeployment`.
    ("lifecycleStage", "PRE_PRODUCTION_TRAFFIC_SHIFT"),
];

/// The code for what a model's limits forbid where the operation tells none: by service, the first that it tells, or
/// the last.
const FALLBACKS: &[(Service, &[&str])] = &[
    (Service::Ecs, &["InvalidParameterException", "ClientException"]),
    (Service::Elbv2, &["ValidationError"]),
    (Service::CloudWatch, &["InvalidParameterValueException", "ValidationException"]),
    (Service::Sts, &["ValidationError"]),
    (Service::Iam, &["InvalidInput", "ValidationError"]),
    (Service::Sns, &["InvalidParameter"]),
];

/// Refuses an input that AWS refuses by its model, or of which the lab would drop a part.
pub(super) fn admit(asked: &ApiRequest) -> Result<(), Refusal> {
    let model = Model::of(asked.service.word());
    let (Some(operation), Some(reads)) = (model.operation(&asked.operation), model.reads(&asked.operation)) else {
        return Err(super::unknown(asked));
    };
    // What S3 is asked lies in headers and a query, which `wire_s3` holds against the model.
    let Some(input) = operation.input.as_ref().filter(|_| asked.service != Service::S3) else { return Ok(()) };
    let breaches = Checker::breaches(model, input, &asked.input, asked.protocol == Protocol::Query);
    let (strangers, breaches): (Vec<Breach>, Vec<Breach>) =
        breaches.into_iter().partition(|breach| breach.wrong == Wrong::Unknown);
    if let Some(refusal) = breaches.iter().find_map(|breach| of_another_kind(asked.protocol, breach)) {
        return Err(refusal);
    }
    if let Some(refusal) = refused_by_model(asked, &breaches) {
        return Err(refusal);
    }
    if let Some(stranger) = strangers.first() {
        let message = format!("{} has no member {}: AWS would take no notice of it.", asked.operation, stranger.path);
        return Err(Refusal::not_played(message));
    }
    match reads.unread(&asked.input) {
        None => Ok(()),
        Some((path, value)) => {
            let value = if value.is_object() || value.is_array() { String::new() } else { format!(" {value}") };
            let message =
                format!("The lab does not play {path}{value} of {}: leave it out of a rehearsal.", asked.operation);
            Err(Refusal::not_played(message))
        }
    }
}

fn of_another_kind(protocol: Protocol, breach: &Breach) -> Option<Refusal> {
    let Wrong::Kind(kind) = breach.wrong else { return None };
    let code = if protocol == Protocol::Query { "MalformedInput" } else { "SerializationException" };
    Some(Refusal::new(code, format!("{} at '{}' can not be converted to {kind}", breach.value, breach.path)))
}

/// All breaches in one refusal, in the words in which AWS tells them.
fn refused_by_model(asked: &ApiRequest, breaches: &[Breach]) -> Option<Refusal> {
    let first = breaches.first()?;
    let errors = &Model::of(asked.service.word()).operation(&asked.operation)?.errors;
    let missing = "MissingRequiredParameterException";
    let is_told = |code: &&&str| errors.contains_key(query_code(code)) || errors.contains_key(**code);
    let fallback = FALLBACKS.iter().find(|(service, _)| *service == asked.service);
    let codes = fallback.map_or(&["ValidationException"][..], |(_, codes)| codes);
    let code = codes.iter().find(is_told).or(codes.last()).copied().unwrap_or_default();
    let is_missing = first.wrong == Wrong::Missing && asked.service == Service::CloudWatch;
    let code = if is_missing && is_told(&&missing) { missing } else { code };
    let said: Vec<String> = breaches.iter().map(constraint).collect();
    let plural = if said.len() == 1 { "" } else { "s" };
    Some(Refusal::new(code, format!("{} validation error{plural} detected: {}", said.len(), said.join("; "))))
}

fn constraint(breach: &Breach) -> String {
    let must = match &breach.wrong {
        Wrong::Missing => "Member must not be null".to_owned(),
        Wrong::Word(words) => format!("Member must satisfy enum value set: [{}]", words.join(", ")),
        Wrong::Below(limit) | Wrong::Above(limit) => format!("Member must have {limit}"),
        Wrong::Kind(kind) => format!("Member must be {kind}"),
        Wrong::Unknown => "the model has no such member".to_owned(),
    };
    let value = if breach.wrong == Wrong::Missing { "null".to_owned() } else { format!("'{}'", breach.value) };
    format!("Value {value} at '{}' failed to satisfy constraint: {must}", breach.path)
}

/// What of an outcome AWS could not have given.
pub(super) fn breach(asked: &ApiRequest, outcome: &Result<Output, Refusal>) -> Option<String> {
    let service = asked.service.word();
    let model = Model::of(service);
    let operation = model.operation(&asked.operation);
    match outcome {
        Err(refusal) => {
            let told = operation.and_then(|it| {
                let told = it.errors.get(refusal.code);
                told.or_else(|| it.errors.get(query_code(refusal.code)))
            });
            let is_common =
                UNMODELLED.iter().any(|(of, code, _)| (*of == "*" || *of == service) && *code == refusal.code);
            match told {
                None if is_common => None,
                None => Some(format!("the model tells no {} of it", refusal.code)),
                Some(0) => None,
                Some(status) => {
                    (*status != refusal.status).then(|| format!("the model has {} with status {status}", refusal.code))
                }
            }
        }
        Ok(Output::Members(members)) => {
            let shape = operation?.output.as_ref();
            let none = Value::Object(serde_json::Map::new());
            let Some(shape) = shape else {
                return (*members != none).then(|| "the model has no output".to_owned());
            };
            let is_query = asked.protocol == Protocol::Query;
            let mut breaches = Checker::breaches(model, shape, members, is_query);
            breaches.retain(|breach| !is_open(breach));
            let said: Vec<String> = breaches.iter().map(constraint).collect();
            (!said.is_empty()).then(|| said.join("; "))
        }
        Ok(Output::Reply(_)) => None,
    }
}

/// Whether AWS answers so though its model does not say it: sizes hold for what goes in alone, as for a resource
/// without tags, and words may be added.
fn is_open(breach: &Breach) -> bool {
    match &breach.wrong {
        Wrong::Below(_) | Wrong::Above(_) => true,
        Wrong::Word(_) => UNMODELLED_WORDS
            .iter()
            .any(|(member, word)| breach.path.rsplit('.').next() == Some(member) && breach.value == *word),
        _ => false,
    }
}

/// Gives an outcome back, or, in a build for tests, what AWS could not have given of it.
pub(super) fn held(asked: &ApiRequest, outcome: Result<Output, Refusal>) -> Result<Output, Refusal> {
    if !cfg!(debug_assertions) || asked.service == Service::S3 {
        return outcome;
    }
    match breach(asked, &outcome) {
        None => outcome,
        Some(what) => {
            let message = format!("the lab answers {} as AWS could not: {what}", asked.operation);
            Err(Refusal { status: 500, ..Refusal::new("ContractBroken", message) })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ecs(operation: &str, input: Value) -> ApiRequest {
        ApiRequest::new(Service::Ecs, Protocol::Json11, operation, input)
    }

    #[test]
    fn an_answer_that_aws_could_not_have_given_is_no_answer() {
        let asked = ecs("DescribeTasks", json!({"tasks": ["t"]}));
        let wrong = [
            (json!({"tasks": [{"colour": "blue"}]}), "tasks.1.colour"),
            (json!({"tasks": [{"launchType": "FOG"}]}), "FARGATE"),
            (json!({"tasks": [{"version": "1"}]}), "a whole number"),
            (json!({"tasks": "none"}), "a List"),
        ];
        for (answer, said) in wrong {
            let told = held(&asked, Ok(Output::Members(answer))).err().expect("it is held back");
            assert!(told.code == "ContractBroken" && told.message.contains(said), "{}", told.message);
        }
        let right = json!({"tasks": [{"launchType": "FARGATE", "version": 1}], "failures": []});
        assert!(held(&asked, Ok(Output::Members(right))).is_ok());
    }

    #[test]
    fn a_refusal_that_no_model_has_is_none() {
        let asked = ecs("DescribeTasks", json!({"tasks": ["t"]}));
        let told = |code| held(&asked, Err(Refusal::new(code, "no"))).err().map(|refusal| refusal.code);
        assert_eq!(told("ClusterNotFoundException"), Some("ClusterNotFoundException"));
        assert_eq!(told("TaskSetNotFoundException"), Some("ContractBroken"));
    }

    #[test]
    fn what_the_lab_does_not_read_is_refused_by_its_name() {
        let asked = ecs("CreateService", json!({"serviceName": "web", "volumeConfigurations": [{"name": "v"}]}));
        let refusal = admit(&asked).expect_err("it would be dropped");
        assert_eq!(refusal.code, NOT_PLAYED);
        assert!(refusal.message.contains("volumeConfigurations of CreateService"), "{}", refusal.message);
        let asked = ecs("CreateService", json!({"serviceName": "web", "launchType": "FOG"}));
        assert_eq!(admit(&asked).expect_err("AWS refuses it").code, "InvalidParameterException");
        let asked = ecs("CreateService", json!({"serviceName": 5}));
        assert_eq!(admit(&asked).expect_err("AWS refuses it").code, "SerializationException");
    }
}
